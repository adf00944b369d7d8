"""When to end a trial early: late, and only where it is worse than most in accuracy and in log-loss.

Early accuracy is biased against mixing, which learns more slowly and wins at the end, while log-loss shows a mixing
policy's advantage earlier. So nothing is pruned before half of the epochs, and a policy that leads in either measure
lives on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from automix.tracking.keys import VAL_LOGLOSS, VAL_TOP1

__all__ = ["MIN_FINISHED", "Curve", "is_due", "should_prune"]

Curve = Sequence[Mapping[str, float]]
"""Metrics by name for the epochs 1, 2, ..."""

MIN_FINISHED = 5


def is_due(epoch: int, n_epochs: int) -> bool:
    """Return whether a trial is looked at after this epoch: more than half of them are done, but not all."""
    return n_epochs / 2 < epoch < n_epochs


def should_prune(curve: Curve, finished: Sequence[Curve], n_epochs: int) -> bool:
    """Return whether a trial should end after its last epoch.

    Args:
        curve: of the trial, up to now.
        finished: curves of the trials that trained to the end.
        n_epochs: how many epochs a whole trial has.

    Returns:
        True where the epoch is due, at least five trials have finished, and both top-1 and log-loss are worse than the
        median of theirs at the same epoch.
    """
    epoch = len(curve)
    peers = [other[epoch - 1] for other in finished if len(other) >= epoch]
    if not is_due(epoch, n_epochs) or len(peers) < MIN_FINISHED:
        return False
    now = curve[-1]
    behind = now[VAL_TOP1] < median(peer[VAL_TOP1] for peer in peers)
    return behind and _logloss(now) > median(_logloss(peer) for peer in peers)


def _logloss(metrics: Mapping[str, float]) -> float:
    """Return the log-loss; a diverged one counts as infinite, since NaN compares as nothing."""
    value = metrics[VAL_LOGLOSS]
    return math.inf if math.isnan(value) else value
