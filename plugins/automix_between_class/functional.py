"""The arithmetic of BC+: pure functions on tensors, no randomness."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["coefficients", "energies", "energy_share"]

# An image without any contrast has energy 0; the floor keeps ratios of energies finite.
_FLOOR = 1e-6


def energies(images: Tensor) -> Tensor:
    """Return how loud each image is: the population standard deviation over all of its values.

    Channels and pixels count together, around the image's own mean; what padding added counts too.

    Args:
        images: (B, C, H, W) float, as the network gets them.

    Returns:
        (B,) float32, at least a tiny floor.
    """
    values = images.float().flatten(1)
    rest = values - values.mean(dim=1, keepdim=True)
    # Ten times cheaper on a CPU than torch.std, and as exact.
    deviation: Tensor = torch.linalg.vector_norm(rest, dim=1) / values.shape[1] ** 0.5
    return deviation.clamp(min=_FLOOR)


def energy_share(lam: Tensor, own: Tensor, partner: Tensor) -> Tensor:
    """Return p, the pixel weight with which the louder image does not drown the other.

    ``p * s1 : (1 - p) * s2 = r : (1 - r)``; the paper's ``1 / (1 + s1 / s2 * (1 - r) / r)`` without a division by 0.

    Args:
        lam: (B,) float in [0, 1]: r.
        own: (B,) float above 0: s1.
        partner: (B,) float above 0: s2.

    Example:
        >>> energy_share(torch.tensor([0.5, 0.0]), torch.tensor([3.0, 3.0]), torch.tensor([1.0, 1.0]))
        tensor([0.2500, 0.0000])
    """
    return lam * partner / (lam * partner + (1.0 - lam) * own)


def coefficients(p: Tensor, rescale: bool) -> tuple[Tensor, Tensor]:
    """Return the factors of the own image and of the partner.

    Args:
        p: (B,) float in [0, 1].
        rescale: whether both are divided by ``sqrt(p^2 + (1 - p)^2)``, which keeps the energy of the sum of two
            uncorrelated, equally loud images; they then sum to up to 1.41.

    Returns:
        Two tensors (B,).
    """
    norm = torch.sqrt(p**2 + (1.0 - p) ** 2) if rescale else torch.ones_like(p)
    return p / norm, (1.0 - p) / norm
