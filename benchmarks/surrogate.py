"""A stand-in for training: predicts the curves of a policy from the trial bank, with the noise of a fresh seed.

Run `python benchmarks/surrogate.py` to see how far it can be believed: its error on policies held out against the noise
of a seed, and how well it ranks them. Trees predict the whole curves of accuracy and log-loss from the policy's encoded
parameters; a seed adds the deviation of some replicated training, as a whole curve, so that noise is as smooth in time
and as tied between the two metrics as it was in truth. What a seed does to all policies alike is taken out first: the
trials of a search share their seed, so only what is left can mislead it. Policies outside the search space (some
reference arms) are looked up.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import GroupKFold
from trials_bank import DATA, Bank, Trained

from automix.mixing.domains import Value
from automix.spaces import Parameter

__all__ = ["Encoder", "Levelled", "Quality", "Surrogate", "quality_of"]

Array = NDArray[np.float64]

_ABSENT = -0.5
"""In place of a parameter that a policy does not have; present ones are in [0, 1]."""
_FOLDS = 10
_FEWEST_OF_A_METHOD = 8


@dataclass(frozen=True)
class Encoder:
    """Writes a policy's parameters as a vector that does not depend on the order of its branches.

    Args:
        parameters: of the space, by name.
    """

    parameters: Mapping[str, Parameter]

    @property
    def columns(self) -> tuple[str, ...]:
        """What the entries are: the weight of each method, then its parameters, then those of the policy."""
        methods = [str(name) for name in self.parameters["mixer"].choices]
        names = {_plain(name): None for name in self.parameters if name not in ("mixer", "mixer2", "share2")}
        return (*methods, *names)

    def encode(self, params: Mapping[str, Value]) -> Array:
        """Return the vector of one policy."""
        columns = {name: i for i, name in enumerate(self.columns)}
        share = float(params.get("share2", 0.0))
        weights = {"mixer": 1.0 - share, "mixer2": share}
        sums, mass = np.zeros(len(columns)), np.zeros(len(columns))
        for name, value in params.items():
            if name in weights:
                sums[columns[str(value)]] += weights[name]
                mass[columns[str(value)]] = 1.0
            elif name != "share2":
                weight = weights["mixer2"] if _plain(name) != name else weights["mixer"]
                sums[columns[_plain(name)]] += weight * self._scaled(name, value)
                mass[columns[_plain(name)]] += weight
        absent = np.array([0.0 if name in self.parameters["mixer"].choices else _ABSENT for name in self.columns])
        return np.where(mass > 0, sums / np.where(mass > 0, mass, 1.0), absent)

    def _scaled(self, name: str, value: Value) -> float:
        """Return where a value lies in its range, from 0 to 1."""
        domain = self.parameters[name]
        if domain.low is None or domain.high is None:
            return domain.choices.index(value) / max(1, len(domain.choices) - 1)
        low, high, here = (math.log(x) if domain.log else x for x in (domain.low, domain.high, float(value)))
        return (here - low) / (high - low)


def _plain(name: str) -> str:
    """Return the name that a parameter has in the first branch."""
    head, dot, tail = name.partition(".")
    return f"{head.removesuffix('2')}{dot}{tail}"


class Surrogate:
    """Predicts curves; made from a bank."""

    def __init__(self, bank: Bank) -> None:
        self.n_epochs = bank.header.n_epochs
        self.encoder = Encoder(bank.header.compose().parameters)
        known = Levelled.of(bank)
        inside = known.inside()
        x = np.array([self.encoder.encode(known.trained[i].params) for i in inside])
        self._trees = _trees().fit(x, known.curves[inside])
        arms = {one.arm: one for one in known.trained if one.arm}
        self._arms = {
            name: self.mean([one.params])[0]
            if one.params
            else known.curves[[other.arm == name for other in known.trained]].mean(axis=0).reshape(2, self.n_epochs)
            for name, one in arms.items()
        }
        self._deviations = known.deviations()

    def mean(self, params: Sequence[Mapping[str, Value]]) -> Array:
        """Return (N, 2, n_epochs): mean accuracy and log-loss over seeds after each epoch."""
        x = np.array([self.encoder.encode(one) for one in params], dtype=np.float32)
        # What `predict` of the forest does, without its checks of every tree, which take twenty times as long.
        flat = np.mean([tree.tree_.predict(x) for tree in self._trees.estimators_], axis=0)
        return np.asarray(np.reshape(flat, (len(params), 2, self.n_epochs)))

    def arm(self, name: str) -> Array:
        """Return (2, n_epochs) of a reference arm: as trained where it lies outside the space."""
        return self._arms[name]

    def noise(self, rng: np.random.Generator) -> Array:
        """Draw (2, n_epochs): what a seed adds to the means."""
        return np.reshape(self._deviations[rng.integers(len(self._deviations))], (2, self.n_epochs))


def _trees() -> ExtraTreesRegressor:
    # Bootstrapped, with leaves of three: a tree that knew every trial would take its noise for the policy's own.
    return ExtraTreesRegressor(n_estimators=200, min_samples_leaf=3, max_features=0.7, bootstrap=True, random_state=0)


@dataclass(frozen=True)
class Levelled:
    """Full trainings, without what a seed does to all policies alike.

    Args:
        trained: in the order of their policies.
        curves: (N, 2 n_epochs) accuracy, then log-loss.
    """

    trained: tuple[Trained, ...]
    curves: Array

    @classmethod
    def of(cls, bank: Bank) -> Levelled:
        """Take the mean difference to seed 0, over the policies that were trained from both, off the other seeds."""
        trained = [one for job, one in sorted(bank.trials.items()) if job.is_full and one.top1]
        curves = np.array([[*one.top1, *one.logloss] for one in trained])
        at = {(one.job.policy, one.job.seed): i for i, one in enumerate(trained)}
        for seed in {seed for _, seed in at} - {0}:
            both = [policy for policy, other in at if other == seed and (policy, 0) in at]
            effect = np.mean([curves[at[policy, seed]] - curves[at[policy, 0]] for policy in both], axis=0)
            curves[[one.job.seed == seed for one in trained]] -= effect
        return cls(tuple(trained), curves)

    def inside(self) -> list[int]:
        """Return which of them are in the search space."""
        return [i for i, one in enumerate(self.trained) if one.params]

    def deviations(self) -> Array:
        """Return (M, 2 n_epochs): what each replicated training deviates from its policy's mean.

        The means of the n seeds of a policy, and of the m policies of a seed, have a part of each training's noise in
        them; the factors give back the variance that this takes away.
        """
        policies = np.array([one.job.policy for one in self.trained])
        groups = [self.curves[policies == policy] for policy in np.unique(policies)]
        several = [group for group in groups if len(group) > 1]
        left = (len(several) - 1) / len(several)
        return np.concatenate([(g - g.mean(axis=0)) / math.sqrt(left * (len(g) - 1) / len(g)) for g in several])


@dataclass(frozen=True)
class Quality:
    """How far a surrogate can be believed, on policies that it has not seen.

    Args:
        n: policies in the space.
        noise: standard deviation of the final accuracy over seeds, without what a seed does to all policies alike:
            nothing can predict a training better than that.
        rmse: of the predicted final accuracy.
        spread: standard deviation of the final accuracy over policies.
        rank: Spearman's correlation of predicted and trained.
        rank_within: likewise within methods, averaged by their number of policies.
        rank_logloss: likewise over all, of the log-loss.
    """

    n: int
    noise: float
    rmse: float
    spread: float
    rank: float
    rank_within: float
    rank_logloss: float

    @property
    def model_error(self) -> float:
        """The part of the error that is not noise of the training it is compared with."""
        return math.sqrt(max(0.0, self.rmse**2 - self.noise**2))


def quality_of(bank: Bank) -> Quality:
    """Predict every policy from the others, ten folds."""
    encoder, known = Encoder(bank.header.compose().parameters), Levelled.of(bank)
    inside = known.inside()
    trained, y = [known.trained[i] for i in inside], known.curves[inside]
    x = np.array([encoder.encode(one.params) for one in trained])
    guessed = np.zeros_like(y)
    for train, test in GroupKFold(_FOLDS).split(x, groups=[one.job.policy for one in trained]):
        guessed[test] = _trees().fit(x[train], y[train]).predict(x[test])
    last, n_epochs = bank.header.n_epochs - 1, bank.header.n_epochs
    first = [i for i, one in enumerate(trained) if one.job.seed == 0]
    truth, guess = y[first, last], guessed[first, last]
    methods = np.array([str(trained[i].params["mixer"]) for i in first])
    return Quality(
        n=len(first),
        noise=float(np.sqrt(np.mean(known.deviations()[:, last] ** 2))),
        rmse=float(np.sqrt(np.mean((truth - guess) ** 2))),
        spread=float(truth.std()),
        rank=_rank(truth, guess),
        rank_within=_rank_within(truth, guess, methods),
        rank_logloss=_rank(y[first, last + n_epochs], guessed[first, last + n_epochs]),
    )


def _rank(a: Array, b: Array) -> float:
    return float(spearmanr(a, b).statistic)


def _rank_within(truth: Array, guess: Array, methods: NDArray[np.str_]) -> float:
    groups = [np.flatnonzero(methods == name) for name in np.unique(methods)]
    groups = [rows for rows in groups if len(rows) >= _FEWEST_OF_A_METHOD]
    ranks = [_rank(truth[rows], guess[rows]) for rows in groups]
    return float(np.average(ranks, weights=[len(rows) for rows in groups]))


def main() -> None:
    """Print a row per data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    print(
        "| data | policies | spread | noise of a seed | error, held out | of it not noise | rank | within | log-loss |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for path in sorted(parser.parse_args().data.glob("*.jsonl.gz")):
        bank = Bank.read(path)
        q = quality_of(bank)
        points = " | ".join(f"{100 * value:.2f}" for value in (q.spread, q.noise, q.rmse, q.model_error))
        ranks = f"{q.rank:.2f} | {q.rank_within:.2f} | {q.rank_logloss:.2f}"
        print(f"| {bank.header.name} | {q.n} | {points} | {ranks} |")


if __name__ == "__main__":
    main()
