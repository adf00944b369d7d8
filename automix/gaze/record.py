"""What every format of gaze gives: one map per image, read when it is needed, and the name of the image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automix.errors import DataError

__all__ = ["GazeRecord", "GazeTable", "checked"]


@dataclass(frozen=True, eq=False)
class GazeRecord:
    """Where people looked in one image.

    Attributes:
        image: the image's path as the data set lists it (with or without its ending), or its position there.
        where: names the record in messages.
        read: returns the map (h, w) float32, non-negative, spread over the whole image; NaN or a negative value raises
            `DataError`. All zeros where nothing was looked at.
        size: (H, W) that the record says the original image has; None where it does not say.
    """

    image: str | int
    where: str
    read: Callable[[], NDArray[np.float32]]
    size: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class GazeTable:
    """All records of one file or folder.

    Attributes:
        records: one per image.
        notes: sentences about what was left out.
    """

    records: tuple[GazeRecord, ...]
    notes: tuple[str, ...] = ()


def checked(values: NDArray[np.generic], where: str) -> NDArray[np.float32]:
    """Return a map as float32.

    Raises:
        DataError: it is no grid of numbers, or a value is negative, infinite or NaN.
    """
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in "biuf":
        raise DataError(
            f"Expected a gaze map (h, w) of numbers in {where} but got {values.dtype} of shape {values.shape}."
        )
    numbers = values.astype(np.float32)
    if not np.isfinite(numbers).all() or (numbers < 0).any():
        raise DataError(f"Expected gaze of 0 or more everywhere in {where} but found negative, infinite or NaN values.")
    return numbers
