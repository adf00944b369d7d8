"""What every source gives: its identity cheaply, and images one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from numpy.typing import NDArray
from PIL import Image

__all__ = ["Opener", "Samples", "Source", "digest", "stat_line"]


@dataclass(frozen=True, eq=False)
class Samples:
    """All images of a source, to be read by position.

    Attributes:
        labels: one per image: integers, or texts (their sorted values become the classes).
        open: returns image i; may be lazy, as `PIL.Image.open` is. What it raises as OSError or ValueError makes
            the image unreadable.
        where: names image i for messages (a path).
        class_names: name of label 0, 1, ...; None where the labels name themselves.
        splits: "train", "val" or "test" for each image; None where the source has no splits.
        parallel: whether ``open`` may be called from several threads.
        notes: sentences for the user about what was left out.
    """

    labels: NDArray[Any] | Sequence[Any]
    open: Callable[[int], Image.Image]
    where: Callable[[int], str]
    class_names: Sequence[str] | None = None
    splits: Sequence[str] | None = None
    parallel: bool = True
    notes: tuple[str, ...] = ()


@runtime_checkable
class Source(Protocol):
    """A place that images come from."""

    @property
    def name(self) -> str:
        """Short and readable; used for folders and titles."""
        ...

    @property
    def spec(self) -> str:
        """The text that opens this source again from any working directory."""
        ...

    def signature(self) -> str:
        """Return text that changes whenever the data may have changed; decodes nothing where that can be avoided."""
        ...

    def read(self) -> Samples:
        """Return the samples. Called only when they are not in the cache."""
        ...


Opener: TypeAlias = Callable[[str, Path], object]
"""Takes the text after ``SCHEME:`` and the work folder; returns a `Source` or a map-style data set."""


def digest(parts: Iterable[str]) -> str:
    """Hash texts, in order, to 32 hex digits."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return state.hexdigest()


def stat_line(path: Path) -> str:
    """Describe a file by path, size and time of change; a missing file has a description too."""
    try:
        stat = path.stat()
    except OSError:
        return f"{path} missing"
    return f"{path} {stat.st_size} {stat.st_mtime_ns}"
