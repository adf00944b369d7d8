"""The two losses that TdAttenMix adds (from its base method, SMMix), for any number of sources."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automix.mixing import Batch, MixedBatch, dense_targets

__all__ = ["consistency_loss", "token_loss"]


def consistency_loss(logits: Tensor, clean: Tensor, mixed: MixedBatch) -> Tensor:
    """KL( softmax(sum_s w_s u_s) || softmax(logits) ), mean over rows: logits are mixed, then normalised.

    Args:
        logits: (B', K) of the mixed images.
        clean: (B, K): u, logits of the clean images, detached.
        mixed: sources and label weights.

    Returns:
        0-d float32.
    """
    expected = torch.einsum("bs,bsk->bk", mixed.weights, clean.float()[mixed.sources]).detach()
    return F.kl_div(
        F.log_softmax(logits.float(), dim=1), F.log_softmax(expected, dim=1), log_target=True, reduction="batchmean"
    )


def token_loss(features: Tensor, head: nn.Module, batch: Batch, mixed: MixedBatch) -> Tensor:
    """Half the sum, over sources, of the mean cross-entropy of each source's mean token against its pure label.

    A token that lies on a border counts by share. A source without any place in a row is left out there.

    Args:
        features: (B', C, h, w): tokens of the mixed images after the final norm, without prefix tokens.
        head: brings (n, C) to (n, K).
        batch: the clean batch.
        mixed: sources, shares and smoothing.

    Returns:
        0-d float32.
    """
    h, w = features.shape[-2:]
    shares = mixed.shares(h, w).expand(-1, -1, h, w)
    masses = shares.sum(dim=(2, 3))
    means = torch.einsum("bchw,bshw->bsc", features, shares.to(features.dtype)) / masses.clamp(min=1e-6)[..., None]
    losses = [
        F.cross_entropy(head(means[:, s].to(features.dtype)).float(), _pure_targets(batch, mixed, s), reduction="none")
        for s in range(shares.shape[1])
    ]
    counted = (masses > 0).float()
    return 0.5 * (torch.stack(losses, dim=1) * counted).sum() / len(features)


def _pure_targets(batch: Batch, mixed: MixedBatch, s: int) -> Tensor:
    """(B', K): the smoothed label of each row's source ``s`` alone."""
    return dense_targets(
        batch.labels,
        batch.num_classes,
        mixed.sources[:, s : s + 1],
        torch.ones_like(mixed.weights[:, :1]),
        smoothing=mixed.smoothing,
    )
