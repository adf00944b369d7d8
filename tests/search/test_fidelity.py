"""A trial gets its share along one axis and nothing else changes; correlations are those of the ranks."""

from __future__ import annotations

import random

import numpy as np
import pytest
from scipy import stats

from automix.errors import SettingError
from automix.goal import ACCURACY, GOALS
from automix.manager import PluginHost, build_host
from automix.search.fidelity import FULL, Fidelity, budget_warnings, full_correlation, rung_correlations
from automix.search.ledger import Proposal, SlotRecord, SlotState
from automix.search.ranks import rank_correlation
from automix.training.settings import TrainSettings


@pytest.fixture
def host() -> PluginHost:
    """Plugins as they are, and not the fakes of this folder."""
    return build_host()


@pytest.mark.parametrize("text", ["full", "epochs:0.5", "images:0.25"])
def test_fidelity_is_written_as_it_is_read(text: str) -> None:
    assert str(Fidelity.parse(text)) == text
    assert Fidelity.parse(text).is_full == (text == "full")


@pytest.mark.parametrize("text", ["", "half", "images", "images:", "images:0", "images:2", "epochs:nan", "pixels:0.5"])
def test_what_is_no_fidelity_is_refused_with_those_that_are(text: str) -> None:
    with pytest.raises(SettingError, match=r"such as full, epochs:0\.5 or images:0\.25.*--fidelity"):
        Fidelity.parse(text)


def test_fewer_epochs_keep_all_images_and_fewer_images_keep_all_epochs(make_plan) -> None:
    data, full = make_plan().data, TrainSettings(epochs=40, batch_size=64)
    short, few = Fidelity("epochs", 0.25), Fidelity("images", 0.25)
    assert short.data(data, 0) is data
    assert (short.settings(full, 100).epochs, few.settings(full, 25).epochs) == (10, 40)
    assert short.settings(full, 300).batch_size == 64
    assert few.settings(full, 25).batch_size == 6
    assert FULL.settings(full, 300) == full
    assert Fidelity("epochs", 0.01).epochs(40) == 1


def test_shares_of_the_images_are_nested_stratified_and_leave_the_other_splits(make_plan) -> None:
    data = make_plan(limit=200).data
    whole = data.splits["train"]
    shares = [Fidelity("images", share).data(data, seed=3) for share in (0.25, 0.5, 1.0)]
    quarter, half, full = (set(one.splits["train"].index.tolist()) for one in shares)
    assert quarter < half < full == set(whole.index.tolist())
    assert (len(quarter), len(half)) == (50, 100)
    counts = np.bincount(shares[1].splits["train"].labels, minlength=10)
    assert np.abs(counts - np.bincount(whole.labels, minlength=10) / 2).max() <= 1
    assert shares[0].splits["val"] is data.splits["val"]
    again = Fidelity("images", 0.25).data(data, seed=3)
    assert np.array_equal(again.splits["train"].images, shares[0].splits["train"].images)


@pytest.mark.parametrize(
    ("fidelity", "epochs", "final", "words"),
    [
        ("full", 60, None, []),
        ("full", 20, None, ["Trials of 20 epochs are short"]),
        ("epochs:0.25", 200, None, ["A trial makes 50 passes", "biased against"]),
        ("images:0.25", 60, None, ["25 % of the training images", "biased towards"]),
        ("images:0.5", 60, None, []),
        ("full", 40, 300, ["A trial makes 40 passes", "The verdict speaks of 40 epochs, not of 300"]),
        ("full", 60, 100, []),
    ],
)
def test_budget_that_is_far_from_the_final_one_warns_with_the_reason(fidelity, epochs, final, words) -> None:
    text = " ".join(budget_warnings(Fidelity.parse(fidelity), epochs, final))
    assert all(word in text for word in words)
    assert bool(text) == bool(words)


