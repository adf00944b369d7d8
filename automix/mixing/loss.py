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
_FEW_CLASSES = 32
_FEW_CLASSES_SMOOTHED = 4096


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
    picked = log_probs.gather(1, labels[mixed.sources])
    if mixed.smoothing is None:
        return -(mixed.weights * picked).sum() / len(logits)
    kept = 1.0 - mixed.smoothing
    spread = (mixed.smoothing * log_probs.mean(dim=1)).sum()
    return -((mixed.weights * kept[:, None] * picked).sum() + spread) / len(logits)
