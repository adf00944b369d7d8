"""The geometry and the sums of TdAttenMix: pure functions on tensors, no randomness."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from automix.mixing.shares import cell_edges

__all__ = [
    "attention_ratio",
    "best_windows",
    "carry_windows",
    "paste_windows",
    "side_range",
    "window_boxes",
    "window_grid",
    "window_sums",
]

# Guides' grids between these are used as they are; finer maps are averaged, coarser ones hold too few places.
_FEWEST_CELLS, _MOST_CELLS = 4, 16
# Cells along a side where the guide's grid is not used: 14 as published, or fewer where that divides the picture.
_CELLS = range(14, 6, -1)
# A map's maximum in fixed point, by which windows are compared.
_ONE = float(1 << 32)


def window_grid(cells: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Choose the grid on which windows are placed.

    Args:
        cells: (rows, columns) of the guide's maps.
        size: (H, W) of the picture in pixels.

    Returns:
        The guide's own grid where it has 4 to 16 cells along both sides. Else, for each side, the largest number from
        14 down to 7 that divides it; 14 where none does; the pixels of a shorter side.

    Example:
        >>> window_grid((14, 14), (224, 224)), window_grid((32, 48), (32, 48)), window_grid((1, 1), (37, 5))
        ((14, 14), (8, 12), (14, 5))
    """
    if all(_FEWEST_CELLS <= side <= _MOST_CELLS for side in cells):
        return cells
    return _cells_along(size[0]), _cells_along(size[1])


def _cells_along(pixels: int) -> int:
    return next((cells for cells in _CELLS if pixels % cells == 0), min(pixels, _CELLS[0]))


def side_range(grid: tuple[int, int], low: float, high: float) -> tuple[int, int]:
    """Return the smallest and largest side of a window, in cells: ``floor(ratio * shorter side)``, but 1 at least.

    Example:
        >>> side_range((14, 14), 0.25, 0.75)
        (3, 10)
    """
    side = min(grid)
    shortest = max(1, int(side * low))
    return shortest, max(shortest, int(side * high))