@pytest.mark.parametrize("seed", range(5))
def test_rank_correlation_is_that_of_scipy_with_ties(seed: int) -> None:
    generator = np.random.default_rng(seed)
    ours, theirs = generator.integers(0, 6, 20), generator.normal(size=20)
    found = rank_correlation(ours.tolist(), theirs.tolist())
    assert found is not None
    assert found.spearman == pytest.approx(stats.spearmanr(ours, theirs).statistic)
    assert -1 <= found.low < found.spearman < found.high <= 1


def test_interval_of_a_correlation_holds_the_truth_in_about_95_of_100_cases() -> None:
    generator, truth = np.random.default_rng(1), 0.6
    rho_s = 6 / np.pi * np.arcsin(truth / 2)  # of a normal pair with this correlation
    found = []
    for _ in range(1000):
        x, noise = generator.normal(size=(2, 25))
        one = rank_correlation(x.tolist(), (truth * x + (1 - truth**2) ** 0.5 * noise).tolist())
        assert one is not None
        found.append(one.low <= rho_s <= one.high)
    assert 0.92 < np.mean(found) < 0.98


def test_few_or_tied_values_tell_nothing() -> None:
    assert rank_correlation([1, 2, 3, 4], [1, 2, 3, 4]) is None
    assert rank_correlation([1] * 9, list(range(9))) is None
    assert rank_correlation([], []) is None


def record(slot: int, top1: list[float], state: SlotState = SlotState.COMPLETE, **more) -> SlotRecord:
    curve = tuple({"val/top1": value, "val/logloss": 2 - value} for value in top1)
    proposal = Proposal(policy={}, key=f"k{slot}", title="")
    return SlotRecord(slot=slot, trial=slot, proposal=proposal, state=state, curve=curve, **more)


def test_rungs_are_compared_with_the_end_over_trials_that_got_there() -> None:
    noise = random.Random(0)
    quality = [noise.random() for _ in range(12)]
    slots = [record(i, [noise.random(), q + 0.1 * noise.random(), q]) for i, q in enumerate(quality)]
    others = [record(90, [0.9, 0.9], SlotState.PRUNED), record(91, [0.0, 9.0, 9.0], copied_from=1)]
    found = rung_correlations([*slots, *others], ACCURACY, 3)
    assert [(one.epoch, one.metric, one.n) for one in found] == [
        (epoch, metric, 12) for metric in ("val/top1", "val/logloss") for epoch in (1, 2)
    ]
    by_rung = {(one.metric, one.epoch): one for one in found}
    assert by_rung["val/top1", 1].spearman < 0.6 < 0.9 < by_rung["val/top1", 2].spearman
    # Log-loss here falls as accuracy rises, so it foretells it just as well.
    assert by_rung["val/logloss", 2].spearman == pytest.approx(by_rung["val/top1", 2].spearman)
    assert by_rung["val/top1", 2].share == pytest.approx(2 / 3)


def test_a_goal_that_is_better_below_is_turned() -> None:
    slots = [record(i, [0.1 * i, 0.1 * i]) for i in range(6)]
    found = rung_correlations(slots, GOALS["log_loss"], 2)
    assert [(one.metric, round(one.spearman, 6)) for one in found] == [("val/logloss", 1.0), ("val/top1", 1.0)]


def test_too_few_finished_trials_give_no_rungs() -> None:
    assert rung_correlations([record(i, [0.1 * i, 0.1 * i]) for i in range(4)], ACCURACY, 2) == ()


def test_trials_are_compared_with_the_mean_over_fresh_seeds() -> None:
    slots = [record(i, [0.1 * i]) for i in range(7)]
    confirmed = {f"k{i}": [0.1 * i - 0.3, 0.1 * i + 0.3] for i in range(1, 7)}
    found = full_correlation(slots, confirmed, ACCURACY)
    assert found is not None
    assert (found.spearman, found.n) == (pytest.approx(1.0), 6)
    assert full_correlation(slots, dict(list(confirmed.items())[:4]), ACCURACY) is None
