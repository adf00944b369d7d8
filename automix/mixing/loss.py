"""Cross-entropy of mixed labels without building the target matrix.

``(1 - e) * sum_s w_s nll_s + e * mean nll`` gathers S entries per row. With many classes that is several times cheaper
than soft targets (B', K); the gradient ``sum(t) softmax - t`` is written directly.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from automix.errors import DataError
from automix.mixing.batch import MixedBatch

__all__ = ["mixed_cross_entropy", "soft_cross_entropy"]


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over rows of ``-sum_k t_k log softmax(logits)_k``, computed in float32.

    Args:
        logits: (B, K) float.
        targets: (B, K) float.
    """
    return -(targets * F.log_softmax(logits.float(), dim=1)).sum(dim=1).mean()


def mixed_cross_entropy(logits: Tensor, labels: Tensor, mixed: MixedBatch) -> Tensor:
    """Mean cross-entropy of a mixed batch, computed in float32.

    Equal to `soft_cross_entropy` against ``mixed.targets(labels, K)``; the dense form is used where labels are dense
    already or there is dense mass.

    Args:
        logits: (B', K) float.
        labels: (B,) int64 or (B, K) float, of the clean batch, on the logits' device.
        mixed: sources, weights and smoothing.

    Returns:
        0-d float32.

    Raises:
        DataError: logits do not have one row for each mixed image.
    """
    if len(logits) != len(mixed.sources):
        raise DataError(f"Expected logits for {len(mixed.sources)} mixed images but got shape {tuple(logits.shape)}.")
    if labels.ndim == 2 or mixed.dense is not None:
        return soft_cross_entropy(logits, mixed.targets(labels, logits.shape[1]))
    loss: Tensor = _GatherLoss.apply(logits, labels[mixed.sources], mixed.weights, mixed.smoothing)
    return loss


class _GatherLoss(torch.autograd.Function):
    """Mean over rows of ``sum(t) lse - sum_k t_k z_k`` with t given by (classes, weights, smoothing)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, classes: Tensor, weights: Tensor, smoothing: Tensor | None) -> Tensor:
        z = logits.float()
        lse = torch.logsumexp(z, dim=1)
        picked = (weights * z.gather(1, classes)).sum(dim=1)
        mass = weights.sum(dim=1)
        if smoothing is not None:
            picked = (1.0 - smoothing) * picked + smoothing * z.mean(dim=1)
            mass = (1.0 - smoothing) * mass + smoothing
        ctx.save_for_backward(logits, classes, weights, smoothing, lse, mass)
        return (mass * lse - picked).mean()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None, None]:
        logits, classes, weights, smoothing, lse, mass = ctx.saved_tensors
        scale = grad_outputs[0] / len(logits)
        grad = (logits.float() - lse[:, None]).exp_()
        grad.mul_((mass * scale)[:, None])
        if smoothing is not None:
            weights = (1.0 - smoothing[:, None]) * weights
            grad.sub_((smoothing * scale / logits.shape[1])[:, None])
        grad.scatter_add_(1, classes, -weights * scale)
        return grad.to(logits.dtype), None, None, None
