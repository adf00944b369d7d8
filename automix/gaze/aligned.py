"""Gaze brought onto the images of a data set: found by path or position, cut and scaled as the images were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from automix.data.pixels import read_header
from automix.errors import DataError, listed
from automix.mixing import Streams

if TYPE_CHECKING:
    from automix.data import DataSet
    from automix.data.sources import Samples
    from automix.gaze.record import GazeRecord, GazeTable

__all__ = ["MAX_STRETCH", "AlignedGaze", "align"]

MAX_STRETCH = 0.05
"""How much the side ratio of a map may differ from its image's before it is taken for one of another picture."""


@dataclass(frozen=True, eq=False)
class AlignedGaze:
    """Training images with the maps that belong to them.

    Attributes:
        rows: (n,) int64, rows of the training split.
        maps: (n, 1, H, W) float32, non-negative, on the pixels of the data set's images.
        counts: what there was: "records", "training images", "with gaze", "empty", "used".
        notes: sentences about what was left out.
    """

    rows: Tensor
    maps: Tensor
    counts: Mapping[str, int]
    notes: tuple[str, ...]


def align(table: GazeTable, data: DataSet, samples: Samples, *, n_images: int, seed: int = 0) -> AlignedGaze:
    """Choose training images that have gaze, and read their maps.

    Args:
        table: from `open_gaze`.
        data: the data set.
        samples: what its source lists; images are opened for their size alone.
        n_images: how many images to use at most, drawn by the seed.
        seed: of the choice.

    Raises:
        DataError: gaze belongs to no image of the data or to another frame, two records belong to one image, or fewer
            than two training images have gaze.
    """
    records = _by_position(table, samples)
    index = data.splits["train"].index.tolist()
    known = [row for row, position in enumerate(index) if position in records]
    order = torch.randperm(len(known), generator=Streams(seed).generator("gaze", "images")).tolist()
    rows: list[int] = []
    maps: list[NDArray[np.float32]] = []
    n_empty = 0
    for row in (known[i] for i in order):
        if len(rows) == n_images:
            break
        placed = _placed(records[index[row]], samples, index[row], data.image_size)
        if placed.any():
            rows.append(row)
            maps.append(placed)
        else:
            n_empty += 1
    counts = {
        "records": len(records),
        "training images": len(index),
        "with gaze": len(known),
        "empty": n_empty,
        "used": len(rows),
    }
    if len(rows) < 2:
        raise DataError(f"Expected gaze for at least 2 training images but got {len(rows)} ({_said(counts)}).")
    return AlignedGaze(
        torch.tensor(rows), torch.from_numpy(np.stack(maps))[:, None], counts, (*table.notes, *_notes(counts))
    )


def _notes(counts: Mapping[str, int]) -> list[str]:
    missing, empty = counts["training images"] - counts["with gaze"], counts["empty"]
    notes = [f"{missing} of {counts['training images']} training images have no gaze and were left out"] * bool(missing)
    return notes + [f"{empty} maps without any gaze were left out"] * bool(empty)


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {n}" for name, n in counts.items())


def _by_position(table: GazeTable, samples: Samples) -> dict[int, GazeRecord]:
    """Find the image of every record."""
    n = len(samples.labels)
    places: dict[str, int] = {}
    for i in range(n):
        path = PurePosixPath(samples.where(i).replace("\\", "/"))
        places[str(path)] = i
        places.setdefault(str(path.with_suffix("")), i)
    found: dict[int, GazeRecord] = {}
    lost: list[str] = []
    for record in table.records:
        place = _place(record.image, places, n)
        if place is None:
            lost.append(str(record.image))
        elif place in found:
            raise DataError(f"{found[place].where} and {record.where} are both about image {samples.where(place)!r}.")
        else:
            found[place] = record
    if lost:
        raise DataError(
            f"{len(lost)} of {len(table.records)} gaze maps are for images that do not exist in the data: "
            f"{listed(lost)}. Paths must be those of the data, such as {samples.where(0)!r} (for a table, "
            "--gaze-images says them)."
        )
    return found


def _place(image: str | int, places: Mapping[str, int], n: int) -> int | None:
    if isinstance(image, int):
        return image if 0 <= image < n else None
    path = PurePosixPath(image)
    return places.get(str(path), places.get(str(path.with_suffix(""))))


def _placed(record: GazeRecord, samples: Samples, position: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Read a map and crop and scale it as `automix.data.pixels.fit` does the image; (H, W) float32."""
    values = record.read()
    with samples.open(position) as image:
        header = read_header(image)
    original = (header.height, header.width)
    if record.size is not None and record.size != original:
        raise DataError(
            f"{record.where} is about an image of {_px(record.size)} but {samples.where(position)!r} has "
            f"{_px(original)}: its coordinates belong to another frame."
        )
    if abs(values.shape[0] * original[1] / (values.shape[1] * original[0]) - 1) > MAX_STRETCH:
        raise DataError(
            f"The map in {record.where} has {_px(values.shape)} and its image {_px(original)}: sides differ in ratio "
            f"by more than {MAX_STRETCH:.0%}, so it belongs to another frame."
        )
    # Bilinear and not bicubic as for the image, which would go below 0 beside steep places.
    fitted = ImageOps.fit(Image.fromarray(values), (size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(fitted, dtype=np.float32).clip(min=0.0)


def _px(size: tuple[int, ...]) -> str:
    return f"{size[1]} x {size[0]} px"
