"""What a mean over few seeds and many test images is worth.

Both arms of a comparison are trained on the same seeds and judged on the same images, so a comparison is a table of
differences, one row per seed, one column per image. Its mean varies for three reasons: seeds differ, images differ,
and every seed answers every image a little differently. A resampling of three seeds cannot see how uncertain their
spread is, so the interval comes from the two-way analysis of variance, with Satterthwaite's degrees of freedom: three
seeds are trusted as three seeds. ``docs/verdict.md`` holds what was measured of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automix.goal import Goal

__all__ = ["LEVEL", "Difference", "level_of", "paired_difference", "t_quantile"]

LEVEL = 0.97
"""Of the intervals. Not 95 %: the winner is the best of several on the same seeds (docs/verdict.md)."""
_THRIFT = 4.0
_POWER = 0.8
_GRID = 4001
_NORMAL_FROM = 1e4
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Difference:
    """The mean difference of two arms.

    Attributes:
        mean: first arm minus second.
        low: lower end of the interval.
        high: upper end.
        smallest: that a study of this spread would have found in 80 of 100 cases: the minimal detectable effect.
        level: of the interval.
        is_by_image: whether images were paired too; False where a model has one number, and seeds are all there is.
    """

    mean: float
    low: float
    high: float
    smallest: float
    level: float = LEVEL
    is_by_image: bool = True

    @property
    def is_above(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.low > 0

    @property
    def is_below(self) -> bool:
        """Whether the whole interval is below zero."""
        return self.high < 0

    def text(self, goal: Goal) -> str:
        """Say it in the unit of what was compared.

        Example:
            >>> from automix.goal import ACCURACY
            >>> Difference(0.021, 0.004, 0.038, 0.024).text(ACCURACY)
            '+2.10 points (97 % interval +0.40 to +3.80)'
        """
        low, high = (goal.change(end, with_unit=False) for end in (self.low, self.high))
        return f"{goal.change(self.mean)} ({100 * self.level:.4g} % interval {low} to {high})"


def level_of(look: int) -> float:
    """Return the level of the intervals when a study looks at its test images again.

    Every look is another chance to find a difference where there is none. So each may err a quarter as often as the one
    before, and all of them together, however many there will be, a third more often than the first.

    Args:
        look: number of the look, from 1.

    Example:
        >>> level_of(1), round(level_of(2), 6)
        (0.97, 0.9925)
    """
    return 1 - (1 - LEVEL) / _THRIFT ** (look - 1)


def paired_difference(ours: NDArray[np.generic], theirs: NDArray[np.generic], *, level: float = LEVEL) -> Difference:
    """Compare two arms, seed by seed and image by image.

    With S, I and E the estimated variances of the mean that come from seeds, from images, and from what is left, where
    S and I each hold E once, the variance of the mean is S + I - E (Searle, Casella and McCulloch 1992, chapter 4); it
    is never taken to be less than S or I alone, which chance may suggest.

    Where a model has one number and not one per image, seeds are all that can be seen to vary: a paired t-test.

    Args:
        ours: (n, m) numbers or truth values: n >= 2 seeds, m images; m = 1 for a number per model.
        theirs: likewise, of the other arm; rows and columns are the same seeds and images.
        level: of the interval.
    """
    values = ours.astype(np.float64) - theirs.astype(np.float64)
    n, m = values.shape
    if m == 1:
        return _difference(float(values.mean()), float(values.var(ddof=1)) / n, n - 1, level, is_by_image=False)
    mean = values.mean()
    by_seed, by_image = values.mean(axis=1), values.mean(axis=0)
    rest = values - by_seed[:, None] - by_image + mean
    seeds = float(np.square(by_seed - mean).sum()) / ((n - 1) * n)
    images = float(np.square(by_image - mean).sum()) / ((m - 1) * m)
    both = float(np.square(rest).sum()) / ((n - 1) * (m - 1) * n * m)
    # Equal answers everywhere do not mean that there is no spread: half an image is the least that can be told apart.
    variance = max(seeds + images - both, seeds, images, np.square(0.5 / m) / n)
    doubt = seeds**2 / (n - 1) + images**2 / (m - 1) + both**2 / ((n - 1) * (m - 1))
    freedom = max(1.0, min(variance**2 / max(doubt, _SMALLEST * variance**2), _NORMAL_FROM))
    return _difference(float(mean), variance, freedom, level)


def _difference(mean: float, variance: float, freedom: float, level: float, *, is_by_image: bool = True) -> Difference:
    error = math.sqrt(variance)
    reach = t_quantile(0.5 + level / 2, freedom)
    half = reach * error
    smallest = (reach + t_quantile(_POWER, freedom)) * error
    return Difference(mean, mean - half, mean + half, smallest, level, is_by_image)


def t_quantile(share: float, freedom: float) -> float:
    """Return the quantile of Student's t for any degrees of freedom >= 1, to about four digits.

    With x = sqrt(freedom) tan(angle) the density becomes cos(angle) ** (freedom - 1), which is added up on a grid.

    Args:
        share: of the distribution below the quantile, in [0.5, 1).
        freedom: degrees of freedom; above 10 000 they make no difference.

    Example:
        >>> round(t_quantile(0.975, 2), 2), round(t_quantile(0.975, 1e4), 2)
        (4.3, 1.96)
    """
    freedom = min(freedom, _NORMAL_FROM)
    angle = np.linspace(0.0, min(math.pi / 2, 12 / math.sqrt(freedom)), _GRID)
    density = np.cos(angle) ** (freedom - 1)
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    found = np.interp(2 * share - 1, below / below[-1], angle)
    return math.sqrt(freedom) * math.tan(found)
