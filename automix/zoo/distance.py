"""How alike two data sets are, by the numbers that describe them (`automix.data.fingerprint`).

Each feature is put on a scale on which 1 is a step that matters: sizes and counts by their logarithm, the others
divided by a typical spread. The scales are constants and not estimated from the data sets at hand, of which there may
be two; so a distance stays the same when more become known. A difference counts at most 3, so that no single feature
outvotes the others. The distance is the root mean square over the features that both have: 0 for equal features,
symmetric, at most 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

__all__ = ["FAR", "distance"]

FAR = 1.5
"""Beyond this, two data sets have too little in common to learn from one another."""

_MAX_STEP = 3.0


def _by_factor(factor: float) -> Callable[[float], float]:
    """Count in steps of a factor."""
    return lambda value: math.log(max(value, 1e-9)) / math.log(factor)


def _by_spread(spread: float) -> Callable[[float], float]:
    return lambda value: value / spread


_SCALES: dict[str, Callable[[float], float]] = {
    "n_train": _by_factor(4.0),
    "num_classes": _by_factor(4.0),
    "imbalance": _by_factor(4.0),
    "side": _by_factor(2.0),
    "channels": _by_spread(2.0),  # grey to colour is one step
    "contrast": _by_spread(0.1),
    "colourfulness": _by_spread(0.2),
    "edge_density": _by_spread(0.1),
    "separability": _by_spread(0.25),  # hard or noisy labels: what mixing depends on most
    "near_duplicates": _by_spread(0.5),
}


def distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the distance of two data sets.

    Args:
        one: meta-features by name; those that no scale is known for are not looked at.
        other: likewise.

    Returns:
        0 to 3; infinite where they share no feature.

    Example:
        >>> distance({"side": 32.0, "channels": 3.0}, {"side": 64.0, "channels": 1.0})
        1.0
    """
    steps = [scale(one[name]) - scale(other[name]) for name, scale in _SCALES.items() if name in one and name in other]
    if not steps:
        return math.inf
    return math.sqrt(sum(min(abs(step), _MAX_STEP) ** 2 for step in steps) / len(steps))
