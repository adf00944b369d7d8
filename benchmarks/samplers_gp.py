"""A sampler of our own, for `samplers.py` to compare with Optuna's: a Gaussian process over what policies share.

Of many candidates that one is proposed which comes out best when the value of each is drawn from what is believed of it
(Thompson 1933): a policy is tried as often as it may be the best.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FixedTrial, FrozenTrial, TrialState
from samplers_draw import Draw
from samplers_gaussian import GaussianProcess
from samplers_traits import Traits

from automix.mixing.domains import Value
from automix.mixing.random import seed_of
from automix.policy import PolicyDocument
from automix.search.ledger import Proposal, policy_of
from automix.spaces import Space

__all__ = ["Gp"]

_POOL = 200
"""Candidates from everywhere in the space."""
_NEAR, _PARENTS = 40, 4
"""Candidates that are variations of the best tried policies, and of how many of these."""
_TRIES = 8
"""A policy that was tried already costs a slot and teaches nothing, so chance is asked again a few times."""
_FAR = 2.0
"""How far below the typical value the lowest may count, in units of how far the best is above."""
Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class _Candidate:
    document: PolicyDocument
    params: Mapping[str, Value]


class Gp:
    """Proposes policies for the slots of one study.

    Args:
        space: where to look.
        seed: of the study. Every slot draws from a stream of its own, or two workers would propose the same.
        n_startup_trials: before so many trials have finished, proposals are random.
    """

    def __init__(self, space: Space, seed: int, *, n_startup_trials: int) -> None:
        self._space = space
        self._seed = seed
        self._n_startup_trials = max(2, n_startup_trials)
        self._known: dict[int, Array] = {}

    def propose(self, history: Sequence[FrozenTrial], slot: int, known_keys: Collection[str] = ()) -> Proposal:
        """Choose the policy of a slot.

        Args:
            history: the study's trials, running ones included.
            slot: which one.
            known_keys: keys of policies that have a slot already; avoided, where there is another one.
        """
        rng = np.random.default_rng(seed_of(self._seed, slot))
        finished = [trial for trial in history if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
        if len(finished) < self._n_startup_trials:
            candidates = [self._draw(rng) for _ in range(_TRIES)]
        else:
            running = [trial for trial in history if trial.state is TrialState.RUNNING]
            candidates = self._by_promise(finished, running, rng)
        new = (one for one in candidates if one.document.key() not in known_keys)
        trial = FixedTrial(dict(next(new, candidates[0]).params))
        document = self._space.suggest(trial)
        return Proposal(
            policy=document.to_dict(),
            key=document.key(),
            title=document.title(),
            params=trial.params,
            distributions=trial.distributions,
        )

    def _by_promise(
        self, finished: Sequence[FrozenTrial], running: Sequence[FrozenTrial], rng: np.random.Generator
    ) -> list[_Candidate]:
        """Return candidates, the most promising first."""
        x, y = self._seen(finished), _values(finished)
        if running:
            # As if they came out as expected, so that two workers do not try the same.
            away = self._seen(running)
            x, y = np.concatenate([x, away]), np.concatenate([y, GaussianProcess(x, y).predict(away)[0]])
        process = GaussianProcess(x, y)
        expected, _ = process.predict(x)
        parents = [finished[i].params for i in np.argsort(-expected[: len(finished)], kind="stable")]
        parents = [params for params in parents if params][:_PARENTS]
        near = [self._draw(rng, params) for params in parents for _ in range(_NEAR // len(parents))]
        candidates = [*self._pool, *near]
        near_x = self._traits.of([one.document for one in near])
        mean, deviation = process.predict(np.concatenate([self._pool_x, near_x]))
        drawn = rng.normal(mean, deviation)
        return [candidates[i] for i in np.argsort(-drawn, kind="stable")]

    def _draw(self, rng: np.random.Generator, near: Mapping[str, Value] | None = None) -> _Candidate:
        trial = Draw(rng, near)
        return _Candidate(self._space.suggest(trial), trial.params)

    @cached_property
    def _pool(self) -> list[_Candidate]:
        rng = np.random.default_rng(seed_of(self._seed, "pool"))
        return [self._draw(rng) for _ in range(_POOL)]

    @cached_property
    def _traits(self) -> Traits:
        return Traits([one.document for one in self._pool])

    @cached_property
    def _pool_x(self) -> Array:
        return self._traits.of([one.document for one in self._pool])

    def _seen(self, trials: Sequence[FrozenTrial]) -> Array:
        for trial in trials:
            if trial.number not in self._known:
                document = PolicyDocument.from_dict(policy_of(trial))
                self._known[trial.number] = self._traits.of([document])[0]
        return np.array([self._known[trial.number] for trial in trials])


def _values(finished: Sequence[FrozenTrial]) -> Array:
    """Return what each trial came to, or would have come to.

    A pruned one is as far behind the average as it was when it ended. What lies far below the others counts as not so
    far: that a policy ruins the training says little about how good ones differ.
    """
    complete = [trial for trial in finished if trial.value is not None]
    values = np.array([trial.value if trial.value is not None else _prospect(trial, complete) for trial in finished])
    typical, best = np.median(values), values.max()
    return np.asarray(np.maximum(values, typical - _FAR * (best - typical)))


def _prospect(trial: FrozenTrial, complete: Sequence[FrozenTrial]) -> float:
    epoch, value = max(trial.intermediate_values.items())
    peers = [one for one in complete if epoch in one.intermediate_values]
    ahead = [float(one.value or 0.0) - one.intermediate_values[epoch] for one in peers]
    return value + (fmean(ahead) if ahead else 0.0)
