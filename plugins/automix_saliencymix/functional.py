"""Fine-grained saliency and places in maps: pure functions on tensors, no randomness."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["fine_grained_saliency", "peak_pixels"]

# Reach of the surround in pixels (the six scales of OpenCV's StaticSaliencyFineGrained).
_REACH = (12, 24, 28, 48, 56, 112)
# Weights of red, green and blue in brightness (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)


def fine_grained_saliency(images: Tensor) -> Tensor:
    """Say where an image differs in brightness from its surround, at full resolution.

    For six sizes of surround the centre-surround difference is taken; what is brighter (on) and what is darker (off)
    than its surround is summed over sizes, scaled to a maximum of 1, and added.

    Source: Montabone and Soto, Image and Vision Computing 28(3), 2010, as StaticSaliencyFineGrained of OpenCV's
    contrib modules computes it. Deviation: nothing is rounded to 8 bits between the steps.

    Args:
        images: (B, C, H, W) float with H * W > 1, normalised or not: a common factor and offset do not matter. Three
            channels are taken for red, green and blue, any other number is averaged.

    Returns:
        (B, 1, H, W) float32, non-negative; all 0 for an image without any contrast.
    """
    centre = _blur(_blur(_brightness(images.float())))
    # Without the mean, which cancels anyhow, the integral image stays small enough for float32.
    centre = centre - centre.mean(dim=(2, 3), keepdim=True)
    summed = F.pad(centre.cumsum(dim=2).cumsum(dim=3), (1, 0, 1, 0))
    saliency = torch.zeros_like(centre)
    for reach in _REACH:
        saliency += _surround(summed, centre, reach).sub_(centre).abs_()
    return saliency


def _brightness(images: Tensor) -> Tensor:
    """(B, 1, H, W): luma of three channels, the mean of any other number."""
    if images.shape[1] != len(_LUMA):
        return images.mean(dim=1, keepdim=True)
    weights = torch.tensor(_LUMA, device=images.device)[:, None, None]
    return (images * weights).sum(dim=1, keepdim=True)


def _blur(grey: Tensor) -> Tensor:
    """Smooth by (1, 2, 1) / 4 along both axes; the picture goes on as in a mirror."""
    height, width = grey.shape[-2:]
    up, down = _mirrored(height, -1, grey.device), _mirrored(height, 1, grey.device)
    grey = (grey[:, :, up] + 2.0 * grey + grey[:, :, down]) / 4.0
    left, right = _mirrored(width, -1, grey.device), _mirrored(width, 1, grey.device)
    return (grey[..., left] + 2.0 * grey + grey[..., right]) / 4.0


def _mirrored(pixels: int, step: int, device: torch.device) -> Tensor:
    """Index of the neighbour of each pixel; beyond the border the one on the other side (there is no other in one)."""
    index = (torch.arange(pixels, device=device) + step).abs()
    return torch.where(index < pixels, index, 2 * (pixels - 1) - index).clamp(min=0)


def _surround(summed: Tensor, centre: Tensor, reach: int) -> Tensor:
    """Mean of each pixel's surround without the pixel itself; windows are cut at the border."""
    total = _between(_between(summed, reach, 2), reach, 3)
    rows, columns = (_window_lengths(pixels, reach, centre.device) for pixels in centre.shape[-2:])
    # A window of one pixel has no surround: its total is the pixel itself, and 0 / 1 comes out.
    return total.sub_(centre).div_((rows[:, None] * columns - 1).clamp(min=1))


def _between(summed: Tensor, reach: int, dim: int) -> Tensor:
    """Sum along one axis from ``reach - 1`` pixels before each pixel to ``reach`` after it, by running sums.

    Written in slices: gathering along the last axis would cost several times more.
    """
    n = summed.shape[dim] - 1
    reach = min(reach, n)
    out = torch.empty_like(summed.narrow(dim, 0, n))
    out.narrow(dim, 0, n - reach).copy_(summed.narrow(dim, reach + 1, n - reach))
    out.narrow(dim, n - reach, reach).copy_(summed.narrow(dim, n, 1))
    out.narrow(dim, reach - 1, n - reach + 1).sub_(summed.narrow(dim, 0, n - reach + 1))
    return out


def _window_lengths(pixels: int, reach: int, device: torch.device) -> Tensor:
    """(pixels,): how many pixels the window around each pixel has."""
    pixel = torch.arange(pixels, device=device)
    return (pixel + reach + 1).clamp(max=pixels) - (pixel - reach + 1).clamp(min=0)


def peak_pixels(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Find the pixel under the maximum of each map; the first in reading order where there are several.

    Args:
        maps: (B, 1, h, w) float, of any resolution.
        size: (H, W) of the picture.

    Returns:
        (B, 2) int64 y, x in the picture: the middle of the strongest cell.

    Example:
        >>> peak_pixels(torch.tensor([[[[0.0, 1.0], [0.0, 0.0]]]]), (8, 8))
        tensor([[2, 6]])
    """
    h, w = maps.shape[-2:]
    best = maps.flatten(1).argmax(dim=1)
    y, x = best // w, best % w
    return torch.stack(((2 * y + 1) * size[0] // (2 * h), (2 * x + 1) * size[1] // (2 * w)), dim=1)
