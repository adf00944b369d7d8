"""The trials that nobody beats in two goals at once, such as accuracy and log-loss, or accuracy and speed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from automix.goal import Goal
from automix.search.ledger import SlotRecord, SlotState

__all__ = ["ParetoPoint", "pareto_front", "pareto_points"]


@dataclass(frozen=True)
class ParetoPoint:
    """One trial.

    Attributes:
        slot: its number.
        title: its policy in a few words.
        first: what it reached of the first goal.
        second: what it reached of the second one.
        is_best: whether no other trial is better in one goal and at least as good in the other.
    """

    slot: int
    title: str
    first: float
    second: float
    is_best: bool


def pareto_points(records: Iterable[SlotRecord], first: Goal, second: Goal) -> tuple[ParetoPoint, ...]:
    """Return every trial that was trained to the end and has both values, best by the first goal first.

    Results that were copied from an equal policy are left out.
    """
    found = []
    for one in records:
        values = first.value(one.curve), second.value(one.curve)
        if one.state is SlotState.COMPLETE and one.copied_from is None and not any(map(math.isnan, values)):
            found.append((one, *values))
    # In this order nobody is beaten by who comes later, so it is enough to know the best second value so far.
    found.sort(key=lambda row: (-first.sort_key(row[1]), -second.sort_key(row[2]), row[0].slot))
    points: list[ParetoPoint] = []
    lead, last = -math.inf, (math.nan, math.nan)
    for one, value, other in found:
        is_tie = (value, other) == last
        is_best = second.sort_key(other) > lead or (is_tie and points[-1].is_best)
        points.append(ParetoPoint(one.slot, one.proposal.title, value, other, is_best))
        lead, last = max(lead, second.sort_key(other)), (value, other)
    return tuple(points)


def pareto_front(records: Iterable[SlotRecord], first: Goal, second: Goal) -> tuple[ParetoPoint, ...]:
    """Return the trials that nobody beats, best by the first goal first."""
    return tuple(point for point in pareto_points(records, first, second) if point.is_best)
