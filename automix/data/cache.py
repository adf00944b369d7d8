"""Decoded data sets on disk: ``work/data/<key>/`` is either complete or absent, and shared by all processes.

    images.npy   uint8 (N, C, H, W): train, then val, then test; memory-mapped by every reader
    rows.npz     labels, clean_labels (before label noise) and index (position in the source), each (N,) int64
    meta.json    everything else, see `Meta`

`automix.data.writer` fills such a folder; here are its format, its name and its reader.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automix.data.dataset import SPLITS, DataSet, Fingerprint, Split
from automix.errors import ArtifactError

__all__ = ["FORMAT", "Meta", "Rows", "cache_folder", "cache_key", "load_data", "map_images"]

FORMAT = 1
"""Goes up when the files or the rules for pixels and splits change; folders of another format are not read."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Per image, in the order of images.npy; each (N,) int64."""

    labels: NDArray[np.int64]
    clean_labels: NDArray[np.int64]
    index: NDArray[np.int64]


@dataclass(frozen=True)
class Meta:
    """The content of meta.json; names as in `DataSet`."""

    name: str
    spec: str
    classes: list[str]
    channels: int
    image_size: list[int]
    counts: dict[str, int]
    mean: list[float]
    std: list[float]
    content_hash: str
    features: dict[str, float]
    notes: list[str]
    skipped: list[str]
    noisy: bool
    format: int = FORMAT


def cache_key(name: str, *parts: object) -> str:
    """Return a folder name: the data set's name, readable, and a hash of everything that decides the content.

    Example:
        >>> cache_key("my pictures", "a", 1) == cache_key("my pictures", "a", 1), cache_key("my pictures", "a", 2)[:12]
        (True, 'my-pictures-')
    """
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")[:40] or "data"
    return f"{slug}-{hashlib.blake2b(repr((FORMAT, *parts)).encode(), digest_size=6).hexdigest()}"


def cache_folder(work: Path, key: str) -> Path:
    """Return where a decoded data set lies."""
    return work / "data" / key


def load_data(key: str, work: Path) -> DataSet:
    """Open a data set that `open_data` has decoded; what a worker process calls.

    Args:
        key: `DataSet.key`.
        work: the work folder.

    Raises:
        ArtifactError: it is not there, or its files are damaged or do not fit each other.
    """
    folder = cache_folder(work, key)
    if not (folder / "meta.json").is_file():
        raise ArtifactError(f"No decoded data set {key!r} in {folder.parent}. Open its source again with open_data.")
    try:
        meta = Meta(**json.loads((folder / "meta.json").read_text()))
        images = map_images(folder)
        with np.load(folder / "rows.npz", allow_pickle=False) as archive:
            rows = Rows(archive["labels"], archive["clean_labels"], archive["index"])
        _check(meta, images, rows)
        return _data_set(key, meta, images, rows)
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as err:
        raise ArtifactError(
            f"The decoded data set in {folder} is damaged: {err}. Delete this folder; it is made again from the source."
        ) from err


def _check(meta: Meta, images: NDArray[np.uint8], rows: Rows) -> None:
    count = sum(meta.counts.values())
    expected = (count, meta.channels, *meta.image_size)
    if meta.format != FORMAT:
        raise ValueError(f"it has format {meta.format}, this version reads {FORMAT}")
    if images.dtype != np.uint8 or images.shape != expected:
        raise ValueError(f"images.npy holds {images.dtype} {images.shape}, meta.json says uint8 {expected}")
    if not len(rows.labels) == len(rows.clean_labels) == len(rows.index) == count:
        raise ValueError(f"rows.npz does not hold {count} rows")


def _data_set(key: str, meta: Meta, images: NDArray[np.uint8], rows: Rows) -> DataSet:
    splits: dict[str, Split] = {}
    start = 0
    for split in SPLITS:
        part = slice(start, start := start + meta.counts[split])
        clean = rows.clean_labels[part] if meta.noisy and split == "train" else None
        splits[split] = Split(images[part], rows.labels[part], rows.index[part], clean)
    height, width = meta.image_size
    return DataSet(
        name=meta.name,
        key=key,
        spec=meta.spec,
        classes=tuple(meta.classes),
        channels=meta.channels,
        image_size=(height, width),
        splits=splits,
        mean=tuple(meta.mean),
        std=tuple(meta.std),
        fingerprint=Fingerprint(meta.content_hash, meta.features),
        notes=tuple(meta.notes),
        skipped=tuple(meta.skipped),
    )


def map_images(folder: Path) -> NDArray[np.uint8]:
    """Map the images of a folder into memory, (N, C, H, W) uint8."""
    images: NDArray[np.uint8] = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    return images
