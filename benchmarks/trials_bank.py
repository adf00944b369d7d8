"""The trial bank: policies that were trained, with their curves, in one compressed file per data set.

A file holds lines of JSON: first what the trials have in common, then a trial per line. `trials.py` writes it; the
surrogate and the fidelity benchmark read it, so that they need neither images nor training.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import FixedTrial, FrozenTrial, create_trial

from automix.manager import build_host
from automix.mixing.domains import Value
from automix.policy import PolicyDocument
from automix.policy.yamlfile import YamlFile
from automix.search.fidelity import Fidelity
from automix.spaces import Facts, Space, SpaceDocument, compose
from automix.spaces.trials import Replay

__all__ = ["DATA", "FULL", "Bank", "Header", "Job", "Trained"]

DATA = Path(__file__).parent / "data"
FULL = 1.0


@dataclass(frozen=True, order=True)
class Job:
    """One training: of which policy, from which seed, and at which share of the budget.

    Args:
        policy: number of the policy in the bank.
        seed: of initial weights, order, augmentation and mixing; the images and their split stay.
        epochs: share of the epochs, with a schedule of their own.
        images: share of the training images; a smaller share is a part of a larger one.
    """

    policy: int
    seed: int = 0
    epochs: float = FULL
    images: float = FULL

    @property
    def is_full(self) -> bool:
        """Whether it has the whole budget."""
        return self.fidelity.is_full

    @property
    def fidelity(self) -> Fidelity:
        """The share of the budget; only one of the two axes is short."""
        return Fidelity("images", self.images) if self.images < FULL else Fidelity("epochs", self.epochs)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What became of a job.

    Args:
        job: which training.
        title: the policy in a few words.
        arm: name of the reference arm; empty where a sampler proposed it.
        params: the policy in the search space; empty where it lies outside.
        guided: whether TPE proposed it, knowing the trials before, and not chance.
        top1: validation accuracy after each epoch; empty where the training diverged.
        logloss: likewise.
        cpu_s: processor time of all epochs, evaluation included.
    """

    job: Job
    title: str
    arm: str
    params: Mapping[str, Value]
    guided: bool
    top1: tuple[float, ...]
    logloss: tuple[float, ...]
    cpu_s: float

    @property
    def method(self) -> str:
        """The mixer, or "a+b" where two alternate; the arm's name outside the space."""
        if not self.params:
            return self.arm
        names = {str(self.params[key]) for key in ("mixer", "mixer2") if key in self.params}
        return "+".join(sorted(names))


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the trials of a file have in common.

    Args:
        name: of the data set as trained on.
        made: date.
        machine: processor and number of cores.
        versions: package -> version.
        images: split -> number of images.
        settings: of the trainings, as `TrainSettings.to_dict` writes them.
        space: the search space's document, its mixers by name: methods that come later do not take part.
        facts: what the space was composed with.
        arms: name -> policy of the reference arms, in their order.
    """

    name: str
    made: str
    machine: str
    versions: Mapping[str, str]
    images: Mapping[str, int]
    settings: Mapping[str, Any]
    space: Mapping[str, Any]
    facts: Mapping[str, Any]
    arms: Mapping[str, Mapping[str, Any]]

    @property
    def n_epochs(self) -> int:
        """Epochs of a full trial."""
        return int(self.settings["epochs"])

    def compose(self) -> Space:
        """Compose the search space of the trials again."""
        document = SpaceDocument.read(YamlFile("the bank's space", dict(self.space)), is_shipped=True)
        size, probes = tuple(self.facts["image_size"]), frozenset(self.facts["probes"])
        return compose(document, build_host().registry, Facts(**{**self.facts, "image_size": size, "probes": probes}))


@dataclass
class Bank:
    """One file. Every trial that is added is on the disk before `add` returns."""

    path: Path
    header: Header
    trials: dict[Job, Trained] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Bank:
        """Read a file that `add` wrote."""
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            bank = cls(path, Header(**json.loads(next(lines))))
            for line in lines:
                one = _trained(json.loads(line))
                bank.trials[one.job] = one
        return bank

    def add(self, trained: Trained) -> None:
        """Take up a trial; the file is replaced as a whole, so that a kill leaves the old one or the new one."""
        self.trials[trained.job] = trained
        lines = [asdict(self.header), *(_row(one) for one in self.trials.values())]
        text = "\n".join(json.dumps(line, separators=(",", ":")) for line in lines) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_bytes(gzip.compress(text.encode(), mtime=0))
        part.replace(self.path)

    def full(self) -> list[Trained]:
        """Return the trials at the full budget from seed 0, by number of the policy."""
        return [one for job, one in sorted(self.trials.items()) if job.is_full and job.seed == 0]

    def policy(self, number: int, space: Space) -> PolicyDocument:
        """Return a policy that was trained."""
        one = self.trials[Job(number)]
        return PolicyDocument.from_dict(self.header.arms[one.arm]) if one.arm else space.suggest(Replay(one.params))

    def frozen(self, one: Trained, space: Space) -> FrozenTrial:
        """Return a trial of the space as Optuna knows it, its value the accuracy after the last epoch."""
        asked = FixedTrial(dict(one.params))
        space.suggest(asked)
        return create_trial(value=one.top1[-1], params=asked.params, distributions=asked.distributions)


def _row(one: Trained) -> dict[str, Any]:
    row = {**asdict(one), "top1": _rounded(one.top1), "logloss": _rounded(one.logloss)}
    return {**row.pop("job"), **row}


def _rounded(curve: tuple[float, ...]) -> list[float]:
    return [round(value, 4) for value in curve]


def _trained(row: dict[str, Any]) -> Trained:
    job = Job(**{key: row.pop(key) for key in ("policy", "seed", "epochs", "images")})
    return Trained(**{**row, "job": job, "top1": tuple(row["top1"]), "logloss": tuple(row["logloss"])})
