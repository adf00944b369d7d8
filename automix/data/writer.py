"""Fill one folder of the cache: all or nothing, by one process at a time.

A writer fills a hidden folder under a file lock and renames it at the end. Images are appended by plain writes, not
through a memory map: on a full disk a write raises an error that can be told, where a page that cannot be stored kills
the process (SIGBUS).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from automix.data.cache import Meta, Rows, cache_folder, map_images
from automix.data.dataset import Progress
from automix.errors import StorageError

__all__ = ["CacheWriter", "locked"]


@contextmanager
def locked(work: Path, key: str, progress: Progress | None) -> Iterator[None]:
    """Hold the lock of one cached data set; another process that decodes it is waited for.

    Raises:
        StorageError: the work folder cannot be written.
    """
    from filelock import FileLock, Timeout

    folder = cache_folder(work, key)
    lock = FileLock(folder.with_name(f".{key}.lock"))
    with _storing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if progress is not None:
                progress(0, 0, "waiting for another process that decodes the same data")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


class CacheWriter:
    """Writes one data set; used as a context, and only by the holder of its lock.

    Leaving the context without `commit` removes what was written. What a killed writer left is removed by the next.

    Args:
        work: the work folder.
        key: the data set's key.
        shape: (C, H, W) of every image.
    """

    def __init__(self, work: Path, key: str, shape: tuple[int, int, int]) -> None:
        self._final = cache_folder(work, key)
        self._temporary = self._final.with_name(f".{key}.part")
        self._shape = shape
        self._count = 0
        self._hash = hashlib.blake2b(digest_size=16)
        self._file: BinaryIO

    def __enter__(self) -> CacheWriter:
        with _storing(self._final):
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary.mkdir(parents=True)
            self._file = (self._temporary / "images.npy").open("w+b")
            self._write_header()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing flushes, which fails once more where the disk is full; the first error is the one to show. After
        # `commit` the file is closed already.
        with suppress(OSError):
            self._file.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def append(self, image: NDArray[np.uint8]) -> None:
        """Add one (C, H, W) image.

        Raises:
            StorageError: no space is left, or the folder cannot be written.
        """
        assert image.shape == self._shape, f"{image.shape} is not {self._shape}"
        data = image.tobytes()
        self._hash.update(data)
        with _storing(self._final):
            self._file.write(data)
        self._count += 1

    def images(self) -> NDArray[np.uint8]:
        """Return all images so far, memory-mapped, after they are safely on disk."""
        with _storing(self._final):
            self._file.seek(0)
            self._write_header()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.seek(0, os.SEEK_END)
            return map_images(self._temporary)

    def content_hash(self, rows: Rows, meta_parts: object) -> str:
        """Return the hash over images, labels and ``meta_parts`` (splits, classes, shape)."""
        state = self._hash.copy()
        state.update(rows.labels.tobytes() + rows.clean_labels.tobytes() + repr((self._shape, meta_parts)).encode())
        return state.hexdigest()

    def commit(self, rows: Rows, meta: Meta) -> None:
        """Give the folder its name; a damaged one of that name is replaced.

        Raises:
            StorageError: as in `append`.
        """
        with _storing(self._final):
            with (self._temporary / "rows.npz").open("wb") as file:
                np.savez(file, labels=rows.labels, clean_labels=rows.clean_labels, index=rows.index)
                _sync(file)
            with (self._temporary / "meta.json").open("wb") as file:
                file.write(json.dumps(asdict(meta), indent=1).encode())
                _sync(file)
            self._file.close()
            if self._final.exists():
                shutil.rmtree(self._final)
            self._temporary.rename(self._final)

    def _write_header(self) -> None:
        """Write the NPY header; numpy leaves room in it for the first axis to grow, so that its length stays."""
        description = {"descr": "|u1", "fortran_order": False, "shape": (self._count, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, description)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _storing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        if err.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"No space left to store decoded images in {folder}. Free some, or choose another work folder."
            ) from err
        raise StorageError(f"Could not store decoded images in {folder}: {err}") from err
