from __future__ import annotations

import math

import pytest

from automix.errors import UnknownNameError
from automix.goal import ACCURACY, GOALS, goal_of

CURVE = [
    {"val/top1": 0.2, "cost/img_s": 10.0},
    {"val/top1": 0.5, "cost/img_s": 90.0},
    {"val/top1": 0.4, "cost/img_s": 50.0},
]


def test_the_last_epoch_counts_and_for_speed_the_median_of_all() -> None:
    assert ACCURACY.value(CURVE) == 0.4
    assert GOALS["images_per_s"].value(CURVE) == 50.0
    assert math.isnan(GOALS["log_loss"].value(CURVE))
    assert math.isnan(ACCURACY.value([]))


@pytest.mark.parametrize("goal", GOALS.values(), ids=lambda goal: goal.name)
def test_better_goes_the_goals_way_and_nan_is_worse_than_everything(goal) -> None:
    high, low = (0.8, 0.2) if goal.maximize else (0.2, 0.8)
    assert goal.better(high, low)
    assert not goal.better(low, high)
    assert not goal.better(high, high)
    assert goal.better(low, math.nan)
    assert not goal.better(math.nan, low)
    assert goal.gain(high - low) > 0
    assert goal_of(goal.name) == goal


def test_a_metric_of_a_plugin_is_a_goal_by_name_in_the_direction_that_it_declares() -> None:
    def brier(probs: object, labels: object) -> float:
        return 0.0

    brier.maximize = False  # type: ignore[attr-defined]
    found = goal_of("brier", {"brier": brier})
    assert (found.metric, found.key, found.maximize) == ("val/brier", "brier", False)
    assert goal_of(found.name) == found
    assert goal_of("hits", {"hits": lambda probs, labels: 1.0}).maximize


@pytest.mark.parametrize("name", ["acuracy", "", "min:", "up:top1", "brier"])
def test_an_unknown_goal_is_named_with_those_that_are_known(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"--goal.*balanced_accuracy"):
        goal_of(name)


def test_values_and_differences_are_said_in_the_goals_unit() -> None:
    assert GOALS["calibration"].text(0.0512) == "5.12 %"
    assert GOALS["calibration"].text(0.0512, with_unit=False) == "5.12"
    assert GOALS["calibration"].change(-0.0112) == "-1.12 points"
    assert goal_of("min:brier").change(0.1) == "+0.1000"
    assert GOALS["log_loss"].change(0.25, signed=False, with_unit=False) == "0.2500"
