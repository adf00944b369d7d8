"""FMix's masks: pure functions on tensors, no randomness."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["effective_softness", "low_pass", "top_mask"]


def low_pass(noise: Tensor, size: tuple[int, int], decay: float) -> Tensor:
    """Turn white noise in the frequency domain into smooth pictures.

    Amplitudes are divided by ``max(f, 1 / max(H, W)) ** decay`` before the inverse transform. It is computed in
    float64, so that every device puts the pixels into the same order.

    Args:
        noise: (n, 2, H, W // 2 + 1) float, real and imaginary parts.
        size: (H, W) of the pictures.
        decay: how fast amplitudes fall with frequency; larger is smoother.

    Returns:
        (n, H, W) float64, in no particular range.
    """
    height, width = size
    rows = torch.fft.fftfreq(height, dtype=torch.float64, device=noise.device)[:, None]
    columns = torch.fft.rfftfreq(width, dtype=torch.float64, device=noise.device)
    frequency = torch.hypot(rows, columns).clamp(min=1.0 / max(size))
    spectrum = torch.complex(*noise.double().unbind(dim=1)) / frequency**decay
    grey: Tensor = torch.fft.irfft2(spectrum, s=size)
    return grey


def effective_softness(lam: Tensor, max_soft: float, pixels: int) -> Tensor:
    """Return how many pixels the edge may spread to either side: (n,) int64, never beyond all or none."""
    lam = lam.double()
    return (torch.minimum(lam, 1.0 - lam).clamp(max=max_soft) * pixels).floor().long()


def top_mask(grey: Tensor, count: Tensor, soft: Tensor) -> Tensor:
    """Keep the brightest pixels of each picture.

    Args:
        grey: (n, H, W) float.
        count: (n,) int64, how many pixels are kept.
        soft: (n,) int64: the ``2 * soft`` pixels around the edge, in order of brightness, fall evenly from 1 to 0;
            0 for a hard edge.

    Returns:
        (n, 1, H, W) float32 in [0, 1]; 1 where kept.

    Example:
        >>> grey = torch.tensor([[[4.0, 1.0], [3.0, 2.0]]])
        >>> top_mask(grey, torch.tensor([2]), torch.tensor([0]))
        tensor([[[[1., 0.],
                  [1., 0.]]]])
    """
    flat = grey.flatten(1)
    order = flat.argsort(dim=1, descending=True, stable=True)
    place = torch.arange(flat.shape[1], device=grey.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, place)
    count, soft = count[:, None], soft[:, None]
    ramp = (count + soft - 1 - rank) / (2 * soft - 1).clamp(min=1)
    mask = torch.where(soft > 0, ramp.clamp(0.0, 1.0), (rank < count).float())
    return mask.float().view(len(grey), 1, *grey.shape[1:])