def best_windows(maps: Tensor, sides: Tensor, ties: Tensor, *, largest: bool) -> Tensor:
    """Find the square window with the largest or smallest sum in each map, over all places at a stride of one cell.

    Sums are compared in fixed point, relative to the map's maximum, so that equal sums are equal in whatever order they
    are added up. In a map with many zeros many windows are equal; one of them is picked by ``ties``.

    Args:
        maps: (B, h, w) float32, finite and non-negative.
        sides: (B,) int64, cells along a side of the window, at most the map's shorter side.
        ties: (B,) float in [0, 1): which of the equal windows, as a share of their number in reading order.
        largest: the largest sum, or the smallest.

    Returns:
        (B, 2) int64: row and column of the window's first cell.

    Example:
        >>> maps = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 1.0, 2.0], [0.0, 3.0, 1.0]]])
        >>> best_windows(maps, torch.tensor([2]), torch.tensor([0.0]), largest=True)
        tensor([[1, 1]])
    """
    height, width = maps.shape[-2:]
    peak = maps.amax(dim=(1, 2), keepdim=True)
    fixed = (maps.double() * (_ONE / torch.where(peak > 0, peak, 1.0).double())).round_().long()
    sums = _sums_everywhere(fixed if largest else -fixed, sides)
    down, across = (torch.arange(n, device=maps.device) + sides[:, None] > n for n in (height, width))
    sums.masked_fill_(down[:, :, None] | across[:, None, :], torch.iinfo(torch.int64).min)
    flat = sums.flatten(1)
    # The k-th of the equal windows is where their running count reaches k + 1.
    counts = (flat == flat.amax(dim=1, keepdim=True)).cumsum(dim=1)
    pick = (ties[:, None].double() * counts[:, -1:]).long() + 1
    place = torch.searchsorted(counts, pick)
    return torch.cat((place // width, place % width), dim=1)


def _sums_everywhere(values: Tensor, sides: Tensor) -> Tensor:
    """(B, h, w): the sum of the window that begins at each cell; only of what lies in the map where it sticks out."""
    height, width = values.shape[-2:]
    integral = F.pad(values.cumsum(dim=1).cumsum(dim=2), (1, 0, 1, 0))
    bottom = (torch.arange(height, device=values.device) + sides[:, None]).clamp_(max=height)
    right = (torch.arange(width, device=values.device) + sides[:, None]).clamp_(max=width)
    bands = integral.gather(1, bottom[:, :, None].expand(-1, -1, width + 1)) - integral[:, :-1]
    return bands.gather(2, right[:, None].expand(-1, height, -1)) - bands[:, :, :-1]


def window_sums(maps: Tensor, windows: Tensor, sides: Tensor) -> Tensor:
    """Sum each map over its own window.

    Args:
        maps: (B, h, w) float.
        windows: (B, 2) int64, first cell.
        sides: (B,) int64.

    Returns:
        (B,) float64.
    """
    inside = [_within(start, sides, n) for start, n in zip(windows.unbind(1), maps.shape[-2:], strict=True)]
    return torch.einsum("bhw,bh,bw->b", maps.double(), inside[0], inside[1])


def _within(start: Tensor, sides: Tensor, cells: int) -> Tensor:
    """(B, cells) float64: 1 from ``start`` on, for as many cells as the side has."""
    cell = torch.arange(cells, device=start.device)
    return ((cell >= start[:, None]) & (cell < (start + sides)[:, None])).double()


def attention_ratio(kept: Tensor, pasted: Tensor, otherwise: Tensor) -> Tensor:
    """Return ``kept / (kept + pasted)``, and ``otherwise`` where both are 0.

    Args:
        kept: (B,) float: attention of the target outside of the window that is overwritten.
        pasted: (B,) float: attention of the source inside of the window that is pasted.
        otherwise: (B,) float.

    Returns:
        (B,) float64 in [0, 1].
    """
    total = kept + pasted
    return torch.where(total > 0, kept / torch.where(total > 0, total, 1.0), otherwise.double())


def window_boxes(windows: Tensor, sides: Tensor, grid: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Turn windows of cells into boxes of pixels.

    Where the grid does not divide the picture, a window begins at ``floor(first cell * H / rows)`` and is
    ``side * floor(H / rows)`` pixels high, so that windows of one size are equally big wherever they lie and none
    reaches beyond the picture.

    Args:
        windows: (B, 2) int64, first cell.
        sides: (B,) int64.
        grid: (rows, columns).
        size: (H, W) in pixels.

    Returns:
        (B, 4) int64 y0, x0, y1, x1, ends excluded.

    Example:
        >>> window_boxes(torch.tensor([[1, 2]]), torch.tensor([2]), (4, 4), (8, 11))
        tensor([[2, 5, 6, 9]])
    """
    cells, pixels = torch.tensor(grid, device=windows.device), torch.tensor(size, device=windows.device)
    low = windows * pixels // cells
    return torch.cat((low, low + sides[:, None] * (pixels // cells)), dim=1)


def paste_windows(images: Tensor, perm: Tensor, source: Tensor, target: Tensor, out: Tensor) -> Tensor:
    """Write the own image with a box of the partner pasted over another box of the same size.

    Args:
        images: (B, C, H, W) of any dtype.
        perm: (B,) int64 on the images' device.
        source: (B, 4) int64 y0, x0, y1, x1 in the partner, ends excluded; an empty box copies the row.
        target: (B, 4) int64 in the own image.
        out: like images; overwritten.

    Returns:
        ``out``; every pixel equals the one it came from.
    """
    if _loops(images):
        out.copy_(images)
        for i, (j, (y, x, _, _), (y0, x0, y1, x1)) in enumerate(
            zip(perm.tolist(), source.tolist(), target.tolist(), strict=True)
        ):
            if y1 > y0:
                out[i, :, y0:y1, x0:x1] = images[j, :, y : y + y1 - y0, x : x + x1 - x0]
        return out
    rows, down = _fetched(source[:, 0], target[:, 0], target[:, 2], images.shape[2])
    columns, across = _fetched(source[:, 1], target[:, 1], target[:, 3], images.shape[3])
    moved = images[perm[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    inside = down[:, None, :, None] & across[:, None, None, :]
    return torch.where(inside, moved, images, out=out)


def _loops(images: Tensor) -> bool:
    """Whether pasting row by row is cheaper than fetching all pixels: on a CPU, at any size of picture."""
    return images.device.type == "cpu"


def _fetched(source: Tensor, low: Tensor, high: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
    """(B, pixels) each: from where in the partner a pixel along one axis comes, and whether it comes from there."""
    pixel = torch.arange(pixels, device=source.device)
    place = (pixel + (source - low)[:, None]).clamp(0, pixels - 1)
    return place, (pixel >= low[:, None]) & (pixel < high[:, None])


def carry_windows(maps: Tensor, source: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
    """Move what maps hold in one box to another box; what lies outside of it is gone.

    Args:
        maps: (B, h, w) float, spread over a whole picture each.
        source: (B, 4) int64 in pixels; an empty box leaves nothing.
        target: (B, 4) int64 in pixels, of the same size.
        size: (H, W) of the picture in pixels.

    Returns:
        (B, h, w) float: on the grid of the picture, the sum over the source box as before, all of it in the target box.

    Example:
        >>> maps = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
        >>> carry_windows(maps, torch.tensor([[2, 0, 4, 2]]), torch.tensor([[0, 2, 2, 4]]), (4, 4))
        tensor([[[0., 3.],
                 [0., 0.]]])
    """
    down = _moving(source[:, 0], source[:, 2], target[:, 0], maps.shape[1], size[0])
    across = _moving(source[:, 1], source[:, 3], target[:, 1], maps.shape[2], size[1])
    return down @ maps @ across.transpose(1, 2)


def _moving(low: Tensor, high: Tensor, goal: Tensor, cells: int, pixels: int) -> Tensor:
    """(B, cells, cells): share of each cell (column) that, moved from [low, high) to ``goal``, lands in each cell."""
    first, last = cell_edges(cells, pixels, low.device)
    shift = (goal - low)[:, None]
    begin = torch.maximum(first, low[:, None]) + shift
    end = torch.minimum(last, high[:, None]) + shift
    overlap = torch.minimum(last[:, None], end[:, None, :]) - torch.maximum(first[:, None], begin[:, None, :])
    return overlap.clamp_(min=0.0) * (cells / pixels)
