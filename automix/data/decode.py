"""Read headers and pixels with a pool of threads; name what cannot be read.

Pillow releases the interpreter's lock while it decodes, so threads suffice. Images come out in the order asked for,
and only one block of them is held at a time.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automix.data.dataset import Progress
from automix.data.pixels import Header, fit, read_header
from automix.data.sources.base import Samples

__all__ = ["Unreadable", "decode", "read_headers"]

_BLOCK = 256
_MAX_THREADS = 32
# What Pillow raises for damaged files, by format; anything else is a bug and is not hidden.
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)

T = TypeVar("T")


@dataclass(frozen=True)
class Unreadable:
    """An image that cannot be used."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


def read_headers(samples: Samples, progress: Progress | None) -> list[Header | Unreadable]:
    """Read size and kind of every image without decoding it."""
    return list(_each(samples, range(len(samples.labels)), read_header, progress, "reading headers"))


def decode(
    samples: Samples, rows: Sequence[int], size: tuple[int, int], channels: int, progress: Progress | None
) -> Iterator[NDArray[np.uint8] | Unreadable]:
    """Yield each image of ``rows`` in order as (C, H, W) uint8, or why it cannot be had."""
    return _each(samples, rows, lambda image: fit(image, size, channels), progress, "decoding images")


def _each(
    samples: Samples, rows: Sequence[int], use: Callable[[Image.Image], T], progress: Progress | None, what: str
) -> Iterator[T | Unreadable]:
    def one(row: int) -> T | Unreadable:
        try:
            with samples.open(row) as image:
                return use(image)
        except _DAMAGE as err:
            return Unreadable(samples.where(row), str(err) or type(err).__name__)

    with ThreadPoolExecutor(_n_threads() if samples.parallel else 1) as pool:
        for start in range(0, len(rows), _BLOCK):
            yield from pool.map(one, rows[start : start + _BLOCK])
            if progress is not None:
                progress(min(start + _BLOCK, len(rows)), len(rows), what)


def _n_threads() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only; respects the cores given to a container or job
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(_MAX_THREADS, cores)
