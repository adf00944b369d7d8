"""When to end a trial early: late, seldom, and by its own kind.

A trial is looked at twice, after a half and after three quarters of its epochs. It ends where it is behind the median
in everything that counts: the study's goal and, where that is about quality, accuracy and log-loss too. Early accuracy
is biased against mixing, which learns more slowly and wins at the end, while log-loss shows its advantage earlier.

The median is that of trials of the same kind (mixing, or not) which got as far, pruned ones included: survivors alone
would be a better and better crowd, and prune nearly all who come late. As long as it is not known which kind wins in
this regime (this data, this many epochs), the two are not compared early, so neither can be removed by the other. It is
known once four trials of each kind were trained to the end and all of one kind are better than all of the other: by
chance, that happens in 2 of 70 cases. From then on the losing kind is held against everybody.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from automix.goal import ACCURACY, Goal, measures_of

__all__ = ["MIN_FINISHED", "MIN_KNOWN", "Curve", "Peer", "is_due", "losing_kind", "should_prune"]

Curve = Sequence[Mapping[str, float]]
"""Metrics by name for the epochs 1, 2, ..."""

MIN_FINISHED = 5
"""Finished trials of a kind before one of that kind may be pruned."""
MIN_KNOWN = 4
"""Finished trials of each kind before it can be known which kind wins."""

_RUNGS = (0.5, 0.75)


@dataclass(frozen=True)
class Peer:
    """Another trial of the study.

    Attributes:
        curve: all of its epochs.
        is_mixing: whether its policy mixes.
        is_finished: whether it was trained to the end.
    """

    curve: Curve
    is_mixing: bool
    is_finished: bool = True


def is_due(epoch: int, n_epochs: int) -> bool:
    """Return whether a trial is looked at after this epoch.

    Example:
        >>> [epoch for epoch in range(1, 21) if is_due(epoch, 20)]
        [10, 15]
    """
    return epoch < n_epochs and epoch in {math.ceil(rung * n_epochs) for rung in _RUNGS}


def should_prune(curve: Curve, peers: Sequence[Peer], n_epochs: int, *, is_mixing: bool, goal: Goal = ACCURACY) -> bool:
    """Return whether a trial should end after its last epoch.

    Args:
        curve: of the trial, up to now.
        peers: trials that were trained to the end or pruned.
        n_epochs: how many epochs a whole trial has.
        is_mixing: whether the trial's policy mixes.
        goal: of the study.
    """
    epoch = len(curve)
    if not is_due(epoch, n_epochs):
        return False
    if losing_kind(peers, goal) is not is_mixing:
        peers = [peer for peer in peers if peer.is_mixing is is_mixing]
    if sum(peer.is_finished for peer in peers) < MIN_FINISHED:
        return False
    there = [peer.curve[:epoch] for peer in peers if len(peer.curve) >= epoch]
    return all(_is_behind(curve, there, measure) for measure in measures_of(goal))


def losing_kind(peers: Sequence[Peer], goal: Goal) -> bool | None:
    """Return which kind loses in this regime: True for mixing, False for no mixing, None while it is not known."""
    ends: dict[bool, list[float]] = {True: [], False: []}
    for peer in peers:
        if peer.is_finished:
            ends[peer.is_mixing].append(goal.sort_key(goal.value(peer.curve)))
    if min(len(values) for values in ends.values()) < MIN_KNOWN:
        return None
    return next((kind for kind in ends if max(ends[kind]) < min(ends[not kind])), None)


def _is_behind(curve: Curve, others: Sequence[Curve], measure: Goal) -> bool:
    own = measure.sort_key(measure.value(curve))
    return own < median(measure.sort_key(measure.value(other)) for other in others)
