"""The geometry of ResizeMix: pure functions on tensors, no randomness."""

from __future__ import annotations

import torch
from torch import Tensor

from automix.mixing.shares import cell_edges

__all__ = ["carry_into_boxes", "paste_shrunk", "pasted_boxes"]


def pasted_boxes(rate: Tensor, centre: Tensor, size: tuple[int, int]) -> Tensor:
    """Place shrunk pictures around given centres, shifted to lie fully inside.

    Sides are ``floor(S * rate)`` per axis (`getbox_new` of JayQine/ResizeMix).

    Args:
        rate: (B,) or (1,) float in [0, 1], length of a side against the picture's.
        centre: (B, 2) int64: y, x in pixels.
        size: (H, W) of the picture.

    Returns:
        (B, 4) int64 y0, x0, y1, x1, ends excluded.

    Example:
        >>> pasted_boxes(torch.tensor([0.5]), torch.tensor([[0, 5]]), (8, 6))
        tensor([[0, 3, 4, 6]])
    """
    picture = torch.tensor(size)
    # In float64: the floor must not depend on how float32 rounds.
    sides = (picture * rate[:, None].double()).floor().long()
    low = torch.minimum((centre - sides // 2).clamp(min=0), picture - sides)
    return torch.cat((low, low + sides), dim=1)


def paste_shrunk(images: Tensor, perm: Tensor, boxes: Tensor, interpolation: str, out: Tensor) -> Tensor:
    """Write the own image with the whole partner, shrunk, inside each row's box.

    Rows and columns are gathered one after the other, which is exact for resizing along the axes and cheaper than
    sampling a grid.

    Args:
        images: (B, C, H, W) float.
        perm: (B,) int64 on the images' device.
        boxes: (B, 4) int64 y0, x0, y1, x1, ends excluded; an empty box copies the row.
        interpolation: "nearest" (pixel ``floor(i * S / side)``) or "bilinear" (as `torch.nn.functional.interpolate`
            with ``align_corners=False``).
        out: like images; overwritten.

    Returns:
        ``out``.
    """
    y0, x0, y1, x1 = boxes.unbind(dim=1)
    torch.index_select(images, 0, perm, out=out)
    small = _resample(out, y0, y1, 2, interpolation)
    small = _resample(small, x0, x1, 3, interpolation)
    inside = _inside(y0, y1, images.shape[2])[:, :, None] & _inside(x0, x1, images.shape[3])[:, None, :]
    return torch.where(inside[:, None], small, images, out=out)


def _inside(low: Tensor, high: Tensor, pixels: int) -> Tensor:
    """(B, pixels) bool: whether a pixel lies in [low, high)."""
    pixel = torch.arange(pixels, device=low.device)
    return (pixel >= low[:, None]) & (pixel < high[:, None])


def _resample(images: Tensor, low: Tensor, high: Tensor, dim: int, interpolation: str) -> Tensor:
    """Squeeze one axis of each image into [low, high); what lies outside of it is arbitrary."""
    pixels = images.shape[dim]
    # (B, pixels): how far into the box each pixel is; sides of at least 1, since empty boxes are never looked at.
    step = torch.arange(pixels, device=low.device) - low[:, None]
    side = (high - low).clamp(min=1)[:, None]
    if interpolation == "nearest":
        return _take(images, step * pixels // side, dim)
    place = ((step + 0.5) * pixels / side - 0.5).clamp(0, pixels - 1)
    first = place.floor()
    weight = (place - first).to(images.dtype)
    weight = weight[:, None, :, None] if dim == 2 else weight[:, None, None, :]
    return torch.lerp(_take(images, first.long(), dim), _take(images, first.long() + 1, dim), weight)


def _take(images: Tensor, index: Tensor, dim: int) -> Tensor:
    """Gather rows (dim 2) or columns (dim 3); ``index`` (B, pixels) is clamped to the picture."""
    index = index.clamp(0, images.shape[dim] - 1)
    index = index[:, None, :, None] if dim == 2 else index[:, None, None, :]
    return images.gather(dim, index.expand_as(images))


def carry_into_boxes(maps: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrink maps into boxes and keep their mass.

    Args:
        maps: (B, h, w) float, spread over a whole picture each.
        boxes: (B, 4) int64 in pixels; an empty box leaves nothing.
        size: (H, W) of the picture in pixels.

    Returns:
        (B, h, w) float: on the grid of the picture, the sum of each map as before, all of it inside its box.

    Example:
        >>> carry_into_boxes(torch.ones(1, 2, 2), torch.tensor([[0, 0, 2, 4]]), (4, 4))
        tensor([[[2., 2.],
                 [0., 0.]]])
    """
    y0, x0, y1, x1 = boxes.unbind(dim=1)
    down = _squeeze(y0, y1, maps.shape[1], size[0])
    across = _squeeze(x0, x1, maps.shape[2], size[1])
    return down @ maps @ across.transpose(1, 2)


def _squeeze(low: Tensor, high: Tensor, cells: int, pixels: int) -> Tensor:
    """(B, cells, cells): share of each input cell (column) that lands in each cell of the picture (row)."""
    first, last = cell_edges(cells, pixels, low.device)
    scale = ((high - low) / pixels)[:, None]
    start = low[:, None] + first * scale
    end = low[:, None] + last * scale
    overlap = torch.minimum(last[:, None], end[:, None, :]) - torch.maximum(first[:, None], start[:, None, :])
    width = (end - start)[:, None, :]
    return torch.where(width > 0, overlap.clamp(min=0.0) / width, 0.0)
