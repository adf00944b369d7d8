"""Ranking by what the last epoch reached, and comparison with no mixing."""

from __future__ import annotations

import math

import pytest
from search_fakes import make_config

from automix.goal import GOALS, goal_of
from automix.search.cost import Cost
from automix.search.estimate import Estimator
from automix.search.leaderboard import leaderboard
from automix.search.ledger import Proposal, SlotRecord, SlotState
from automix.search.probe import MethodCost, Probe
from automix.search.progress import progress_of


def slot(number, top1=None, logloss=1.0, state=SlotState.COMPLETE, arm="", epochs=2, epoch_s=1.0, **more):
    row = {"val/top1": top1, "val/logloss": logloss, "cost/cpu_s": epoch_s, "cost/img_s": 100.0, "seconds": 2.0}
    curve = () if top1 is None else tuple({**row, "val/top1": top1 * e / epochs} for e in range(1, epochs + 1))
    proposal = Proposal(policy={}, key=f"k{number}", title=f"policy {number}", arm=arm)
    return SlotRecord(slot=number, trial=number, proposal=proposal, state=state, curve=curve, **more)


def test_complete_slots_are_ranked_by_top1_then_logloss_then_number():
    slots = [slot(0, 0.5), slot(1, 0.7, 0.9), slot(2, 0.7, 0.8), slot(3, 0.5)]
    assert [(row.rank, row.slot) for row in leaderboard(slots)] == [(1, 2), (2, 1), (3, 0), (4, 3)]


def test_a_diverged_logloss_ranks_behind_its_equals():
    assert [row.slot for row in leaderboard([slot(0, 0.5, math.nan), slot(1, 0.5, 9.0)])] == [1, 0]


def test_the_goal_ranks_whichever_way_it_is_better():
    slots = [slot(0, 0.9, 0.5, arm="none"), slot(1, 0.5, 0.3), slot(2, 0.7, math.nan)]
    rows = leaderboard(slots, GOALS["log_loss"])
    assert [row.slot for row in rows] == [1, 0, 2]
    assert [row.value for row in rows[:2]] == [0.3, 0.5]
    assert rows[0].delta == pytest.approx(-0.2)
    assert rows[0].delta_top1 == pytest.approx(-0.4)


def test_a_metric_that_nobody_has_ranks_nobody():
    assert [row.slot for row in leaderboard([slot(0, 0.5), slot(1, 0.6)], goal_of("max:missing"))] == [0, 1]


def test_unfinished_slots_come_last_without_a_rank():
    slots = [
        slot(0, None, state=SlotState.FAILED, error="no"),
        slot(1, 0.99, state=SlotState.PRUNED),
        slot(2, 0.99, state=SlotState.RUNNING),
        slot(3, 0.1),
    ]
    rows = leaderboard(slots)
    assert [(row.rank, row.slot, row.state) for row in rows] == [
        (1, 3, "complete"),
        (None, 1, "pruned"),
        (None, 2, "running"),
        (None, 0, "failed"),
    ]
    assert rows[-1].error == "no"


def test_gain_and_overhead_are_relative_to_no_mixing():
    rows = leaderboard([slot(0, 0.5, arm="none"), slot(1, 0.6, 0.8, epoch_s=1.25)])
    assert rows[0].delta_top1 == pytest.approx(0.1)
    assert rows[0].delta_logloss == pytest.approx(-0.2)
    assert rows[0].overhead == pytest.approx(0.25)
    assert rows[0].images_per_s == 100.0
    assert (rows[1].delta_top1, rows[1].overhead) == (0.0, 0.0)


def test_a_pruned_slot_is_compared_at_the_epoch_it_reached():
    rows = leaderboard([slot(0, 0.8, arm="none", epochs=4), slot(1, 0.3, epochs=2, state=SlotState.PRUNED)])
    assert rows[1].delta_top1 == pytest.approx(0.3 - 0.4)


def test_without_a_finished_reference_there_is_no_comparison():
    rows = leaderboard([slot(0, 0.8, arm="none", state=SlotState.RUNNING), slot(1, 0.3)])
    assert (rows[0].delta_top1, rows[0].overhead) == (None, None)


def test_progress_counts_epochs_that_are_left():
    slots = {s.slot: s for s in [slot(0, 0.5), slot(1, 0.5, epochs=1, state=SlotState.RUNNING)]}
    progress = progress_of("s", slots, n_trials=4, n_epochs=2, n_workers=2)
    assert progress.n_settled == 1
    assert [s.slot for s in progress.in_state(SlotState.RUNNING)] == [1]
    assert progress.eta_s == pytest.approx((4 * 2 - 2 - 1) * 2.0 / 2)


def test_before_the_first_epoch_only_an_estimate_tells_how_long_it_takes(tmp_path):
    assert progress_of("s", {}, n_trials=4, n_epochs=2, n_workers=2).eta_s is None
    probe = Probe(start=Cost(), methods={"none": MethodCost(Cost(), train=Cost(5.0, 5.0), judge=Cost())})
    estimator = Estimator(make_config("s", tmp_path), probe, n_workers=2)
    progress = progress_of("s", {}, n_trials=4, n_epochs=2, n_workers=2, estimator=estimator)
    assert progress.eta_s == pytest.approx(estimator.estimate().total.wall_s)


def test_slots_beyond_the_number_of_trials_are_not_shown():
    slots = {s.slot: s for s in [slot(0, 0.5), slot(1, 0.5)]}
    assert len(progress_of("s", slots, n_trials=1, n_epochs=2, n_workers=1).slots) == 1
