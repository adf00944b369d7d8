"""From tokens and features to maps: pure functions on tensors."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

__all__ = ["above_threshold", "class_activation", "similarity"]


def similarity(tokens: Tensor, direction: Tensor) -> Tensor:
    """Return ``clamp(cos(token, direction), 0, 1)``.

    Args:
        tokens: (B, N, C) float.
        direction: (B, C) float.

    Returns:
        (B, N) in [0, 1]; 0 where either is a zero vector.
    """
    cosine = F.normalize(tokens, dim=-1) @ F.normalize(direction, dim=-1)[..., None]
    return cosine[..., 0].clamp(0.0, 1.0)


def above_threshold(maps: Tensor, fraction: float) -> Tensor:
    """Cut each map off at ``fraction * max + (1 - fraction) * min`` of its own, and count from there.

    Args:
        maps: (B, 1, h, w) float.
        fraction: in [0, 1]; 0 subtracts the minimum only.

    Returns:
        Like ``maps``; non-negative, mostly 0 for a high fraction.
    """
    high, low = maps.amax(dim=(2, 3), keepdim=True), maps.amin(dim=(2, 3), keepdim=True)
    return (maps - (fraction * high + (1.0 - fraction) * low)).clamp(min=0.0)


def class_activation(features: Tensor, rows: Tensor) -> Tensor:
    """Return the class activation map ``relu(sum_c w_c f_c)``, divided by its maximum.

    Args:
        features: (B, C, h, w) float.
        rows: (B, C) float: each image's row of the classifier.

    Returns:
        (B, 1, h, w) in [0, 1]; 0 everywhere where no place speaks for the class.

    Source: Zhou, Khosla, Lapedriza, Oliva, Torralba, CVPR 2016, arXiv 1512.04150, equation 2; cut off at 0 as
    Grad-CAM does.
    """
    maps = (features * rows[:, :, None, None]).sum(dim=1, keepdim=True).clamp(min=0.0)
    peak = maps.amax(dim=(2, 3), keepdim=True)
    return maps / peak.clamp(min=1e-12)
