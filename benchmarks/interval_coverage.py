"""How often intervals for a difference of two arms miss the truth: the two-way bootstrap and what automix uses.

Run `python benchmarks/interval_coverage.py` (about four minutes of processor time) or with `--quick` (20 seconds).
Comparisons without any difference are simulated: n seeds times m test images, answers right or wrong, with spreads as
measured on real trainings. An interval of the level that verdicts use should miss zero in no more than 3 of 100.
`--write` puts the table into docs/verdict.md.

The two-way bootstrap (Owen 2007) draws seeds and images anew, each with replacement and independently of each other,
and takes the quantiles of the means.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
from _tables import machine, table, write_between
from numpy.typing import NDArray

from automix.verdict.statistics import LEVEL, paired_difference

N_SEEDS = (3, 5, 10)
_N_DRAWS = 1000
_SHARED, _OWN = 0.7, 0.3
"""Shares of an image's variance: what all models see alike; and of the rest, an arm's own view of the image."""
_PAGE = Path(__file__).parents[1] / "docs" / "verdict.md"

Interval = tuple[float, float]
Method = Callable[[NDArray[np.bool_], NDArray[np.bool_]], Interval]


@dataclass(frozen=True)
class Spread:
    """Noise of a comparison.

    Attributes:
        name: what it stands for.
        n_images: of the test split.
        accuracy: of both arms.
        seed_sd: of their difference over seeds, on endless images.
    """

    name: str
    n_images: int
    accuracy: float
    seed_sd: float


SPREADS = (
    Spread("digits, clean", 269, 0.92, 0.016),
    Spread("digits, noisy labels", 269, 0.864, 0.010),
    Spread("Fashion-MNIST", 542, 0.80, 0.010),
    Spread("many images, seeds as digits", 2000, 0.92, 0.016),
    Spread("CIFAR-10", 10_000, 0.44, 0.010),
)


class Bootstrap:
    """The two-way bootstrap with percentiles.

    What is drawn is drawn once for all comparisons of a size: that costs a fraction, and each of them still sees
    independent data.

    Args:
        n: seeds.
        m: images.
        generator: what is drawn from.
    """

    def __init__(self, n: int, m: int, generator: np.random.Generator) -> None:
        self._seeds = generator.multinomial(n, np.full(n, 1 / n), size=_N_DRAWS) / n
        self._images = generator.multinomial(m, np.full(m, 1 / m), size=_N_DRAWS).T / m

    def __call__(self, ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> Interval:
        """Return low and high for tables (n, m)."""
        by_seed = (ours.astype(np.float64) - theirs) @ self._images
        means = np.einsum("bn,nb->b", self._seeds, by_seed)
        low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)


def components(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> Interval:
    """Return the interval that verdicts use."""
    found = paired_difference(ours, theirs)
    return found.low, found.high


def answers(spread: Spread, n: int, generator: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Simulate two arms without a difference: which of m images each of n seeds answers rightly; two (n, m) tables.

    An answer is right where level + effect of the seed + ease of the image + view of the arm + noise > 0, all normal.
    """
    normal = NormalDist()
    level = normal.inv_cdf(spread.accuracy)
    own = (1 - _SHARED) * _OWN
    ease = generator.normal(scale=math.sqrt(_SHARED), size=spread.n_images)

    def arm() -> NDArray[np.bool_]:
        seeds = generator.normal(scale=spread.seed_sd / math.sqrt(2) / normal.pdf(level), size=(n, 1))
        view = generator.normal(scale=math.sqrt(own), size=spread.n_images)
        noise = generator.normal(scale=math.sqrt(1 - _SHARED - own), size=(n, spread.n_images))
        return np.asarray(level + seeds + ease + view + noise > 0)

    return arm(), arm()


def error(method: Method, spread: Spread, n: int, n_studies: int) -> tuple[float, float]:
    """Return the share of intervals that miss zero, and the mean half-width."""
    generator = np.random.Generator(np.random.Philox(key=17))
    missed, width = 0, 0.0
    for _ in range(n_studies):
        low, high = method(*answers(spread, n, generator))
        missed += not low <= 0 <= high
        width += (high - low) / 2
    return missed / n_studies, width / n_studies


def main() -> None:
    """Measure every spread with every number of seeds, by both methods."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 comparisons of each kind in place of 2000")
    parser.add_argument("--write", action="store_true", help="write the table into docs/verdict.md")
    options = parser.parse_args()
    n_studies, begun = (200 if options.quick else 2000), time.process_time()
    body = []
    for spread in SPREADS:
        for n in N_SEEDS:
            body.append(_row(spread, n, n_studies))
            print(" | ".join(body[-1]), flush=True)
    lines = [
        f"{n_studies} comparisons each, {machine()}, {(time.process_time() - begun) / 60:.1f} min:",
        "",
        *table(["spread (test images, accuracy, seed sd)", "seeds", "two-way bootstrap", "variance components"], body),
    ]
    print("\n".join(lines))
    if options.write:
        write_between(_PAGE, "coverage", lines)


def _row(spread: Spread, n: int, n_studies: int) -> Sequence[str]:
    bootstrap = Bootstrap(n, spread.n_images, np.random.Generator(np.random.Philox(key=n)))
    found = [error(method, spread, n, n_studies) for method in (bootstrap, components)]
    size = f"{spread.n_images}, {spread.accuracy:.0%}, {100 * spread.seed_sd:.1f} points"
    return [f"{spread.name} ({size})", str(n), *(f"{100 * share:.1f} % ({100 * half:.1f})" for share, half in found)]


if __name__ == "__main__":
    main()
