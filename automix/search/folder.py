"""Where the files of one study lie, and the marker by which its workers are told to stop.

work/optuna.db            what happened (Optuna), shared by all studies
work/studies/NAME/
  study.json              what was asked
  estimate.json           what it was to cost, and what it cost
  lock                    held by the supervisor
  ask.lock                held while a slot is handed out
  stop                    there while workers shall come to an end
  worker-0.log            what a worker said
  slots/7/lock            held by the worker that trains slot 7
  slots/7/checkpoint/     what it goes on from, and its best model

Locks are files that stay; who holds them is up to the kernel (`automix.search.locks`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from automix.errors import SettingError, StorageError
from automix.storage.files import remove_leftovers, replacing

__all__ = ["StopMode", "StudyFolder", "replace_text"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class StopMode(Enum):
    """How workers come to an end."""

    AFTER_EPOCH = "after the epoch"
    """Save after the epoch in progress and leave; the slot goes on in the next start."""
    AFTER_SLOT = "after the slot"
    """Finish the slot in hand, take no other."""


@dataclass(frozen=True)
class StudyFolder:
    """The files of the study ``name`` in the work folder ``work``.

    Raises:
        SettingError: the name cannot be a folder's name everywhere.
    """

    work: Path
    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SettingError(
                f"Expected a study name of letters, digits, '.', '_' and '-' (at most 100, the first one a letter or "
                f"digit) but got {self.name!r}. Choose another one with --name."
            )

    @property
    def path(self) -> Path:
        """The study's own folder."""
        return self.work / "studies" / self.name

    @property
    def config_file(self) -> Path:
        """What was asked, as JSON."""
        return self.path / "study.json"

    @property
    def account_file(self) -> Path:
        """What the latest start was estimated to cost, and what it took (`automix.search.account`)."""
        return self.path / "estimate.json"

    @property
    def lock_file(self) -> Path:
        """Held by the supervisor for as long as a search runs."""
        return self.path / "lock"

    @property
    def ask_lock(self) -> Path:
        """Held while a slot is handed out, taken over or closed from outside."""
        return self.path / "ask.lock"

    @property
    def optuna_file(self) -> Path:
        """The database of all studies in the work folder."""
        return self.work / "optuna.db"

    def slot(self, slot: int) -> Path:
        """Return the folder of a slot."""
        return self.path / "slots" / str(slot)

    def slot_lock(self, slot: int) -> Path:
        """Held by the worker that trains a slot."""
        return self.slot(slot) / "lock"

    def checkpoint(self, slot: int) -> Path:
        """Return the folder of a slot's checkpoints."""
        return self.slot(slot) / "checkpoint"

    def discard_state(self, slot: int) -> None:
        """Remove what a settled slot would go on from (`automix.training.checkpoint`); its best model stays."""
        (self.checkpoint(slot) / "state.pt").unlink(missing_ok=True)
        remove_leftovers(self.checkpoint(slot))

    def worker_log(self, worker: int) -> Path:
        """Return the file that takes what a worker prints."""
        return self.path / f"worker-{worker}.log"

    def request_stop(self, mode: StopMode) -> None:
        """Tell the workers to come to an end."""
        replace_text(self._stop_file, mode.value)

    def stop_requested(self) -> StopMode | None:
        """Return what the workers were told, None where they shall go on. Cheap enough for every epoch."""
        try:
            return StopMode(self._stop_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def clear_stop(self) -> None:
        """Let workers work again."""
        self._stop_file.unlink(missing_ok=True)

    @property
    def _stop_file(self) -> Path:
        return self.path / "stop"


def replace_text(path: Path, text: str) -> None:
    """Write a small file so that a reader sees the old text or the new one, also after a crash.

    Raises:
        StorageError: its folder cannot be made, or the disk is full or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise StorageError(f"Cannot make the folder {path.parent}: {err.strerror}. Choose another one.") from err
    with replacing(path) as file:
        file.write(text.encode())
