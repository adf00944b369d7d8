"""How much of each place belongs to each source, in closed form where there is one.

``area`` is the exact mean over a cell, also where cells do not divide the picture: separable overlap of intervals for
boxes and two small matrix products for masks. ``nearest`` takes the pixel that
``torch.nn.functional.interpolate(mode="nearest")`` would take.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["box_coverage", "cell_edges", "constant_shares", "mask_shares", "pair_shares", "resample_mask"]


def cell_edges(cells: int, pixels: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Cut ``pixels`` into ``cells`` equal intervals; returns first and last edge of each, (cells,) float32."""
    edges = torch.arange(cells + 1, dtype=torch.float32, device=device) * (pixels / cells)
    return edges[:-1], edges[1:]


def _interval_cover(low: Tensor, high: Tensor, cells: int, pixels: int, how: str) -> Tensor:
    """(B, cells): share of each cell that the interval [low, high) of each row covers."""
    low, high = low[:, None].float(), high[:, None].float()
    if how == "nearest":
        pixel = nearest_index(cells, pixels, low.device).float()
        return ((pixel >= low) & (pixel < high)).float()
    first, last = cell_edges(cells, pixels, low.device)
    overlap = torch.minimum(high, last) - torch.maximum(low, first)
    return overlap.clamp_(min=0.0) * (cells / pixels)


def nearest_index(cells: int, pixels: int, device: torch.device | None = None) -> Tensor:
    """(cells,) int64: ``floor(i * pixels / cells)``, the pixel that nearest-neighbour resizing takes."""
    return torch.arange(cells, device=device) * pixels // cells


def box_coverage(boxes: Tensor, size: tuple[int, int], h: int, w: int, how: str) -> Tensor:
    """Say how much of each cell lies in a box.

    Args:
        boxes: (B, 4) int64: y0, x0, y1, x1 in pixels, ends excluded.
        size: (H, W) of the picture.
        h: rows of the grid.
        w: columns of the grid.
        how: "area" or "nearest".

    Returns:
        (B, h, w) float32 in [0, 1].
    """
    y0, x0, y1, x1 = boxes.unbind(dim=1)
    rows = _interval_cover(y0, y1, h, size[0], how)
    columns = _interval_cover(x0, x1, w, size[1], how)
    return rows[:, :, None] * columns[:, None, :]


def resample_mask(mask: Tensor, h: int, w: int, how: str) -> Tensor:
    """Bring a mask (B, 1, H, W) to (B, h, w): exact cell means, or nearest pixels."""
    height, width = mask.shape[-2:]
    plane = mask[:, 0].float()
    if how == "nearest":
        return plane[:, nearest_index(h, height, mask.device)][:, :, nearest_index(w, width, mask.device)]
    down, across = _averaging(h, height, mask.device), _averaging(w, width, mask.device)
    return down @ plane @ across.T


def _averaging(cells: int, pixels: int, device: torch.device) -> Tensor:
    """(cells, pixels): row i holds the weight of each pixel in cell i; rows sum to 1."""
    first, last = cell_edges(cells, pixels, device)
    start = torch.arange(pixels, dtype=torch.float32, device=device)
    overlap = torch.minimum(last[:, None], start + 1) - torch.maximum(first[:, None], start)
    return overlap.clamp_(min=0.0) * (cells / pixels)


def pair_shares(partner: Tensor) -> Tensor:
    """Stack the shares of a pair from the partner's (B, h, w): returns (B, 2, h, w)."""
    return torch.stack((1.0 - partner, partner), dim=1)


def mask_shares(mask: Tensor, h: int, w: int, how: str) -> Tensor:
    """Return shares (B, 2, h, w) of a mask (B, 1, H, W) that is 1 where the own image is kept."""
    own = resample_mask(mask, h, w, how)
    return torch.stack((own, 1.0 - own), dim=1)


def constant_shares(weights: Tensor) -> Tensor:
    """Return shares (B', S, 1, 1) of a blend that is the same everywhere."""
    return weights[:, :, None, None].float()
