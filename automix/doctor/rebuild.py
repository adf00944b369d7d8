"""MLflow's runs made anew from the books: MLflow shows what happened, Optuna's storage and the folders hold it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from automix.goal import goal_of
from automix.search.config import StudyConfig, load_config
from automix.search.folder import StudyFolder
from automix.search.ledger import Ledger
from automix.search.memory import show_results
from automix.search.projection import show_slot
from automix.search.protocol import PARENT_RUN
from automix.search.reading import result_of, study_names
from automix.search.run import study_lock
from automix.search.supervisor import Ending
from automix.storage import optuna_storage
from automix.tracking import Tracker, artifact_root, keys, tracking_uri
from automix.verdict import Verdict
from automix.verdict.facts import tags_and_metrics

__all__ = ["Rebuilt", "rebuild_mlflow"]

_STORE = "mlflow.db"
_RESULTS = ("policy.yaml", "leaderboard.csv", "confirm.csv", "contact_sheet.png", "report.html")


@dataclass
class Rebuilt:
    """What was done.

    Attributes:
        kept: the store as it was before; None where there was none.
        runs: study -> number of slots that have a run.
        problems: what MLflow could not do.
    """

    kept: Path | None
    runs: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def rebuild_mlflow(work: Path, announce: Callable[[str], None]) -> Rebuilt:
    """Put the store aside and make every run again, under new ids; the times of metrics are those of now.

    Args:
        work: the work folder.
        announce: told one line before something that takes long.

    Raises:
        StudyError: a study is running.
    """
    work = work.absolute()
    folders = [StudyFolder(work, name) for name in study_names(work)]
    with ExitStack() as held:
        for folder in folders:
            held.enter_context(study_lock(folder))
        done = Rebuilt(_put_aside(work))
        tracker = Tracker(tracking_uri(work), artifact_root(work))
        tracker.ensure_store(announce)
        for folder in folders:
            done.runs[folder.name] = _show_study(load_config(folder), folder, tracker)
        done.problems = tracker.problems
    return done


def _put_aside(work: Path) -> Path | None:
    """Rename the store with what belongs to it; return its new name."""
    if not (work / _STORE).exists():
        return None
    number = 1 + len(list(work.glob(f"{_STORE}.before-*[0-9]")))
    kept = work / f"{_STORE}.before-{number}"
    for suffix in ("-wal", "-shm", ""):  # the store itself last: what a kill leaves is put aside again
        part = work / f"{_STORE}{suffix}"
        if part.exists():
            part.replace(kept.with_name(kept.name + suffix))
    return kept


def _show_study(config: StudyConfig, folder: StudyFolder, tracker: Tracker) -> int:
    ledger = Ledger(optuna_storage(folder.optuna_file), config.name, create=True, goal=goal_of(config.goal))
    parent = tracker.parent_run(config.data_name, config.name)
    ledger.note(PARENT_RUN, parent)
    slots = ledger.slots()
    params = sorted({name for slot in slots.values() for name in slot.proposal.params})
    if params:
        tracker.prepare_view(config.data_name, config.name, params)
    ledger.replace_runs({number: show_slot(tracker, parent, slot) for number, slot in slots.items()})
    is_done = all(slot in slots and slots[slot].is_settled for slot in range(config.n_trials))
    show_results(tracker, result_of(config, folder, ledger, Ending.COMPLETE if is_done else Ending.STOPPED))
    if config.succeeds:
        tracker.conclude(parent, {keys.ORIGIN: config.succeeds}, {})
    _show_verdict(folder, tracker, parent)
    _show_files(Path(config.out), tracker, parent)
    return len(slots)


def _show_verdict(folder: StudyFolder, tracker: Tracker, parent: str | None) -> None:
    file = folder.path / "confirm" / "verdict.json"
    if file.exists():
        verdict = Verdict.from_dict(json.loads(file.read_text(encoding="utf-8"))["verdict"])
        tracker.conclude(parent, *tags_and_metrics(verdict))


def _show_files(out: Path, tracker: Tracker, parent: str | None) -> None:
    for name in _RESULTS:
        if (out / name).exists():
            tracker.artifact(parent, out / name, "results")
    if (out / "plots").exists():
        tracker.artifact(parent, out / "plots", "plots")
