from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from automix.goal import ACCURACY, GOALS
from automix.search.importance import importance
from automix.search.ledger import Proposal, SlotRecord, SlotState

METHODS = ("none", "mixup", "cutmix", "fmix")


def slots(n: int, value: Callable[[str, float], float], seed: int = 0) -> tuple[list[SlotRecord], dict[int, str]]:
    """Trials of a random search; their value follows from method and probability."""
    draw = np.random.default_rng(seed)
    found, methods = [], {}
    for number in range(n):
        method = METHODS[draw.integers(len(METHODS))]
        prob = float(draw.random())
        params: dict[str, object] = {"mixer": method}
        distributions: dict[str, BaseDistribution] = {"mixer": CategoricalDistribution(METHODS)}
        if method != "none":
            params |= {f"prob.{method}": prob, f"other.{method}": float(draw.random())}
            distributions |= {name: FloatDistribution(0, 1) for name in params if name != "mixer"}
        proposal = Proposal(policy={}, key=str(number), title=method, params=params, distributions=distributions)
        curve = ({"val/top1": value(method, prob), "val/logloss": -value(method, prob)},)
        state = SlotState.COMPLETE
        found.append(SlotRecord(slot=number, trial=number, proposal=proposal, state=state, curve=curve))
        methods[number] = method
    return found, methods


def noise(seed: int) -> Callable[[str, float], float]:
    draw = np.random.default_rng(100 + seed)
    return lambda method, prob: float(draw.normal())


def test_method_that_decides_everything_has_the_whole_spread() -> None:
    found = importance(*slots(40, lambda method, prob: METHODS.index(method)), ACCURACY)
    assert found is not None
    assert found.method.share == pytest.approx(1.0)
    assert found.method.chance < 0.4
    assert found.leader == "fmix"


def test_noise_is_seldom_taken_for_an_effect_of_the_method() -> None:
    told = 0
    for seed in range(20):
        found = importance(*slots(30, noise(seed), seed), ACCURACY)
        assert found is not None
        told += found.method.share > found.method.chance
    assert told <= 4  # 1 is expected; more than 4 of 20 happens once in 400


def test_setting_that_matters_within_the_leaders_method_comes_first() -> None:
    found = importance(*slots(120, lambda method, prob: prob + (method == "cutmix")), ACCURACY)
    assert found is not None
    assert found.leader == "cutmix"
    first, second = found.settings
    assert (first.name, second.name) == ("prob.cutmix", "other.cutmix")
    assert first.share > first.chance
    assert first.share + second.share == pytest.approx(1.0)
    assert found.caveat == ""


def test_goal_that_is_minimised_gives_the_same() -> None:
    trials = slots(40, lambda method, prob: METHODS.index(method) + prob)
    assert importance(*trials, ACCURACY) == importance(*trials, GOALS["log_loss"])


def test_few_trials_are_told_and_fewer_are_not_judged() -> None:
    found = importance(*slots(10, noise(1)), ACCURACY)
    assert found is not None
    assert "With 10 trials none of this is reliable" in found.caveat
    assert importance(*slots(4, noise(1)), ACCURACY) is None
    within = importance(*slots(24, noise(1)), ACCURACY)
    assert within is not None
    assert f"there are {within.n_leader} trials, too few" in within.caveat


def test_trials_that_did_not_finish_and_equal_results_do_no_harm() -> None:
    trials, methods = slots(20, lambda method, prob: 0.5)
    assert importance(trials, methods, ACCURACY).method.share == 0.0  # type: ignore[union-attr]  # there are 20
    diverged = [SlotRecord(slot=99, trial=99, proposal=trials[0].proposal, state=SlotState.FAILED)]
    assert importance(diverged, {99: "none"}, ACCURACY) is None
