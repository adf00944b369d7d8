"""Calibration: how far confidence is from accuracy, before and after a temperature that is fitted on validation.

Mixing changes how confident a network is, mostly downwards. A temperature, one number that divides the logits, takes
that out again without changing any answer (Guo et al. 2017, arXiv 1706.04599). What is left of a difference in
log-loss after it is more than a matter of confidence.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["calibration_terms", "fit_temperature", "tempered"]

_BINS = 15
_LIMIT = 5.0
_STEPS = 60


def fit_temperature(probs: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Find the temperature with the least log-loss, between exp(-5) and exp(5).

    In the inverse temperature b, log-loss is convex: its slope, the mean of (expected logit - logit of the label),
    rises with b. So its zero is found by halving an interval.

    Args:
        probs: (N, K) probabilities; their logarithms serve as logits.
        labels: (N,) in 0..K-1.
    """
    logits = _log(probs)
    own = logits[np.arange(len(labels)), labels]
    low, high = -_LIMIT, _LIMIT
    for _ in range(_STEPS):
        middle = (low + high) / 2
        expected = (_softmax(math.exp(middle) * logits) * logits).sum(axis=1)
        low, high = (middle, high) if (expected - own).mean() < 0 else (low, middle)
    return math.exp(-(low + high) / 2)


def tempered(probs: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Divide the logits by a temperature; (N, K) probabilities in and out."""
    return _softmax(_log(probs) / temperature)


def calibration_terms(correct: NDArray[np.bool_], confidence: NDArray[np.floating]) -> NDArray[np.float64]:
    """Write the expected calibration error as a mean over images, so that it can be compared image by image.

    It is a mean over bins of |accuracy - confidence|, so each image's term is its own (correct - confidence), with the
    sign that the sum of its bin has. The bins are those of `automix.training.metrics.calibration_error`.

    Args:
        correct: (N,) whether the answer is right.
        confidence: (N,) probability of the answer.

    Returns:
        (N,) terms whose mean is the error.
    """
    gap: NDArray[np.float64] = correct - confidence.astype(np.float64)
    bins = np.clip(np.ceil(confidence.astype(np.float64) * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    signs = np.sign(np.bincount(bins, weights=gap, minlength=_BINS))
    terms: NDArray[np.float64] = gap * signs[bins]
    return terms


def _log(probs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Take logarithms; a probability that underflowed counts as the type's smallest normal number."""
    logits: NDArray[np.float64] = np.log(np.maximum(probs, np.finfo(probs.dtype).tiny), dtype=np.float64)
    return logits


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted
