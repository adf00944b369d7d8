"""What an opened data set is: frozen records over memory-mapped arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automix.errors import DataError

__all__ = ["SPLITS", "DataSet", "Fingerprint", "Progress", "SealedSplit", "Split"]

SPLITS = ("train", "val", "test")

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called as ``progress(done, total, what)`` from the calling thread; ``total`` is 0 where the length is unknown."""


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set.

    Attributes:
        images: (N, C, H, W) uint8, memory-mapped for reading only; processes share the pages.
        labels: (N,) int64 in 0..K-1, label noise included.
        index: (N,) int64, position of each image in the source as listed, before limits and skipped files.
        clean_labels: (N,) int64, the labels before label noise; None where there is no noise.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    index: NDArray[np.int64]
    clean_labels: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.labels)


class SealedSplit(Split):
    """Stands for images that may not be looked at: it knows how many there are and holds none of them.

    Args:
        n: number of images.
    """

    def __init__(self, n: int) -> None:
        object.__setattr__(self, "_n", n)

    def __len__(self) -> int:
        return int(self._n)

    def __repr__(self) -> str:
        return f"SealedSplit({self._n})"

    def __getattr__(self, name: str) -> NoReturn:
        if name in ("images", "labels", "index"):
            raise DataError("The test images are kept for the verdict: training and search cannot look at them.")
        raise AttributeError(name)


@dataclass(frozen=True)
class Fingerprint:
    """Identifies a data set's content and describes its kind.

    Attributes:
        content_hash: 32 hex digits over decoded pixels, labels, splits and class names. Equal content has an equal
            hash wherever the files lie; a resumed study compares it.
        meta: named numbers that tell which data sets are alike, listed in `automix.data.fingerprint`.
    """

    content_hash: str
    meta: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class DataSet:
    """A decoded data set with fixed splits.

    Attributes:
        name: short and readable ("digits", the folder's name), for titles and experiments.
        key: name of its folder in ``work/data``; `load_data(key, work)` opens it in another process without decoding.
        spec: where it came from, as text, with an absolute path.
        classes: class names; label i stands for ``classes[i]``.
        channels: 1 for grey, 3 for colour.
        image_size: (H, W) in pixels.
        splits: "train", "val" and "test". The search sees val; only the verdict sees test (`without_test`).
        mean: per channel, over the training images, on the scale [0, 1].
        std: likewise.
        fingerprint: content hash and meta-features.
        notes: what was done to the source, in sentences: size rule, skipped files, limit, label noise.
        skipped: unreadable images that were left out, each as "where: reason".
        task: "single": one label per image.
    """

    name: str
    key: str
    spec: str
    classes: tuple[str, ...]
    channels: int
    image_size: tuple[int, int]
    splits: Mapping[str, Split]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: Fingerprint
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    task: str = "single"

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return len(self.classes)

    def without_test(self) -> DataSet:
        """Return what training and search are given: the test split is there in name and size only."""
        return replace(self, splits={**self.splits, "test": SealedSplit(len(self.splits["test"]))})

    def summary(self) -> dict[str, Any]:
        """Describe the data set in values that JSON can hold."""
        return {
            "name": self.name,
            "key": self.key,
            "spec": self.spec,
            "task": self.task,
            "num_classes": self.num_classes,
            "classes": list(self.classes),
            "channels": self.channels,
            "image_size": list(self.image_size),
            "images": {split: len(self.splits[split]) for split in SPLITS},
            "mean": [round(value, 4) for value in self.mean],
            "std": [round(value, 4) for value in self.std],
            "content_hash": self.fingerprint.content_hash,
            "meta": dict(self.fingerprint.meta),
            "skipped": len(self.skipped),
            "notes": list(self.notes),
        }
