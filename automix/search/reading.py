"""Finding a study in a work folder and reading how it stands, without loading torch."""

from __future__ import annotations

from pathlib import Path

from automix.errors import StudyError, unknown_name
from automix.search.config import StudyConfig, load_config
from automix.search.folder import StudyFolder
from automix.search.ledger import Ledger, SlotRecord
from automix.storage import optuna_storage

__all__ = ["find_study", "read_slots", "study_names"]


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
