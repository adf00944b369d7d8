"""Locks that say who works: the kernel frees them when their holder ends, however it ends.

A suspended holder still holds its lock, so nobody mistakes it for a dead one. The files are never removed: two
processes could otherwise hold "the same" lock on two files.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from automix.errors import StorageError

__all__ = ["HeldLock", "holder_of", "is_locked", "try_lock"]

# `automix status` holds a lock for microseconds while it looks; a taker that meets it tries again.
_TRIES = 3
_PAUSE_S = 0.02


class HeldLock:
    """A lock that this process holds until `release`, or until it ends.

    The file's text is a note for people and for `note_of`: who holds it.
    """

    def __init__(self, path: Path, file: IO[str]) -> None:
        self.path = path
        self._file = file

    def write_note(self, note: str) -> None:
        """Replace the note in the file.

        Raises:
            StorageError: the disk is full or cannot be written.
        """
        with _named_errors(self.path):
            self._file.seek(0)
            self._file.truncate()
            self._file.write(note)
            self._file.flush()

    def release(self) -> None:
        """Give the lock back; calling it again does nothing."""
        self._file.close()

    def __enter__(self) -> HeldLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def try_lock(path: Path, note: str = "") -> HeldLock | None:
    """Take the lock on ``path``, whose folder is made, or return None where another process (or handle) has it.

    Raises:
        StorageError: the disk is full or cannot be written.
    """
    with _named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_S)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        held = HeldLock(path, file)
        held.write_note(note)
        return held
    file.close()
    return None


def is_locked(path: Path) -> bool:
    """Return whether some process holds the lock on ``path``."""
    try:
        file = path.open("r", encoding="utf-8")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def holder_of(path: Path) -> str:
    """Return the note of the process that holds the lock on ``path``; empty where nobody does."""
    return path.read_text(encoding="utf-8") if is_locked(path) else ""


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise StorageError(f"Cannot write {path}: {err.strerror}. Free some space or choose another folder.") from err
