"""The ranking of a study's slots by what they reached of its goal on the validation images, in their last epoch.

The last epoch, not the best one: the schedules end at a learning rate of zero, so it is the trained model, and the best
of many epochs flatters whoever jumps about most.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from automix.goal import ACCURACY, GOALS, Goal
from automix.search.ledger import SlotRecord, SlotState
from automix.tracking.keys import COST_CPU_S, VAL_LOGLOSS

__all__ = ["NO_MIXING", "LeaderboardRow", "leaderboard", "reference_of"]

NO_MIXING = "none"
"""Name of the reference arm that does not mix."""

_ORDER = {SlotState.COMPLETE: 0, SlotState.PRUNED: 1, SlotState.RUNNING: 2, SlotState.LOST: 2, SlotState.FAILED: 3}


@dataclass(frozen=True, kw_only=True)
class LeaderboardRow:
    """One slot.

    Attributes:
        rank: from 1 among the slots that trained to the end; None for others.
        slot: its number.
        title: its policy in a few words.
        policy_key: equal for equal policies.
        arm: name of the reference arm; empty where the sampler proposed it.
        state: "complete", "pruned", "running", "failed" ...
        epochs: finished.
        metrics: of the last finished epoch.
        value: of the goal; None before the first epoch.
        delta: value minus that of no mixing at the same epoch; None where one of the two is missing.
        delta_top1: validation top-1 minus that of no mixing; None where one of the two is missing.
        delta_logloss: likewise; below zero is better.
        images_per_s: of the training part, over the epochs.
        overhead: processor time of the quickest epoch over that of no mixing, minus one; unlike the time on the clock
            it hardly depends on what else the machine does.
        copied_from: slot with an equal policy, whose result this is.
        error: what it raised.
        origin: study and slot that the result was taken over from; empty where this study has trained it.
    """

    rank: int | None
    slot: int
    title: str
    policy_key: str
    arm: str
    state: str
    epochs: int
    metrics: Mapping[str, float]
    value: float | None = None
    delta: float | None = None
    delta_top1: float | None = None
    delta_logloss: float | None = None
    images_per_s: float | None = None
    overhead: float | None = None
    copied_from: int | None = None
    error: str = ""
    origin: str = ""


def leaderboard(slots: Iterable[SlotRecord], goal: Goal = ACCURACY) -> list[LeaderboardRow]:
    """Rank slots: those that trained to the end by the goal, then log-loss, then number; the others after them."""
    ordered = sorted(slots, key=lambda slot: _sort_key(slot, goal))
    reference = reference_of(ordered)
    rows = []
    for position, slot in enumerate(ordered, start=1):
        rows.append(_row(slot, reference, goal, position if slot.state is SlotState.COMPLETE else None))
    return rows


def reference_of(slots: Iterable[SlotRecord]) -> SlotRecord | None:
    """Return the slot of the no-mixing arm, if it trained to the end."""
    return next((s for s in slots if s.proposal.arm == NO_MIXING and s.state is SlotState.COMPLETE), None)


def _sort_key(slot: SlotRecord, goal: Goal) -> tuple[float, float, float, int]:
    logloss = slot.metrics.get(VAL_LOGLOSS, math.inf)
    # A diverged log-loss is NaN, which would upset the sort.
    tie = math.inf if math.isnan(logloss) else logloss
    return _ORDER[slot.state], -goal.sort_key(goal.value(slot.curve)), tie, slot.slot


def _row(slot: SlotRecord, reference: SlotRecord | None, goal: Goal, rank: int | None) -> LeaderboardRow:
    own_s, none_s = _quickest(slot), None if reference is None else _quickest(reference)
    return LeaderboardRow(
        rank=rank,
        slot=slot.slot,
        title=slot.proposal.title,
        policy_key=slot.proposal.key,
        arm=slot.proposal.arm,
        state=slot.state.value,
        epochs=len(slot.curve),
        metrics=slot.metrics,
        value=_value(slot, goal),
        delta=_delta(slot, reference, goal),
        delta_top1=_delta(slot, reference, ACCURACY),
        delta_logloss=_delta(slot, reference, GOALS["log_loss"]),
        images_per_s=_value(slot, GOALS["images_per_s"]),
        overhead=own_s / none_s - 1 if own_s and none_s else None,
        copied_from=slot.copied_from,
        error=slot.error,
        origin=slot.origin,
    )


def _value(slot: SlotRecord, goal: Goal) -> float | None:
    return goal.value(slot.curve) if slot.curve else None


def _delta(slot: SlotRecord, reference: SlotRecord | None, goal: Goal) -> float | None:
    """Subtract the reference's value at the same epoch, so that a pruned slot is compared fairly."""
    n = len(slot.curve)
    if reference is None or not n or len(reference.curve) < n:
        return None
    return goal.value(slot.curve) - goal.value(reference.curve[:n])


def _quickest(slot: SlotRecord) -> float | None:
    return min((row[COST_CPU_S] for row in slot.curve), default=None)
