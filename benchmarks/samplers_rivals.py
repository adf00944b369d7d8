"""Other ways to propose policies, for `samplers.py` to compare with that of `automix search`."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from automix.mixing.random import seed_of
from automix.search.ledger import Proposal, quiet_optuna
from automix.spaces import Space

__all__ = ["Bandit", "Chance", "Tpe", "thompson"]

_TRIES = 8
_STARTUP = 12


class _Asker(ABC):
    """Asks a sampler of Optuna on a study in memory that is kept up to date."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed
        with quiet_optuna():
            self._study = optuna.create_study(direction="maximize")
        self._n_told = 0

    def propose(self, history: Sequence[FrozenTrial], slot: int, known_keys: Collection[str] = ()) -> Proposal:
        """Ask until a policy comes out that is not known, eight times at most."""
        self._study.add_trials(history[self._n_told :])
        self._n_told = len(history)
        for attempt in range(_TRIES):
            self._study.sampler = self._sampler(history, seed_of(self._seed, slot, attempt) % 2**32)
            trial = self._study.ask()
            document = self._space.suggest(trial)
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)  # it was a question only
            if document.key() not in known_keys:
                break
        return Proposal(
            policy=document.to_dict(),
            key=document.key(),
            title=document.title(),
            params=trial.params,
            distributions=trial.distributions,
        )

    @abstractmethod
    def _sampler(self, history: Sequence[FrozenTrial], seed: int) -> BaseSampler:
        """Make the sampler of one proposal."""


class Chance(_Asker):
    """Draws from the whole space."""

    def _sampler(self, history: Sequence[FrozenTrial], seed: int) -> BaseSampler:
        return RandomSampler(seed=seed)


class Tpe(_Asker):
    """Optuna's tree-structured Parzen estimator.

    Args:
        space: where to look.
        seed: of the search.
        is_grouped: whether each branch of the conditional space has a group of its own.
    """

    def __init__(self, space: Space, seed: int, *, is_grouped: bool = False) -> None:
        super().__init__(space, seed)
        self._is_grouped = is_grouped

    def _sampler(self, history: Sequence[FrozenTrial], seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            # `group` has been "experimental" since 2021.
            warnings.simplefilter("ignore", ExperimentalWarning)
            return TPESampler(seed=seed, group=self._is_grouped, n_startup_trials=_STARTUP)


class Bandit(Tpe):
    """Thompson sampling over methods; TPE chooses the rest with the method given."""

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(space, seed, is_grouped=True)

    def _sampler(self, history: Sequence[FrozenTrial], seed: int) -> BaseSampler:
        pulls = [(str(one.params["mixer"]), one.value) for one in history if "mixer" in one.params and one.value]
        method = thompson(self._space.mixers, pulls, seed)
        inner = super()._sampler(history, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # since 2020
            return PartialFixedSampler({"mixer": method}, inner)


def thompson(methods: Sequence[str], pulls: Sequence[tuple[str, float]], seed: int) -> str:
    """Draw each method's mean from what is believed of it, and return the method that came out highest.

    Method means are shrunk towards the mean of all: half of the variance that was seen is taken for differences between
    methods, half for differences within.
    """
    rng = np.random.default_rng(seed)
    values = np.array([value for _, value in pulls])
    half = values.var() / 2 or 1.0
    drawn = {}
    for method in methods:
        own = [value for name, value in pulls if name == method]
        precision = (1 + len(own)) / half
        drawn[method] = (values.mean() + sum(own)) / half / precision + rng.standard_normal() / math.sqrt(precision)
    return max(methods, key=drawn.__getitem__)
