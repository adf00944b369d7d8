"""Studies made of noise: what every model would answer, without a model.

An answer is right where ``level + seed effect + ease of the image + its view by the arm + noise > 0``, all normal.
``level`` sets the accuracy; the seed effect gives the spread over seeds that no number of images removes; ease is
shared by all arms, which is what pairing by image takes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from automix.verdict.decision import DEFAULT, NO_MIXING, Arm, Subject, Verdict, arms_to_test, decide
from automix.verdict.scores import Answers, Scores

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Spread:
    """Noise of one kind of data and training.

    Args:
        accuracy: of every arm without a gain.
        seed_sd: of the difference of two arms over seeds, on endless test images.
        shared: share of an image's variance that all models see alike.
        own: share of the rest that is an arm's view of the image, the same for its seeds.
        n_val: validation images.
        n_test: test images.
    """

    accuracy: float
    seed_sd: float
    shared: float
    own: float
    n_val: int
    n_test: int


@dataclass
class Study:
    """One study: k policies are searched on one seed, the best are trained again with the references.

    Args:
        spread: its noise.
        n_seeds: fresh seeds.
        n_trials: policies of the search.
        n_best: how many are confirmed.
        gain: true gain in accuracy of every mixing policy.
    """

    spread: Spread
    n_seeds: int
    n_trials: int = 12
    n_best: int = 3
    gain: float = 0.0

    def run(self, generator: np.random.Generator) -> Verdict:
        """Search, confirm, choose, open the test images and decide, the last three with the code of the product."""
        return self.looks(generator, (self.n_seeds,))[0]

    def looks(self, generator: np.random.Generator, sizes: Sequence[int]) -> list[Verdict]:
        """Come to a verdict with the first few seeds, then with more of them, and so on; ``sizes`` ends with all."""
        spread = self.spread
        ease = {name: self._normal(generator, (n,), spread.shared) for name, n in self._sizes.items()}
        views = {f"policy{i}": self._views(generator) for i in range(self.n_trials)}
        found = {name: self._answers(generator, ease, view, 1, name)["val"].mean() for name, view in views.items()}
        best = sorted(found, key=lambda name: -found[name])[: self.n_best]
        views |= {name: self._views(generator) for name in (NO_MIXING, "trivialmix", DEFAULT)}
        names = [NO_MIXING, *best, "trivialmix", DEFAULT]
        answers = {name: self._answers(generator, ease, views[name], sizes[-1], name) for name in names}
        return [self._verdict(answers, n, look) for look, n in enumerate(sizes, start=1)]

    def _verdict(self, answers: Mapping[str, Mapping[str, NDArray[np.bool_]]], n: int, look: int) -> Verdict:
        arms = [self._arm(name, found["val"][:n]) for name, found in answers.items()]
        tested = {name: _scores(answers[name]["test"][:n]) for name in arms_to_test(arms)}
        subject = Subject("noise", "none", 1, self.spread.n_test, tuple(range(n)), opened=look)
        return decide(subject, arms, tested)

    @property
    def _sizes(self) -> dict[str, int]:
        return {"val": self.spread.n_val, "test": self.spread.n_test}

    def _views(self, generator: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        share = (1 - self.spread.shared) * self.spread.own
        return {name: self._normal(generator, (n,), share) for name, n in self._sizes.items()}

    def _answers(
        self,
        generator: np.random.Generator,
        ease: dict[str, NDArray[np.float64]],
        view: dict[str, NDArray[np.float64]],
        n_seeds: int,
        name: str,
    ) -> dict[str, NDArray[np.bool_]]:
        accuracy = self.spread.accuracy + (0.0 if name == NO_MIXING else self.gain)
        level = _NORMAL.inv_cdf(accuracy)
        seeds = self._normal(generator, (n_seeds, 1), self.spread.seed_sd**2 / 2) / _NORMAL.pdf(level)
        share = (1 - self.spread.shared) * (1 - self.spread.own)
        return {
            split: level + seeds + ease[split] + view[split] + self._normal(generator, (n_seeds, n), share) > 0
            for split, n in self._sizes.items()
        }

    @staticmethod
    def _normal(generator: np.random.Generator, shape: tuple[int, ...], variance: float) -> NDArray[np.float64]:
        return generator.normal(scale=variance**0.5, size=shape)

    @staticmethod
    def _arm(name: str, val: NDArray[np.bool_]) -> Arm:
        by_seed = tuple(val.mean(axis=1))
        return Arm(name, name, {"top1": by_seed, "logloss": tuple(1 - value for value in by_seed)})


def _scores(correct: NDArray[np.bool_]) -> Scores:
    """Complete answers that are right or wrong; accuracy alone decides."""
    n_images = correct.shape[1]
    some, one_class = np.full(n_images, 0.5, dtype=np.float32), np.zeros(n_images, dtype=np.int64)
    return Scores([Answers(row, some, some, some, some, one_class) for row in correct])
