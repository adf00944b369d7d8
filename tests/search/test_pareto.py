"""The front holds exactly the trials that no other one beats."""

from __future__ import annotations

import random

import pytest

from automix.goal import ACCURACY, GOALS
from automix.search.ledger import Proposal, SlotRecord, SlotState
from automix.search.pareto import pareto_front, pareto_points

LOSS, SPEED = GOALS["log_loss"], GOALS["images_per_s"]


def record(slot: int, top1: float, loss: float, state: SlotState = SlotState.COMPLETE, **more) -> SlotRecord:
    proposal = Proposal(policy={}, key=f"k{slot}", title=f"policy {slot}")
    curve = ({"val/top1": top1, "val/logloss": loss},)
    return SlotRecord(slot=slot, trial=slot, proposal=proposal, state=state, curve=curve, **more)


@pytest.mark.parametrize("seed", range(20))
def test_front_is_that_of_comparing_everybody_with_everybody(seed: int) -> None:
    draw = random.Random(seed)
    slots = [record(i, draw.randrange(6) / 10, draw.randrange(6) / 10) for i in range(25)]
    values = {one.slot: (one.metrics["val/top1"], -one.metrics["val/logloss"]) for one in slots}

    def is_beaten(slot: int) -> bool:
        own = values[slot]
        return any(other != own and other[0] >= own[0] and other[1] >= own[1] for other in values.values())

    expected = {slot for slot in values if not is_beaten(slot)}
    assert {point.slot for point in pareto_front(slots, ACCURACY, LOSS)} == expected
    assert {point.slot for point in pareto_front(slots, LOSS, ACCURACY)} == expected


def test_only_trials_that_ended_with_both_values_take_part() -> None:
    slots = [
        record(0, 0.5, 0.5),
        record(1, 0.9, 0.1, SlotState.PRUNED),
        record(2, 0.9, float("nan")),
        record(3, 0.9, 0.1, copied_from=0),
        record(4, 0.4, 0.6),
    ]
    assert [(point.slot, point.is_best) for point in pareto_points(slots, ACCURACY, LOSS)] == [(0, True), (4, False)]
    assert pareto_points(slots, ACCURACY, SPEED) == ()
