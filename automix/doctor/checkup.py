"""All checks, with the facts of this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automix.doctor.finding import Finding
from automix.doctor.folders import (
    check_databases,
    check_device,
    check_folder,
    check_network,
    check_study_plugins,
    read_studies,
)
from automix.doctor.machine import check_disk, check_gpu, gpu_facts
from automix.doctor.packages import (
    check_extras,
    check_imports,
    check_plugins,
    check_requirements,
    own_requirements,
)
from automix.doctor.trainer import check_smoothing, check_trainer, smoothing_in
from automix.policy import load_document
from automix.storage.migrate import newest_schema

if TYPE_CHECKING:
    from automix.manager import PluginHost

__all__ = ["Question", "check_up"]

_MOUNTS = Path("/proc/self/mounts")


@dataclass(frozen=True)
class Question:
    """What is looked at beside the machine.

    Attributes:
        work: the work folder.
        policy: a policy file, or None.
        trainer: the script that trains with it, or None.
        label_smoothing: that the trainer uses.
    """

    work: Path
    policy: Path | None = None
    trainer: Path | None = None
    label_smoothing: float = 0.0


def check_up(question: Question, host: PluginHost) -> Iterator[Finding]:
    """Do every check, one after the other.

    Raises:
        AutomixError: the policy or the script cannot be read.
    """
    required = own_requirements()
    yield check_requirements(required)
    yield check_extras(required)
    imports = check_imports()
    yield imports
    yield from check_plugins(host)
    usable: tuple[str, ...] = ()
    if imports.result == "ok":
        facts = gpu_facts()
        usable = facts.usable
        yield check_gpu(facts)
    yield from _check_work(question.work, usable, host)
    yield from _check_policy(question)


def _check_work(work: Path, usable: tuple[str, ...], host: PluginHost) -> Iterator[Finding]:
    mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape") if _MOUNTS.exists() else ""
    yield check_network(work, mounts)
    yield check_folder(work)
    place = next(path for path in (work, *work.absolute().parents) if path.exists())
    yield check_disk(shutil.disk_usage(place).free, place)
    yield from check_databases(work, {"automix.db": newest_schema()})
    configs, unreadable = read_studies(work)
    yield from unreadable
    yield from check_device(configs, usable)
    yield from check_study_plugins(configs, host.signature())


def _check_policy(question: Question) -> Iterator[Finding]:
    smoothing = {"--label-smoothing": question.label_smoothing} if question.label_smoothing else {}
    if question.trainer is not None:
        yield from check_trainer(question.trainer)
        smoothing |= smoothing_in(question.trainer)
    if question.policy is not None:
        yield check_smoothing(load_document(question.policy), smoothing)
