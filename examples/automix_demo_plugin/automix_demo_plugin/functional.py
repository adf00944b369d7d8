"""The geometry of strips: pure functions on tensors, no randomness.

A side of the picture is cut into bands of equal width and each band holds one strip, which shows the partner. Strips
are given by their edges along that side.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["strip_cover", "strip_edges"]


def strip_edges(lam: Tensor, place: Tensor, strips: int, side: int) -> Tensor:
    """Lay one strip into each band.

    Args:
        lam: (B,) float in [0, 1], share of the side that stays with the own image.
        place: (B,) float in [0, 1], where in its band a strip lies: 0 at the start, 1 at the end.
        strips: how many bands.
        side: of the picture, in pixels.

    Returns:
        (B, strips, 2) int64: first pixel and end (excluded) of each strip. A strip narrower than a pixel may be empty.

    Example:
        >>> strip_edges(torch.tensor([0.5]), torch.tensor([1.0]), strips=2, side=8)
        tensor([[[2, 4],
                 [6, 8]]])
    """
    start = torch.arange(strips) + (place * lam)[:, None]
    ends = torch.stack((start, start + (1.0 - lam)[:, None]), dim=2)
    return (ends * (side / strips)).round().long()


def strip_cover(edges: Tensor, side: int, cells: int, how: str = "area") -> Tensor:
    """Say how much of each cell of a side the strips cover, in closed form.

    Args:
        edges: (B, strips, 2) int64, in pixels, ends excluded; strips do not overlap.
        side: in pixels.
        cells: into how many equal cells the side is cut; with ``cells == side`` every value is 0 or 1.
        how: "area" for the exact mean over a cell, "nearest" for the pixel that nearest-neighbour resizing takes.

    Returns:
        (B, cells) float32 in [0, 1].

    Example:
        >>> strip_cover(torch.tensor([[[1, 3]]]), side=4, cells=2)
        tensor([[0.5000, 0.5000]])
    """
    low, high = edges[..., None].unbind(dim=2)  # (B, strips, 1) each, against (cells,)
    cell = torch.arange(cells, device=edges.device)
    if how == "nearest":
        pixel = cell * side // cells
        return ((pixel >= low) & (pixel < high)).float().sum(dim=1)
    first, last = cell * (side / cells), (cell + 1) * (side / cells)
    overlap = torch.minimum(high, last) - torch.maximum(low, first)
    return overlap.clamp(min=0.0).sum(dim=1) * (cells / side)
