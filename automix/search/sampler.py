"""What to try next: reference arms by their slot, then Optuna's TPE over the conditional space.

A proposal is thought out on a copy of the study in memory and only then written, in one transaction (`Ledger.open`).
So a kill at any moment leaves no half-asked trial behind, and the same slot gets the same proposal from the same
history again.

TPE is taken as it comes: docs/search-benchmark.md compares it with chance, with groups for the branches of the space
(three times as slow and no better), with a bandit over methods and with a Gaussian process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import optuna
from optuna.samplers import TPESampler
from optuna.trial import BaseTrial, FixedTrial, FrozenTrial

from automix.errors import SpaceError
from automix.search.ledger import Proposal, quiet_optuna

if TYPE_CHECKING:
    from automix.mixing.domains import Value
    from automix.policy import PolicyDocument

__all__ = ["SearchSpace", "arm_proposal", "sampled_proposal"]

# A policy that was tried already costs a slot and teaches nothing, so the sampler is asked again a few times.
_TRIES = 8
_NUMPY_SEED_BYTES = 4


class SearchSpace(Protocol):
    """What is needed of `automix.spaces.Space`."""

    def suggest(self, trial: BaseTrial) -> PolicyDocument:
        """Ask ``trial`` for every parameter and return the policy they make."""

    def encode(self, document: PolicyDocument) -> Mapping[str, Value]:
        """Return the parameters that make ``document``; raise SpaceError where none do."""

    def normal(self, document: PolicyDocument) -> PolicyDocument:
        """Write out every slot and parameter, so that equal policies have equal keys."""


def arm_proposal(name: str, document: PolicyDocument, space: SearchSpace) -> Proposal:
    """Return a reference arm as a proposal, with parameters where the space holds it, so that TPE learns from it."""
    whole = space.normal(document)
    try:
        trial = FixedTrial(dict(space.encode(document)))
        is_same = space.suggest(trial).key() == whole.key()
    except SpaceError:
        return _proposal(whole, arm=name)
    return _proposal(whole, arm=name, trial=trial if is_same else None)


def sampled_proposal(
    history: Sequence[FrozenTrial],
    space: SearchSpace,
    *,
    seed: int,
    slot: int,
    n_startup_trials: int,
    known_keys: Collection[str] = (),
) -> Proposal:
    """Ask TPE for the policy of a slot.

    Args:
        history: the study's trials, running ones included.
        space: where to look.
        seed: of the study. Every slot has a sampler seed of its own, or two workers would propose the same.
        slot: which one.
        n_startup_trials: before so many trials have finished, proposals are random.
        known_keys: keys of policies that have a slot already; avoided, where the sampler finds another one.
    """
    with quiet_optuna():
        study = optuna.create_study(direction="maximize")
    study.add_trials(history)
    for attempt in range(_TRIES):
        study.sampler = TPESampler(seed=_seed_of(seed, slot, attempt), n_startup_trials=n_startup_trials)
        trial = study.ask()
        proposal = _proposal(space.suggest(trial), trial=trial)
        if proposal.key not in known_keys:
            break
    return proposal


def _seed_of(*key: int) -> int:
    digest = hashlib.blake2b(repr(key).encode(), digest_size=_NUMPY_SEED_BYTES).digest()
    return int.from_bytes(digest, "little")


def _proposal(document: PolicyDocument, *, arm: str = "", trial: BaseTrial | None = None) -> Proposal:
    return Proposal(
        policy=document.to_dict(),
        key=document.key(),
        title=document.title(),
        arm=arm,
        params={} if trial is None else trial.params,
        distributions={} if trial is None else trial.distributions,
    )
