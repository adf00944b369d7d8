"""FMix's masks: pure functions on tensors, no randomness."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["effective_softness", "hard_mask", "low_pass", "soft_mask"]


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


def hard_mask(grey: Tensor, count: Tensor) -> Tensor:
    """Keep the brightest pixels of each picture.

    Args:
        grey: (n, H, W) float, no two pixels of a picture alike.
        count: (n,) int64 on the CPU, how many pixels are kept.

    Returns:
        (n, 1, H, W) float32: 1 where kept, 0 elsewhere.

    Example:
        >>> hard_mask(torch.tensor([[[4.0, 1.0], [3.0, 2.0]]]), torch.tensor([2]))
        tensor([[[[1., 0.],
                  [1., 0.]]]])
    """
    flat = grey.flatten(1)
    dropped = (flat.shape[1] - count).tolist()
    # Selecting one value per row is several times cheaper than sorting all of them.
    lowest = [row.kthvalue(k).values if k else row.new_tensor(-torch.inf) for row, k in zip(flat, dropped, strict=True)]
    return (flat > torch.stack(lowest)[:, None]).float().view(len(grey), 1, *grey.shape[1:])


def soft_mask(grey: Tensor, count: Tensor, soft: Tensor) -> Tensor:
    """Keep the brightest pixels of each picture, with an edge that falls evenly from 1 to 0.

    Args:
        grey: (n, H, W) float.
        count: (n,) int64, sum of each mask.
        soft: (n,) int64: over the ``2 * soft`` pixels around the edge, in order of brightness, the mask falls; 0 for a
            hard edge.

    Returns:
        (n, 1, H, W) float32 in [0, 1].

    Example:
        >>> soft_mask(torch.tensor([[[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]]]), torch.tensor([3]), torch.tensor([2]))
        tensor([[[[1.0000, 1.0000, 0.6667, 0.3333, 0.0000, 0.0000]]]])
    """
    flat = grey.flatten(1)
    order = flat.argsort(dim=1, descending=True)
    place = torch.arange(flat.shape[1], device=grey.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, place)
    count, soft = count[:, None], soft[:, None]
    ramp = (count + soft - 1 - rank) / (2 * soft - 1).clamp(min=1)
    mask = torch.where(soft > 0, ramp.clamp(0.0, 1.0), (rank < count).float())
    return mask.float().view(len(grey), 1, *grey.shape[1:])
