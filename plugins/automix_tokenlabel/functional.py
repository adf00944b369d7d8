"""From shares and attention to label weights: pure functions on tensors, no randomness, any number of sources."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["aligned", "attended_weights", "blended", "cell_shares", "start_tokens"]

ShareFunction = Callable[[int, int, str], Tensor]


def cell_shares(
    shares: ShareFunction, size: tuple[int, int], patch: tuple[int, int], grid: tuple[int, int], how: str
) -> Tensor:
    """Say how much of each patch belongs to each source, for patches that may leave the picture or not reach its edge.

    Args:
        shares: of the mixed batch, at any grid: (B', S, h, w) float32.
        size: (H, W) of the picture in pixels.
        patch: (h, w) of a patch in pixels; the first begins in the upper left corner.
        grid: patches (rows, columns). Where they reach beyond the picture, only what is in it counts.
        how: "area" for the mean over the patch, "nearest" for its upper left pixel.

    Returns:
        (B', S, rows, columns) float32.
    """
    covered = grid[0] * patch[0], grid[1] * patch[1]
    if covered == size:
        return shares(*grid, how)
    pixels = F.pad(shares(*size, "area"), (0, covered[1] - size[1], 0, covered[0] - size[0]))
    return pixels[..., :: patch[0], :: patch[1]] if how == "nearest" else F.avg_pool2d(pixels, patch)


def start_tokens(cells: Tensor, weights: Tensor, num_prefix_tokens: int) -> Tensor:
    """Give each token a label: a patch that of its pixels, every token before the patches that of the picture.

    Args:
        cells: (B', S, h, w) float32: shares; where they sum to less than 1 they are scaled up, and where nothing of any
            source is left the picture's label is taken.
        weights: (B', S) float32: the picture's label weights (area).
        num_prefix_tokens: class token, distillation token, registers.

    Returns:
        (B', num_prefix_tokens + h * w, S) float32; rows sum to what the weights sum to.
    """
    whole = weights[:, None]
    patches = cells.flatten(2).transpose(1, 2)
    held = patches.sum(dim=2, keepdim=True)
    patches = torch.where(held > 0, patches / held.clamp_min(torch.finfo(held.dtype).tiny), whole)
    return torch.cat((whole.expand(-1, num_prefix_tokens, -1), patches), dim=1)


def aligned(tokens: Tensor, attended: Tensor, update: float = 0.5) -> Tensor:
    """Carry token labels through one block: ``(1 - update) * Y + update * A Y``.

    Source: Xiao et al. 2023, arXiv 2210.06455, as the official code computes it, where ``update`` is 0.5: attention
    moves labels as it moves values, the other half stands for the residual connection. The code follows K class
    probabilities per token; labels of a mixed image are mixtures of its S sources, so S shares per token say the same.

    Args:
        tokens: (B', N, S) float32, Y.
        attended: (B', N, S) float32, A Y.
        update: share of what attention brings.
    """
    return torch.lerp(tokens, attended, update)


def attended_weights(attention: Tensor, cells: Tensor, weights: Tensor) -> Tensor:
    """Weigh each source by the attention that its pixels get: ``sum_p a_p m_p / sum_p a_p``.

    Source: Chen et al. 2022, arXiv 2111.09833, and the official code, there for one box. With several sources the sum
    runs over what is left of all of them.

    Args:
        attention: (B', 1, h, w) float32, non-negative: of the token that the head reads, over patches; its scale does
            not matter.
        cells: (B', S, h, w) float32: shares.
        weights: (B', S) float32, taken where no attention falls on any source.

    Returns:
        (B', S) float32 that sum to 1.
    """
    mass = (attention * cells).sum(dim=(2, 3))
    total = mass.sum(dim=1, keepdim=True)
    return torch.where(total > 0, mass / total.clamp_min(torch.finfo(total.dtype).tiny), weights)


def blended(weights: Tensor, found: Tensor, share: float) -> Tensor:
    """Mix two label weights: ``(1 - share) * weights + share * found``; both (B', S)."""
    return torch.lerp(weights, found, share)
