"""Draws stay in range, near what is known, and repeat from their stream."""

from __future__ import annotations

import numpy as np
import pytest
from samplers_draw import Draw


def ask(trial: Draw) -> tuple[float, float, int, int, str]:
    return (
        trial.suggest_float("a", 0.5, 1.0),
        trial.suggest_float("b", 0.1, 10.0, log=True),
        trial.suggest_int("c", 2, 5),
        trial.suggest_int("d", 0, 10, step=5),
        trial.suggest_categorical("e", ["x", "y"]),
    )


def many(near=None) -> list[tuple[float, float, int, int, str]]:
    rng = np.random.default_rng(0)
    return [ask(Draw(rng, near)) for _ in range(600)]


@pytest.mark.parametrize("near", [None, {"a": 0.5, "b": 10.0, "c": 5, "d": 0, "e": "y"}], ids=["anywhere", "near"])
def test_answers_are_in_range(near):
    a, b, c, d, e = zip(*many(near), strict=True)
    assert 0.5 <= min(a) <= max(a) <= 1.0
    assert 0.1 <= min(b) <= max(b) <= 10.0
    assert (set(c), set(d), set(e)) == ({2, 3, 4, 5}, {0, 5, 10}, {"x", "y"})


def test_logarithmic_numbers_are_as_often_below_their_middle_as_above():
    below = np.mean([b < 1.0 for _, b, *_ in many()])
    assert below == pytest.approx(0.5, abs=0.07)


def test_the_ends_of_integers_are_as_likely_as_the_middle():
    counts = np.bincount([c for _, _, c, _, _ in many()])[2:]
    assert counts.min() > 110


def test_near_a_policy_most_stays_as_it_is():
    near = {"a": 0.8, "b": 0.2, "c": 3, "d": 5, "e": "x"}
    found = many(near)
    assert np.mean([e == "x" for *_, e in found]) > 0.8
    assert np.mean([abs(a - 0.8) < 0.1 for a, *_ in found]) > 0.6
    assert len({a for a, *_ in found}) > 500


def test_what_was_answered_is_kept_and_repeats_from_the_same_stream():
    one, other = (Draw(np.random.default_rng(3)) for _ in range(2))
    assert ask(one) == ask(other)
    assert one.params == other.params
    assert list(one.params) == list("abcde")


def test_a_choice_that_is_no_longer_offered_is_drawn_anew():
    assert Draw(np.random.default_rng(0), {"e": "gone"}).suggest_categorical("e", ["x", "y"]) in ("x", "y")
