from __future__ import annotations

import pytest

from automix.policy import PolicyDocument
from automix.zoo.recall import recall
from automix.zoo.winners import own_winners

MIXUP, CUTMIX, FMIX, GRIDMIX = (PolicyDocument.of(name) for name in ("mixup", "cutmix", "fmix", "gridmix"))
HERE, NEAR, FAR = "a" * 32, "b" * 32, "c" * 32


def steps(n: float) -> dict[str, float]:
    return {"side": 8.0 * 2.0**n}


@pytest.fixture
def winners(store, remember):
    remember("here", [(MIXUP, 0.7)], data=HERE, features=steps(0))
    remember("near", [(CUTMIX, 0.9), (FMIX, 0.8)], data=NEAR, features=steps(0.5))
    remember("far", [(GRIDMIX, 0.99)], data=FAR, features=steps(1.6))
    return own_winners(store)


def order(recollections):
    return [(one.winner.entry.policy.title(), round(one.distance, 3)) for one in recollections]


def test_same_data_come_first_and_far_ones_not_at_all(winners):
    assert order(recall(winners, HERE, steps(0))) == [("mixup", 0.0), ("cutmix", 0.5), ("fmix", 0.5)]


def test_same_data_can_be_left_out(winners):
    assert order(recall(winners, HERE, steps(0), with_own=False)) == [("cutmix", 0.5), ("fmix", 0.5)]


def test_a_second_best_stands_behind_the_best_of_a_data_set_nearer_than_one_step_more(winners):
    # From 1.2 steps: near is 0.7 away, far 0.4, here 1.2; fmix counts as 1.7.
    assert [title for title, _ in order(recall(winners, "d" * 32, steps(1.2)))] == [
        "gridmix",
        "cutmix",
        "mixup",
        "fmix",
    ]


def test_data_with_the_same_numbers_are_not_taken_for_the_same_data(winners):
    assert order(recall(winners, "d" * 32, steps(0), with_own=False))[0] == ("mixup", 0.0)


def test_nothing_known_gives_nothing():
    assert recall([], HERE, steps(0)) == []
