"""Finding a study in a work folder and reading how it stands, without loading torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from automix.errors import StudyError, unknown_name
from automix.goal import goal_of
from automix.search.config import StudyConfig, load_config
from automix.search.fidelity import Fidelity, budget_warnings
from automix.search.folder import StudyFolder
from automix.search.leaderboard import leaderboard
from automix.search.ledger import Ledger, SlotRecord
from automix.search.protocol import PARENT_RUN
from automix.search.result import SearchResult
from automix.search.supervisor import Ending
from automix.storage import optuna_storage

__all__ = ["find_study", "read_slots", "result_of", "study_names"]


def study_names(work: Path) -> list[str]:
    """Name the studies of a work folder, the one that was started last at the end."""
    files = sorted(work.glob("studies/*/study.json"), key=lambda path: path.stat().st_mtime)
    return [file.parent.name for file in files]


def find_study(work: Path, name: str = "") -> tuple[StudyFolder, StudyConfig]:
    """Return a study by name; the one that was started last where ``name`` is empty.

    Raises:
        StudyError: the work folder holds no study.
        UnknownNameError: none of that name.
    """
    names = study_names(work)
    if not names:
        raise StudyError(
            f"There is no study in {str(work)!r} yet: run `automix search` first, or name a folder with --work."
        )
    if name and name not in names:
        raise unknown_name("study", name, names, f"work folder {str(work)!r}")
    folder = StudyFolder(work.absolute(), name or names[-1])
    return folder, load_config(folder)


def read_slots(folder: StudyFolder) -> dict[int, SlotRecord]:
    """Read what became of each slot so far."""
    return Ledger(optuna_storage(folder.optuna_file), folder.name).slots()


def result_of(
    config: StudyConfig,
    folder: StudyFolder,
    ledger: Ledger,
    ending: Ending,
    time_s: float = 0.0,
    problems: Sequence[str] = (),
) -> SearchResult:
    """Return what a study has found, as its book has it.

    Args:
        config: of the study.
        folder: of the study.
        ledger: of the study.
        ending: why it came to its end.
        time_s: of this start.
        problems: what went wrong in it.
    """
    slots = ledger.slots()
    ranking = tuple(leaderboard(slots.values(), goal_of(config.goal)))
    best = slots[ranking[0].slot] if ranking and ranking[0].rank is not None else None
    return SearchResult(
        study=config.name,
        goal=goal_of(config.goal),
        n_epochs=config.n_epochs,
        ending=ending,
        leaderboard=ranking,
        slots=slots,
        best=best,
        folder=folder,
        out=Path(config.out),
        parent_run=ledger.noted(PARENT_RUN),
        time_s=time_s,
        problems=tuple(problems),
        warnings=budget_warnings(Fidelity.of(config.fidelity), int(config.settings["epochs"]), config.final_epochs),
    )
