"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from automix.errors import StorageError

__all__ = ["disk_errors", "remove_leftovers", "replacing"]

_UNFINISHED = ".tmp"


# What a disk says when it is full, over its quota, mounted for reading only or broken.
_DISK_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what the disk refuses inside the block, whoever asked, into a StorageError: it is nobody's own fault."""
    try:
        yield
    except OSError as err:
        if err.errno not in _DISK_TROUBLE:
            raise
        raise StorageError(f"The disk cannot be written ({err}). Free some space or choose another folder.") from err


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` when the block ends well; a crash leaves the old one.

    Raises:
        StorageError: the disk is full or cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_UNFINISHED}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            # Without it, a power cut may leave the new name with the content of neither file.
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as err:
        raise StorageError(f"Cannot write {path}: {err.strerror}. Free some space or choose another folder.") from err
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left in ``folder``, where nobody writes now."""
    for unfinished in folder.glob(f".*{_UNFINISHED}"):
        unfinished.unlink(missing_ok=True)
