"""What an opened data set is: frozen records over memory-mapped arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["SPLITS", "DataSet", "Fingerprint", "Progress", "Split"]

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
        splits: "train", "val" and "test". The search sees val; only the verdict sees test.
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
