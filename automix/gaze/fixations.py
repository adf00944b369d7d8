"""Fixation tables in CUB-GHA's text formats (Rong et al. 2021, arXiv 2111.01628), and the maps made from them.

One comma-separated line per image. ``Fixation.txt``: ``img_id, original w, original h, displayed w, displayed h,
x offset, y offset``, then triples ``x, y, duration`` in pixels of the screen. The files of single runs: ``img_id,
original w, original h``, then triples in pixels of the original image; the number of values tells the two apart.

A map is a sum of Gaussians in a window of 200 px with a standard deviation of 33 px, weighted by duration, on the image
as displayed (as it is, in the files of runs); cut off at its edges; minimum 0 and maximum 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automix.errors import DataError, listed
from automix.gaze.record import GazeRecord, GazeTable

__all__ = ["MAX_OUTSIDE", "Fixations", "open_fixations", "render"]

MAX_OUTSIDE = 0.2
"""Share of all fixations outside their pictures beyond which the coordinates are taken for those of another frame."""
_WINDOW, _SD = 200, 200 // 6
# Values before the triples, by the remainder of their number by 3.
_HEADS = {1: 7, 0: 3}


@dataclass(frozen=True, eq=False)
class Fixations:
    """One line of the table.

    Attributes:
        image_id: as written.
        where: file and line.
        size: (H, W) of the original image, px.
        displayed: (h, w) of the image on the screen, px.
        points: (n, 3) float64: x, y in pixels of the displayed image, duration above 0.
    """

    image_id: str
    where: str
    size: tuple[int, int]
    displayed: tuple[int, int]
    points: NDArray[np.float64]

    @property
    def is_inside(self) -> NDArray[np.bool_]:
        """(n,) whether each fixation lies in the picture."""
        x, y = self.points[:, 0], self.points[:, 1]
        return (x >= 0) & (y >= 0) & (x < self.displayed[1]) & (y < self.displayed[0])


def open_fixations(path: Path, images: Path | None = None) -> GazeTable:
    """Read a table.

    Args:
        path: the table.
        images: a list with a line ``img_id relative/path.jpg`` per image, as CUB's ``images.txt``; None where the
            table's first column holds the paths themselves.

    Raises:
        DataError: a line that is not of the format, an image that the list does not have, or too many fixations outside
            the picture.
    """
    lines = list(_lines(path))
    if not lines:
        raise DataError(f"Expected one line of fixations per image in {path} but the file is empty.")
    outside = sum(int((~line.is_inside).sum()) for line in lines)
    n = sum(len(line.points) for line in lines)
    if outside > MAX_OUTSIDE * n:
        raise DataError(
            f"{outside} of {n} fixations in {path} lie outside their pictures; more than {MAX_OUTSIDE:.0%} says that x "
            "and y belong to another coordinate frame. Expected pixels of the screen, and the picture's offset on it."
        )
    names = None if images is None else _image_list(images)
    notes = (
        (f"{outside} of {n} fixations lie outside their pictures, and count as far as their spots reach in",)
        if outside
        else ()
    )
    return GazeTable(tuple(_record(line, names, images) for line in lines), notes)


def render(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float32]:
    """Draw a map.

    Args:
        points: (n, 3): x, y in pixels of the picture, weight.
        size: (h, w) of the picture, px.

    Returns:
        (h, w) float32 in [0, 1]; zeros where there is no point.
    """
    h, w = size
    total = np.zeros(size)
    for x, y, weight in points:
        # A Gaussian is the product of its profiles; the window ends 100 px from its middle.
        down, across = (_profile(length, middle) for length, middle in ((h, y), (w, x)))
        total += weight * down[:, None] * across[None, :]
    low, high = total.min(), total.max()
    scaled = (total - low) / (high - low) if high > low else (total > 0)
    return scaled.astype(np.float32)


def _profile(length: int, middle: float) -> NDArray[np.float64]:
    step = np.arange(length) - middle
    return np.where(np.abs(step) <= _WINDOW / 2, np.exp(-(step**2) / (2 * _SD**2)), 0.0)


def _record(line: Fixations, names: Mapping[str, str] | None, images: Path | None) -> GazeRecord:
    if names is not None and line.image_id not in names:
        raise DataError(f"{line.where} is about image {line.image_id!r}, which {images} does not list.")
    image = line.image_id if names is None else names[line.image_id]
    return GazeRecord(image, line.where, partial(render, line.points, line.displayed), line.size)


def _lines(path: Path) -> Iterator[Fixations]:
    for number, text in enumerate(_text(path).splitlines(), start=1):
        if text.strip():
            yield _line([part.strip() for part in text.rstrip().rstrip(",").split(",")], f"{path} line {number}")


def _line(parts: list[str], where: str) -> Fixations:
    head = _HEADS.get(len(parts) % 3, 0)
    if not 0 < head <= len(parts):
        raise DataError(
            "Expected img_id, original w, h, displayed w, h, x offset, y offset (or img_id, original w, h) and triples "
            f"x, y, duration in {where} but got {len(parts)} values."
        )
    try:
        numbers = [float(part) for part in parts[1:]]
    except ValueError as err:
        raise DataError(f"Expected numbers after the image in {where}: {err}.") from err
    sizes = numbers[: min(head - 1, 4)]
    if not all(map(math.isfinite, numbers)) or min(sizes) < 1:
        raise DataError(f"Expected finite numbers and sizes of at least 1 px in {where} but got {listed(parts[1:5])}.")
    # What is displayed is the image itself, at the corner, where nothing else is said.
    w, h, shown_w, shown_h, x0, y0 = numbers[:6] if head == _HEADS[1] else (*sizes, *sizes, 0.0, 0.0)
    points = np.array(numbers[head - 1 :]).reshape(-1, 3) - (x0, y0, 0.0)
    if (points[:, 2] < 0).any():
        raise DataError(f"Expected durations of 0 or more in {where} but got {points[:, 2].min():g}.")
    return Fixations(parts[0], where, (round(h), round(w)), (round(shown_h), round(shown_w)), points)


def _image_list(path: Path) -> dict[str, str]:
    names = dict(line.split(maxsplit=1) for line in _text(path).splitlines() if len(line.split(maxsplit=1)) == 2)
    if not names:
        raise DataError(f"Expected lines 'img_id relative/path.jpg' in {path}, as CUB's images.txt, but found none.")
    return {key: name.strip() for key, name in names.items()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as err:
        raise DataError(f"Could not read {path} as text in UTF-8: {err}") from err
