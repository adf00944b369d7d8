"""The contact sheet: the same pairs of images under every method, each with the label that it gets.

A row per method, a column per pair; the two clean images on top. Below each mixed image a bar is divided as the label
is. People see in ten seconds what no number says: whether a method cuts away what the label claims.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from automix.policy import PolicyDocument
from automix.report.pairs import LabelPart, MixedRow, Pairs, mixed_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from automix.mixing.inputs import Normalization
    from automix.registry import Registry

__all__ = ["Segment", "contact_sheet", "label_bar"]

_OWN, _PARTNER = "#3b6ea8", "#e08a3c"
_DPI = 110
# Inches.
_CELL_WIDTH, _CELL_HEIGHTS = 1.25, (0.5, 2.5)
_GAP, _ROW_GAP, _MARGIN = 0.07, 0.1, 0.1
_NAMES, _TITLE, _CLASS, _BAR, _WORDS = 1.3, 0.28, 0.17, 0.09, 0.14
# Labels of more parts are said without percentages, which the bar shows; letters for all names together.
_MAX_WEIGHED, _LETTERS = 2, 20


@dataclass(frozen=True)
class Segment:
    """A piece of a label bar, in shares of its length."""

    left: float
    width: float
    colour: str


def label_bar(parts: Sequence[LabelPart]) -> list[Segment]:
    """Divide a bar of length 1 as a label is: each piece as wide as its weight, in the colour of its half.

    Example:
        >>> [piece.width for piece in label_bar([LabelPart("cat", 0.75, True), LabelPart("dog", 0.25, False)])]
        [0.75, 0.25]
    """
    segments: list[Segment] = []
    for part in parts:
        left = segments[-1].left + segments[-1].width if segments else 0.0
        segments.append(Segment(left, part.weight, _OWN if part.is_own else _PARTNER))
    return segments


def contact_sheet(
    pairs: Pairs,
    policies: Mapping[str, PolicyDocument],
    registry: Registry,
    *,
    normalization: Normalization,
    title: str = "",
    seed: int = 0,
    model: nn.Module | None = None,
) -> bytes:
    """Draw the sheet; arguments as `automix.report.pairs.mixed_rows`.

    Args:
        pairs: the images.
        policies: name -> policy.
        registry: where components are looked up.
        normalization: (mean, std) per channel.
        title: a line on top.
        seed: of the mixing.
        model: for policies that look at it.

    Returns:
        A PNG file.
    """
    rows = mixed_rows(pairs, policies, registry, normalization, seed, model)
    sheet = _Sheet.sized_for(pairs, len(rows))
    sheet.title(title)
    for half in (0, 1):
        sheet.sources(pairs, half)
    for row in rows:
        sheet.mixed(row)
    return sheet.png()


class _Sheet:
    """A figure that is filled from the top, row by row; lengths in inches."""

    def __init__(self, width: float, height: float, cell_height: float) -> None:
        self._width, self._height, self._cell_height = width, height, cell_height
        self._figure = Figure(figsize=(width, height), dpi=_DPI)
        FigureCanvasAgg(self._figure)
        self._y = height - _MARGIN

    @classmethod
    def sized_for(cls, pairs: Pairs, n_rows: int) -> _Sheet:
        height, width = pairs.images.shape[2:]
        low, high = _CELL_HEIGHTS
        cell = min(max(_CELL_WIDTH * height / width, low), high)
        source, mixed = _CLASS + cell + _ROW_GAP, cell + _BAR + _WORDS + 2 * _ROW_GAP
        total = 2 * _MARGIN + _TITLE + 2 * source + n_rows * mixed
        return cls(_NAMES + len(pairs) * (_CELL_WIDTH + _GAP) + _MARGIN, total, cell)

    def title(self, text: str) -> None:
        """Write the line on top."""
        middle = (_NAMES + (self._width - _NAMES) / 2) / self._width
        self._figure.text(middle, self._y / self._height, text, ha="center", va="top", fontsize=9, parse_math=False)
        self._y -= _TITLE

    def sources(self, pairs: Pairs, half: int) -> None:
        """Show one half of the pairs, with classes above."""
        name, colour = ("own", _OWN) if half == 0 else ("partner", _PARTNER)
        self._y -= _CLASS
        self._name(name, colour)
        for column in range(len(pairs)):
            i = column + half * len(pairs)
            axes = self._cell(column, self._cell_height)
            _show(axes, pairs.images[i])
            axes.set_title(_short(pairs.class_of(i)), fontsize=7, pad=2, parse_math=False)
        self._y -= self._cell_height + _ROW_GAP

    def mixed(self, row: MixedRow) -> None:
        """Show the pairs under one method, with label bars below."""
        self._y -= _ROW_GAP
        self._name(row.name)
        for column, image in enumerate(row.images):
            _show(self._cell(column, self._cell_height), image)
        self._y -= self._cell_height + 0.04
        for column, parts in enumerate(row.labels):
            _draw_label(self._cell(column, _BAR), parts)
        self._y -= _BAR + _WORDS + _ROW_GAP - 0.04

    def png(self) -> bytes:
        """Return the figure as a PNG file."""
        buffer = BytesIO()
        with warnings.catch_warnings():
            # Class names come in any script; a character that the font lacks is drawn as a box.
            warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
            self._figure.savefig(buffer, format="png")
        return buffer.getvalue()

    def _cell(self, column: int, height: float) -> Axes:
        """Make axes whose top is at the current height."""
        left = _NAMES + column * (_CELL_WIDTH + _GAP)
        place = (left / self._width, (self._y - height) / self._height)
        axes = self._figure.add_axes((*place, _CELL_WIDTH / self._width, height / self._height))
        axes.set_axis_off()
        return axes

    def _name(self, text: str, colour: str = "black") -> None:
        x, y = (_NAMES - _GAP - 0.05) / self._width, (self._y - self._cell_height / 2) / self._height
        lines = "\n".join(_short(line, 20) for line in text.splitlines())
        self._figure.text(x, y, lines, ha="right", va="center", fontsize=8, color=colour, parse_math=False)


def _show(axes: Axes, image: Tensor) -> None:
    picture = image.permute(1, 2, 0).numpy()
    interpolation = "nearest" if picture.shape[0] <= 64 else "antialiased"
    if picture.shape[2] == 1:
        axes.imshow(picture[:, :, 0], cmap="gray", vmin=0, vmax=1, interpolation=interpolation)
    else:
        axes.imshow(picture, interpolation=interpolation)


def _draw_label(axes: Axes, parts: Sequence[LabelPart]) -> None:
    """Draw the bar, and below it the classes in words."""
    for segment in label_bar(parts):
        axes.add_patch(Rectangle((segment.left, 0), segment.width, 1, color=segment.colour, lw=0))
    words = " + ".join(f"{_short(part.name, 9)} {100 * part.weight:.0f}%" for part in parts)
    if len(parts) > _MAX_WEIGHED:
        words = " + ".join(part.name[: _LETTERS // len(parts)] for part in parts)
    axes.text(0.5, -0.4, words, ha="center", va="top", fontsize=5.5, parse_math=False)


def _short(name: str, length: int = 14) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
