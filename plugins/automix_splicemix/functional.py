"""The geometry of SpliceMix: pure functions on tensors, no randomness.

Resizing is bilinear with aligned corners and without antialiasing throughout, as in the official code.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from automix.mixing.shares import cell_edges, resample_mask
from automix_splicemix.grids import Grid

__all__ = ["cell_shares", "place_maps", "shrink", "tile"]

# Bytes per image from which cells are shrunk one by one into their place: a batch of shrunk pictures is then fresh
# memory that costs more than the calls it saves (benchmarks/splice.py).
_BIG_IMAGE = 1 << 19


def tile(images: Tensor, cells: Tensor, dropped: Tensor, grid: Grid, out: Tensor) -> Tensor:
    """Write pictures that show others, shrunk, in the cells of a grid.

    Args:
        images: (B, C, H, W) float.
        cells: (m, R*C) int64: which image is in each cell, row by row.
        dropped: (m, R*C) bool: cells that stay 0.
        grid: R rows and C columns.
        out: (m, C, H, W); overwritten.

    Returns:
        ``out``. Where the grid does not divide the picture, cells are rounded down and the whole is resized.
    """
    height, width = grid.cell((images.shape[2], images.shape[3]))
    whole = (grid.rows * height, grid.columns * width)
    if whole != tuple(images.shape[2:]):
        tiled = _tile_exactly(images, cells, dropped, grid, out.new_empty(len(cells), images.shape[1], *whole))
        return out.copy_(_resize(tiled, (out.shape[2], out.shape[3])))
    return _tile_exactly(images, cells, dropped, grid, out)


def _tile_exactly(images: Tensor, cells: Tensor, dropped: Tensor, grid: Grid, out: Tensor) -> Tensor:
    channels = images.shape[1]
    height, width = out.shape[2] // grid.rows, out.shape[3] // grid.columns
    # (m, R, C, channels, height, width): a view of the places.
    places = out.view(len(cells), channels, grid.rows, height, grid.columns, width).permute(0, 2, 4, 1, 3, 5)
    image_bytes = images[0].numel() * images.element_size()
    if images.device.type == "cpu" and image_bytes >= _BIG_IMAGE:
        for m, (row, gone) in enumerate(zip(cells.tolist(), dropped.tolist(), strict=True)):
            for k, (image, is_dropped) in enumerate(zip(row, gone, strict=True)):
                place = places[m, k // grid.columns, k % grid.columns]
                place.zero_() if is_dropped else place.copy_(shrink(images[image : image + 1], (height, width))[0])
        return out
    # Each image once, where cells outnumber them.
    few = cells.numel() < len(images)
    small = (
        shrink(images[cells.flatten()], (height, width)) if few else shrink(images, (height, width))[cells.flatten()]
    )
    small.masked_fill_(dropped.flatten()[:, None, None, None], 0)
    places.copy_(small.view(places.shape))
    return out


def shrink(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (n, C, H, W) to (n, C, *size)."""
    return _resize(images, size)


def _resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(images, size, mode="bilinear", align_corners=True)


def cell_shares(grid: Grid, size: tuple[int, int], h: int, w: int, how: str, device: torch.device) -> Tensor:
    """Say how much of each place of a tiled picture belongs to each cell, resizing at cell borders included.

    Args:
        grid: R rows and C columns.
        size: (H, W) of the picture in pixels.
        h: rows of the grid asked for.
        w: columns of the grid asked for.
        how: "area" or "nearest".
        device: of the result.

    Returns:
        (R*C, h, w) float32; sums over cells to 1 everywhere.
    """
    rows = _axis_shares(grid.rows, size[0], h, how, device)
    columns = _axis_shares(grid.columns, size[1], w, how, device)
    return (rows[:, None, :, None] * columns[None, :, None, :]).flatten(0, 1)


def _axis_shares(cells: int, pixels: int, places: int, how: str, device: torch.device) -> Tensor:
    """(cells, places): along one axis, after the tiled picture was resized to ``pixels``."""
    side = pixels // cells
    marks = torch.eye(cells, device=device).repeat_interleave(side, dim=1)
    if cells * side != pixels:
        marks = F.interpolate(marks[:, None], pixels, mode="linear", align_corners=True)[:, 0]
    return resample_mask(marks[:, None, :, None], places, 1, how)[:, :, 0]


def place_maps(maps: Tensor, grid: Grid) -> Tensor:
    """Shrink a map into each cell of a picture and keep its mass.

    Args:
        maps: (m, R*C, h, w) float: the map of each cell's image.
        grid: R rows and C columns.

    Returns:
        (m, R*C, h, w) float: on the grid of the picture, all of each map inside its cell.
    """
    h, w = maps.shape[-2:]
    down = _squeeze(grid.rows, h, maps.device)
    across = _squeeze(grid.columns, w, maps.device)
    cells = maps.view(len(maps), grid.rows, grid.columns, h, w)
    return torch.einsum("ryh,mrchw,cxw->mrcyx", down, cells, across).flatten(1, 2)


def _squeeze(cells: int, places: int, device: torch.device) -> Tensor:
    """(cells, places, places): share of each place of a map (last) that lands in each place of the picture."""
    first, last = cell_edges(places, places, device)
    offset = torch.arange(cells, device=device)[:, None, None] * places
    start, end = (offset + first) / cells, (offset + last) / cells
    overlap = torch.minimum(last[:, None], end) - torch.maximum(first[:, None], start)
    return overlap.clamp(min=0.0) * cells
