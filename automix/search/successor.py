"""A study that follows another one when plugins or space have changed.

Optuna forbids to change the choices of a study, and what was proposed from other choices was proposed otherwise. So the
same command makes a new study, NAME-2, then NAME-3 ..., and takes over what the one before has found out: results of
policies that the new space can express, or that are reference arms, with defaults filled in for what is new. Images,
training, budget and goal must be the same, so that the values are. The old study stays as it is, and is the one that
goes on where the plugins are as they were.

Which slot is taken over from which is settled when the new study is made and stands in its ``study.json``: a kill in
between changes nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automix.errors import AutomixError
from automix.policy import PolicyDocument
from automix.search.config import StudyConfig, check_training, load_config, plugin_changes
from automix.search.folder import StudyFolder
from automix.search.ledger import Ledger, Proposal, SlotRecord, SlotState
from automix.search.projection import show_slot
from automix.search.reading import read_slots
from automix.search.sampler import SearchSpace, arm_proposal
from automix.tracking import keys

if TYPE_CHECKING:
    from automix.tracking import Tracker

__all__ = ["follow", "succession_note", "take_over"]


def follow(work: Path, asked: StudyConfig, space: SearchSpace) -> StudyConfig:
    """Return the study that is meant: the one asked for, one that followed it, or a new one that follows the last.

    Nothing is written.

    Args:
        work: the work folder.
        asked: what was asked, under the name of the first study.
        space: the space that was asked for.

    Raises:
        StudyError: the last study has other images, training, budget or goal.
    """
    chain = _chain(work.absolute(), asked.name)
    for known in reversed(chain):
        if _frame(known) == _frame(asked):
            return _as_known(known, asked)
    return _successor(work.absolute(), chain[-1], asked, space, len(chain) + 1) if chain else asked


def succession_note(work: Path, config: StudyConfig) -> str:
    """Say in one line which study a study follows, why, and with how many of its results; empty for a first one."""
    if not config.succeeds:
        return ""
    old = load_config(StudyFolder(work.absolute(), config.succeeds))
    change = plugin_changes(old.plugins, config.plugins)
    return (
        f"{'Plugins' if change else 'The space'} changed since study {old.name!r} was made"
        f"{f' ({change})' if change else ''}, which stays as it is: this is study {config.name!r}, with "
        f"{len(config.inherited)} of its trials taken over."
    )


def take_over(
    config: StudyConfig, folder: StudyFolder, ledger: Ledger, space: SearchSpace, tracker: Tracker, parent: str | None
) -> None:
    """Bring what a study inherits into its book, its folder and MLflow; what is there already stays.

    Args:
        config: of the study.
        folder: of the study, whose lock the caller holds.
        ledger: of the study.
        space: of the study.
        tracker: shows the results.
        parent: the study's MLflow run.
    """
    old = StudyFolder(folder.work, config.succeeds)
    records, known = read_slots(old), ledger.slots()
    for name, slot in config.inherited.items():
        new, record = int(name), records[slot]
        if new in known:
            continue
        _link_tree(old.checkpoint(slot), folder.checkpoint(new), lambda path: path.name == "best.safetensors")
        arm = config.arms[new].name if new < len(config.arms) else ""
        origin = record.origin or f"{old.name} slot {slot}"
        mine = replace(record, slot=new, proposal=_proposal(arm, record, space), origin=origin)
        ledger.take_over(replace(mine, run=show_slot(tracker, parent, mine)))
    tracker.conclude(parent, {keys.ORIGIN: old.name}, {})
    _take_over_trainings(old.path / "confirm", folder.path / "confirm")


def _chain(work: Path, name: str) -> list[StudyConfig]:
    """Return the study of a name and those that followed it, in order; none where there is no such study."""
    chain: list[StudyConfig] = []
    candidate = StudyFolder(work, name)
    while candidate.config_file.exists():
        known = load_config(candidate)
        if chain and known.succeeds != chain[-1].name:
            break
        chain.append(known)
        candidate = StudyFolder(work, _name(name, len(chain) + 1))
    return chain


def _name(first: str, number: int) -> str:
    return f"{first}-{number}"


def _frame(config: StudyConfig) -> tuple[Mapping[str, list[str]], str]:
    return config.plugins, config.space_signature


def _as_known(known: StudyConfig, asked: StudyConfig) -> StudyConfig:
    """Return what was asked under the name of the study that is meant."""
    n_trials = _n_trials(asked, known.inherited)
    if known.name == asked.name:
        return replace(asked, n_trials=n_trials)
    number = int(known.name.rpartition("-")[2])
    return replace(asked, name=known.name, out=_name(asked.out, number), n_trials=n_trials)


def _successor(work: Path, old: StudyConfig, asked: StudyConfig, space: SearchSpace, number: int) -> StudyConfig:
    check_training(old, asked)
    records = read_slots(StudyFolder(work, old.name))
    inherited = _inherited(asked, records, space)
    return replace(
        asked,
        name=_name(asked.name, number),
        out=_name(asked.out, number),
        n_trials=_n_trials(asked, inherited),
        succeeds=old.name,
        inherited=inherited,
    )


def _n_trials(asked: StudyConfig, inherited: Mapping[str, int]) -> int:
    """Return the number of slots: what is taken over counts, and no result is left behind because they are many."""
    return max(asked.n_trials, len(asked.arms), *(int(slot) + 1 for slot in inherited), 1)


def _inherited(asked: StudyConfig, records: Mapping[int, SlotRecord], space: SearchSpace) -> dict[str, int]:
    """Settle which slot is taken over from which: arms at the places of the new arms, then the others in order."""
    found = _results(records, space)
    arms = [_key(arm.policy, space) for arm in asked.arms]
    whole = {key: record.slot for key, record in found.items() if record.state is SlotState.COMPLETE}
    places = {str(i): whole[key] for i, key in enumerate(arms) if key in whole}
    others = [record for key, record in found.items() if key not in arms and _proposal("", record, space).params]
    return places | {str(i): record.slot for i, record in enumerate(others, start=len(arms))}


def _results(records: Mapping[int, SlotRecord], space: SearchSpace) -> dict[str, SlotRecord]:
    """Return the results by the key of their policy, written out with the defaults of today; whole ones first."""
    ended = (SlotState.COMPLETE, SlotState.PRUNED)
    trained = [record for record in records.values() if record.state in ended and record.copied_from is None]
    found: dict[str, SlotRecord] = {}
    for record in sorted(trained, key=lambda record: (record.state is not SlotState.COMPLETE, record.slot)):
        if key := _key(record.proposal.policy, space):
            found.setdefault(key, record)
    return dict(sorted(found.items(), key=lambda item: item[1].slot))


def _key(policy: Mapping[str, Any], space: SearchSpace) -> str:
    """Return the key of a policy; empty where a part of it is not installed any more."""
    try:
        return space.normal(PolicyDocument.from_dict(policy)).key()
    except AutomixError:
        return ""


def _proposal(arm: str, record: SlotRecord, space: SearchSpace) -> Proposal:
    return arm_proposal(arm, PolicyDocument.from_dict(record.proposal.policy), space)


def _take_over_trainings(old: Path, new: Path) -> None:
    """Bring finished trainings on fresh seeds along, and what they answered; they would come out the same.

    How often the test images were opened comes along, too: they are the same images.
    """
    for done in sorted(old.glob("*/result.json")):
        _link_tree(done.parent, new / done.parent.name, lambda path: path.name != "lock")
    if (old / "opened.json").exists() and not (new / "opened.json").exists():
        _link_tree(old, new, lambda path: path.name == "opened.json")


def _link_tree(source: Path, target: Path, wanted: Callable[[Path], bool]) -> None:
    """Bring the wanted files of a folder to another one, without using their space twice where that can be."""
    files = [path for path in source.glob("*") if path.is_file() and wanted(path)]
    for file in sorted(files, key=lambda path: path.name == "result.json"):  # what says that it is finished comes last
        target.mkdir(parents=True, exist_ok=True)
        if (target / file.name).exists():
            continue
        try:
            os.link(file, target / file.name)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(file, target / file.name)
