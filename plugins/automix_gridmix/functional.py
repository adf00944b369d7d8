"""GridMix's masks: pure functions on tensors, no randomness."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["crop_boxes", "grid_profiles", "hole_sizes"]


def crop_boxes(area: Tensor, aspect: Tensor, place: Tensor, size: tuple[int, int]) -> Tensor:
    """Choose the part of the picture that gets holes.

    Args:
        area: (n,) float64, share of the picture.
        aspect: (n,) float64, height over width of the crop.
        place: (n, 2) float64 in [0, 1): where between the upper and lower, left and right end it lies.
        size: (H, W) of the picture.

    Returns:
        (n, 4) int64 y0, x0, y1, x1, ends excluded; at least 2 pixels wide and high, never larger than the picture.
    """
    picture = torch.tensor(size)
    width = ((area * (size[0] * size[1])).floor() / aspect).sqrt().floor()
    sides = torch.stack(((width * aspect).floor(), width), dim=1).long()
    sides = torch.minimum(sides.clamp(min=2), picture)
    low = (place * (picture - sides)).floor().long()
    return torch.cat((low, low + sides), dim=1)


def hole_sizes(width: Tensor, n_holes: Tensor, lam: Tensor) -> tuple[Tensor, Tensor]:
    """Return side of a patch and side of the hole in it, (n,) int64 each.

    Args:
        width: (n,) int64, width of the crop in pixels, at least 2.
        n_holes: (n,) int64 wanted along the width; as many as give each patch two pixels are used.
        lam: (n,) float; the hole's side is ``sqrt(1 - lam)`` of the patch, at least 1 pixel and at most one less.

    Example:
        >>> hole_sizes(torch.tensor([10]), torch.tensor([3]), torch.tensor([0.75]))
        (tensor([4]), tensor([2]))
    """
    fitting = torch.minimum(n_holes, width // 2)
    patch = (width + fitting - 1) // fitting
    hole = (patch * (1.0 - lam.double()).clamp(min=0.0).sqrt()).floor().long()
    return patch, torch.minimum(hole.clamp(min=1), patch - 1)


def grid_profiles(crop: Tensor, patch: Tensor, hole: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Put a hole into the upper left corner of every patch of each crop.

    Args:
        crop: (n, 4) int64 y0, x0, y1, x1.
        patch: (n,) int64, side of a patch.
        hole: (n,) int64, side of a hole.
        size: (H, W) of the picture.

    Returns:
        (n, H) and (n, W) bool: which rows and which columns cross holes; a pixel is in a hole where both do.

    Example:
        >>> grid_profiles(torch.tensor([[0, 0, 2, 4]]), torch.tensor([2]), torch.tensor([1]), (3, 4))
        (tensor([[ True, False, False]]), tensor([[ True, False,  True, False]]))
    """
    y0, x0, y1, x1 = crop.unbind(dim=1)
    return _in_hole(y0, y1, patch, hole, size[0]), _in_hole(x0, x1, patch, hole, size[1])


def _in_hole(low: Tensor, high: Tensor, patch: Tensor, hole: Tensor, pixels: int) -> Tensor:
    """(n, pixels) bool: whether a row or column crosses holes."""
    pixel = torch.arange(pixels)
    is_hole = (pixel - low[:, None]) % patch[:, None] < hole[:, None]
    return is_hole & (pixel >= low[:, None]) & (pixel < high[:, None])
