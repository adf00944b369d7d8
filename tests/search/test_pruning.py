"""Pruning looks late, at both measures, and at finished trials only."""

from __future__ import annotations

import math

import pytest

from automix.search.pruning import should_prune

N = 10
PEERS = [[{"val/top1": 0.5 + 0.01 * i, "val/logloss": 1.0 - 0.01 * i}] * N for i in range(5)]  # medians 0.52 and 0.98


def curve(top1: float, logloss: float, epochs: int) -> list[dict[str, float]]:
    return [{"val/top1": top1, "val/logloss": logloss}] * epochs


@pytest.mark.parametrize(("epochs", "expected"), [(1, False), (5, False), (6, True), (9, True), (10, False)])
def test_nothing_is_pruned_before_half_of_the_epochs_or_at_the_last(epochs, expected):
    assert should_prune(curve(0.1, 5.0, epochs), PEERS, N) is expected


@pytest.mark.parametrize(
    ("top1", "logloss", "expected"),
    [(0.51, 0.99, True), (0.51, 0.97, False), (0.53, 0.99, False), (0.52, 0.98, False), (0.51, math.nan, True)],
)
def test_a_trial_that_leads_in_either_measure_lives(top1, logloss, expected):
    assert should_prune(curve(top1, logloss, 6), PEERS, N) is expected


def test_four_finished_trials_are_too_few():
    assert not should_prune(curve(0.1, 5.0, 6), PEERS[:4], N)


def test_finished_trials_without_that_epoch_do_not_count():
    assert not should_prune(curve(0.1, 5.0, 6), [*PEERS[:4], PEERS[4][:5]], N)


def test_peers_are_judged_at_the_same_epoch():
    rising = [[{"val/top1": 0.1 * e, "val/logloss": 2 - 0.1 * e} for e in range(1, N + 1)]] * 5
    assert not should_prune(curve(0.65, 1.35, 6), rising, N)
    assert should_prune(curve(0.65, 1.35, 7), rising, N)
