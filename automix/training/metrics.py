"""Metrics of predicted probabilities: plain functions of arrays.

probs is (N, K) float, rows sum to 1; labels is (N,) int64 in 0..K-1; N is at least 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

__all__ = ["METRICS", "Labels", "Probs", "balanced_top1", "calibration_error", "log_loss", "top1"]

Probs = NDArray[np.floating]
Labels = NDArray[np.int64]

_BINS = 15


def top1(probs: Probs, labels: Labels) -> float:
    """Share of images whose most probable class is their label.

    Example:
        >>> top1(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]))
        0.5
    """
    return float((probs.argmax(axis=1) == labels).mean())


def balanced_top1(probs: Probs, labels: Labels) -> float:
    """Mean over classes of the share of their images that are recognised.

    A class without images in ``labels`` has no such share and is left out of the mean. A prediction of such a class
    still counts as the error that it is.
    """
    counts = np.bincount(labels, minlength=probs.shape[1])
    hits = np.bincount(labels[probs.argmax(axis=1) == labels], minlength=probs.shape[1])
    present = counts > 0
    return float((hits[present] / counts[present]).mean())


def log_loss(probs: Probs, labels: Labels) -> float:
    """Mean of ``-log p(label)``; probabilities that underflowed count as the type's smallest normal number."""
    own = probs[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(own, np.finfo(probs.dtype).tiny), dtype=np.float64).mean())


def calibration_error(probs: Probs, labels: Labels, bins: int = _BINS) -> float:
    """Expected calibration error: mean gap between confidence and accuracy, over equal-width bins of confidence.

    Bins are (low, high], weighted by how many images they hold. Guo et al. 2017, arXiv 1706.04599, eq. 3.
    """
    confidence = probs.max(axis=1).astype(np.float64)
    gap = (probs.argmax(axis=1) == labels) - confidence
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return float(np.abs(np.bincount(bin_of, weights=gap, minlength=bins)).sum() / len(labels))


METRICS: Mapping[str, Callable[[Probs, Labels], float]] = MappingProxyType(
    {"top1": top1, "balanced_top1": balanced_top1, "logloss": log_loss, "ece": calibration_error}
)
"""What every epoch is judged by, by the name after ``val/``."""
