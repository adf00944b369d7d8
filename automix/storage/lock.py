"""One lock between processes: a file that the kernel frees when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["exclusive"]


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock ``path`` while the block runs; wait for whoever holds it.

    The file stays where it is: removing it would let two processes lock two different files of one name.
    Not re-entrant: the same path must not be asked for inside the block.
    """
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
