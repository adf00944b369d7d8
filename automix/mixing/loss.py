"""Cross-entropy of mixed labels without building the target matrix.

``(1 - e) * sum_s w_s nll_s + e * mean nll`` gathers S log-probabilities per row, which is several times cheaper than
soft targets (B', K) with many classes. With few, the dense form costs less (``benchmarks/loss.py``). A backward pass
written by hand was slower than autograd's, whose kernels are fused.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from automix.errors import DataError
from automix.mixing.batch import MixedBatch

__all__ = ["mixed_cross_entropy", "soft_cross_entropy"]

# Up to how many classes the dense form is cheaper (benchmarks/loss.py). Smoothing touches every class in either form.
_FEW_CLASSES = 48
_FEW_CLASSES_SMOOTHED = 256


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over rows of ``-sum_k t_k log softmax(logits)_k``, computed in float32.

    Args:
        logits: (B, K) float.
        targets: (B, K) float.
    """
    return F.cross_entropy(logits.float(), targets)


def mixed_cross_entropy(logits: Tensor, labels: Tensor, mixed: MixedBatch) -> Tensor:
    """Mean cross-entropy of a mixed batch, computed in float32.

    Equal to `soft_cross_entropy` against ``mixed.targets(labels, K)``. That dense form is used where it is cheaper, and
    where labels are dense already or there is dense mass.

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
    few = _FEW_CLASSES if mixed.smoothing is None else _FEW_CLASSES_SMOOTHED
    if labels.ndim == 2 or mixed.dense is not None or logits.shape[1] <= few:
        return soft_cross_entropy(logits, mixed.targets(labels, logits.shape[1]))
    log_probs = F.log_softmax(logits, dim=1, dtype=torch.float32)
    if mixed.smoothing is None:
        return -(mixed.weights * _picked(log_probs, labels, mixed)).sum() / len(logits)
    # Before the gather, so that its gradient comes after and is added to the gather's in place.
    spread = log_probs.sum(dim=1) @ (mixed.smoothing / logits.shape[1])
    weights = mixed.weights * (1.0 - mixed.smoothing)[:, None]
    return -((weights * _picked(log_probs, labels, mixed)).sum() + spread) / len(logits)


def _picked(log_probs: Tensor, labels: Tensor, mixed: MixedBatch) -> Tensor:
    """(B', S): log-probability of each source's class."""
    return log_probs.gather(1, labels[mixed.sources])
