"""What the trials together lead one to expect of each policy that was tried.

A trial's accuracy is that of one seed on a few hundred images: of many equal policies the best looks better than it is.
Here each is judged by its neighbours too, so that whoever leads by luck falls back. docs/search-benchmark.md says how
much better the choice becomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from samplers_gaussian import GaussianProcess
from samplers_traits import Traits

if TYPE_CHECKING:
    from automix.policy import PolicyDocument

__all__ = ["FEWEST", "expected_values"]

Array: TypeAlias = NDArray[np.float64]

FEWEST = 8
"""With fewer trials there is nothing to learn from, and each is taken at its word."""


def expected_values(policies: Sequence[PolicyDocument], values: Sequence[float]) -> Array:
    """Return what to expect of policies, the noise of their trials aside.

    Args:
        policies: those that were tried.
        values: (N,) what each came to; more is better.

    Returns:
        (N,) on the scale of ``values``.
    """
    seen = np.array(values, dtype=np.float64)
    if len(seen) < FEWEST or not np.isfinite(seen).all():
        return seen
    x = Traits(policies).of(policies)
    return GaussianProcess(x, seen).predict(x)[0]
