"""Ways to spend a budget, on a pool small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest
from fidelity import WAYS, Pool, halve, only, regret, screen, train_all

N_EPOCHS = 8


def pool() -> Pool:
    """Eight policies, the later the better; at a small share of the epochs it is the other way about."""
    truth = np.linspace(0.5, 0.85, 8)
    share = np.arange(1, N_EPOCHS + 1) / N_EPOCHS
    top1 = truth[:, None] * share
    low = np.stack([truth, -truth], axis=1)
    return Pool(
        full=np.stack([top1, top1 - 2], axis=1),
        low={"epochs": low[::-1], "images": low},
        is_mixing=np.array([False, *[True] * 7]),
        truth=truth,
    )


def test_full_trainings_are_as_many_as_the_budget_and_the_best_three_are_chosen():
    spent = train_all(pool(), [0, 5, 2, 7, 1], 4)
    assert spent.compute == 4
    assert list(spent.chosen) == [7, 5, 2]


def test_a_low_fidelity_that_lies_is_believed_where_nothing_else_is_looked_at():
    order = list(range(8))
    assert only("epochs", 0)(pool(), order, 2).chosen[0] == 0
    assert only("images", 0)(pool(), order, 2).chosen[0] == 7


def test_the_better_half_of_the_budget_goes_to_full_trainings_of_the_best():
    spent = screen("images", 0)(pool(), list(range(8)), 4)
    assert spent.compute == 8 * 0.25 + 2
    assert list(spent.chosen) == [7, 6]


def test_halving_pays_for_a_half_and_a_quarter_only_of_what_is_left():
    spent = halve(0)(pool(), list(range(8)), 4)
    assert spent.compute == pytest.approx(8 / 4 + 4 / 4 + 2 / 2)
    assert list(spent.chosen) == [7, 6]


@pytest.mark.parametrize("title", WAYS)
@pytest.mark.parametrize("budget", [4, 8])
def test_no_way_spends_more_than_its_budget(title, budget):
    for order in ([*range(8)], [*range(8)][::-1]):
        assert WAYS[title](pool(), order, budget).compute <= budget + 1e-9


def test_regret_is_nothing_where_everything_was_trained_and_repeats():
    assert (regret(pool(), train_all, 8, orders=5) == 0).all()
    assert (regret(pool(), train_all, 2, orders=5) == regret(pool(), train_all, 2, orders=5)).all()
