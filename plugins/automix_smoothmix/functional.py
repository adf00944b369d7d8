"""SmoothMix's masks: pure functions on tensors, no randomness."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["bump_profile"]


def bump_profile(centre: Tensor, sigma: Tensor, pixels: int) -> Tensor:
    """Sample Gaussians of height 1 along one axis; a spot is the product of its two profiles.

    Args:
        centre: (n,) float, in pixels; 0 is the centre of the first pixel.
        sigma: (n,) float, standard deviation in pixels.
        pixels: length of the axis.

    Returns:
        (n, pixels) float in [0, 1], of the type of ``centre``.

    Example:
        >>> bump_profile(torch.tensor([1.0]), torch.tensor([1.0]), 3)
        tensor([[0.6065, 1.0000, 0.6065]])
    """
    distance = torch.arange(pixels) - centre[:, None]
    return torch.exp(-0.5 * (distance / sigma[:, None]) ** 2)
