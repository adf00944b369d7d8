"""Worst and best mixed images of a policy: sources with their gaze, what is left of it, and both labels."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from automix.report.contact_sheet import label_bar
from automix.report.looks import tinted
from automix.report.pairs import LabelPart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from automix.gaze.measure import Measured
    from automix.gaze.samples import MixedSample

__all__ = ["gaze_sheet"]

_WINDOW = "#f9d119"
_ROWS = ("own image\nand its gaze", "partner\nand its gaze", "mixed", "gaze that\nis left", "label\ngaze")
_HEIGHTS = (1, 1, 1, 1, 0.3)
_CELL, _DPI = 1.4, 110


def gaze_sheet(measured: Measured, classes: Sequence[str]) -> bytes:
    """Draw the samples of highest, then of lowest inconsistency, one column each; a PNG file.

    The yellow line parts what belongs more to the own image from what belongs more to others.
    """
    columns = [*((sample, "worst") for sample in measured.worst), *((sample, "best") for sample in measured.best)]
    figure = Figure(figsize=(1.0 + _CELL * len(columns), 0.6 + _CELL * sum(_HEIGHTS)), dpi=_DPI)
    FigureCanvasAgg(figure)
    figure.suptitle(f"{measured.name}: label against gaze (working definition)", fontsize=9, parse_math=False)
    # Fixed margins: a layout that is solved for takes longer than all the rest.
    left = 1.0 / figure.get_figwidth()
    margins = {"left": left, "right": 0.995, "top": 0.92, "bottom": 0.01, "wspace": 0.06, "hspace": 0.06}
    grid = figure.subplots(len(_ROWS), len(columns), squeeze=False, height_ratios=_HEIGHTS, gridspec_kw=margins)
    for column, (sample, kind) in enumerate(columns):
        _draw(list(grid[:, column]), sample, classes)
        grid[0, column].set_title(f"{kind}: {sample.value:.2f}", fontsize=8)
    for row, text in enumerate(_ROWS):
        grid[row, 0].set_ylabel(text, fontsize=7, rotation=0, ha="right", va="center")
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw(column: Sequence[Axes], sample: MixedSample, classes: Sequence[str]) -> None:
    pictures = tinted(sample.sources, _scaled(sample.maps))
    left = tinted(sample.image[None], _scaled(sample.carried.sum(dim=0, keepdim=True)))
    shown = (pictures[0], pictures[-1], sample.image, left[0])
    for axes, picture in zip(column, shown, strict=False):
        axes.set(xticks=[], yticks=[])
        axes.imshow(picture.expand(3, -1, -1).permute(1, 2, 0).numpy(), interpolation="nearest")
    own = sample.shares[0]
    if own.min() < 0.5 < own.max():
        for axes in column[2:4]:
            axes.contour(own.numpy(), levels=[0.5], colors=_WINDOW, linewidths=1.2)
    _bars(column[4], sample, classes)


def _bars(axes: Axes, sample: MixedSample, classes: Sequence[str]) -> None:
    """Draw what the label says, and below it what gaze says, each as a bar with the own class's part in per cent."""
    names = [classes[int(label)] for label in sample.classes]
    for height, weights in ((1, sample.label.tolist()), (0, sample.gaze.tolist())):
        parts = [LabelPart(name, weight, i == 0) for i, (name, weight) in enumerate(zip(names, weights, strict=True))]
        for piece in label_bar(parts):
            axes.barh(height, piece.width, left=piece.left, color=piece.colour, height=0.8)
        axes.text(0.5, height, f"{names[0][:12]} {weights[0]:.0%}", ha="center", va="center", fontsize=6, color="white")
    axes.set(xlim=(0, 1), xticks=[], yticks=[])


def _scaled(maps: Tensor) -> Tensor:
    """Scale maps (n, H, W) to at most 1, each on its own."""
    return maps / maps.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)
