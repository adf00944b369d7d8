"""Who leads by luck falls back to its neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from samplers_expectation import FEWEST, expected_values

from automix.policy import PolicyDocument

ALPHAS = np.linspace(0.1, 2.0, 24)
POLICIES = [PolicyDocument.of("mixup", alpha=float(alpha)) for alpha in ALPHAS]


def test_one_lucky_trial_does_not_lead_where_its_neighbours_are_worse():
    values = 0.8 - 0.05 * ALPHAS  # the smaller the alpha, the better
    values[20] = 0.81  # and one at the other end, by luck
    assert np.argmax(values) == 20
    assert ALPHAS[np.argmax(expected_values(POLICIES, values))] < 0.5


def test_the_choice_is_better_on_average_than_the_best_that_was_seen():
    truth = 0.8 - 0.05 * ALPHAS
    seen, expected = [], []
    for seed in range(20):
        values = truth + 0.03 * np.random.default_rng(seed).standard_normal(len(truth))
        seen.append(truth[np.argmax(values)])
        expected.append(truth[np.argmax(expected_values(POLICIES, values))])
    assert np.mean(expected) > np.mean(seen)


@pytest.mark.parametrize("values", [[0.5] * (FEWEST - 1), [0.5] * 23 + [-np.inf]], ids=["few", "infinite"])
def test_what_cannot_be_learned_from_is_taken_at_its_word(values):
    assert list(expected_values(POLICIES[: len(values)], values)) == values
