"""How alike two orders are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["RankCorrelation", "rank_correlation"]

_MIN_PAIRS = 5
_Z95 = 1.959964
_ALMOST = 1 - 1e-9


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rank correlation; 1 where both order the trials alike.

    Attributes:
        spearman: the estimate.
        low: lower end of the 95 % interval.
        high: upper end.
        n: number of trials.
    """

    spearman: float
    low: float
    high: float
    n: int


def rank_correlation(ours: Sequence[float], theirs: Sequence[float]) -> RankCorrelation | None:
    """Correlate two orders, with Fisher's interval in the form of Bonett and Wright (2000) for ranks.

    Returns:
        None for fewer than five pairs, or where one side is all ties.

    Example:
        >>> found = rank_correlation([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 6, 5])
        >>> round(found.spearman, 3), round(found.low, 2), found.n
        (0.943, 0.38, 6)
    """
    n = len(ours)
    first, second = (_centred_ranks(values) for values in (ours, theirs))
    spread = float(np.linalg.norm(first) * np.linalg.norm(second)) if n else 0.0
    if n < _MIN_PAIRS or spread == 0:
        return None
    rho = float(first @ second) / spread
    centre = np.arctanh(np.clip(rho, -_ALMOST, _ALMOST))
    reach = _Z95 * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return RankCorrelation(rho, float(np.tanh(centre - reach)), float(np.tanh(centre + reach)), n)


def _centred_ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Rank values, from the mean rank; equal ones share the mean of their ranks."""
    _, place, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray(ends - (counts - 1) / 2)[place] - (len(values) + 1) / 2
