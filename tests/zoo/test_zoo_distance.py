from __future__ import annotations

import math

import numpy as np
import pytest

from automix.data.fingerprint import meta_features
from automix.zoo.distance import _SCALES, distance

DIGITS = {"n_train": 400.0, "num_classes": 10.0, "side": 8.0, "channels": 1.0, "separability": 0.95}
PHOTOS = {"n_train": 6400.0, "num_classes": 10.0, "side": 32.0, "channels": 3.0, "separability": 0.2}


def test_distance_is_the_root_mean_square_of_steps_worked_by_hand():
    # n_train: 16 = 4^2, 2 steps; side: 4 = 2^2, 2 steps; channels: 1; separability: 0.75 / 0.25 = 3 steps; classes: 0.
    assert distance(DIGITS, PHOTOS) == pytest.approx(math.sqrt((4 + 4 + 1 + 9 + 0) / 5))


def test_distance_is_symmetric_and_zero_to_itself():
    assert distance(DIGITS, PHOTOS) == distance(PHOTOS, DIGITS)
    assert distance(DIGITS, dict(DIGITS)) == 0.0


def test_one_odd_feature_counts_no_more_than_three_steps():
    assert distance(DIGITS, {**DIGITS, "side": 8.0 * 2**10}) == pytest.approx(math.sqrt(9 / 5))


def test_features_that_one_of_them_lacks_are_left_out():
    assert distance(DIGITS, {"side": 16.0, "speed": 9.0}) == 1.0
    assert distance(DIGITS, {"speed": 9.0}) == math.inf


@pytest.mark.parametrize("value", [0.0, -1.0, 1e300])
def test_senseless_features_of_a_stranger_give_a_distance_all_the_same(value):
    assert 0 <= distance(DIGITS, dict.fromkeys(DIGITS, value)) <= 3


def test_every_scaled_feature_is_one_that_data_sets_have():
    images = np.zeros((4, 1, 8, 8), dtype=np.uint8)
    known = meta_features(images, np.array([0, 0, 1, 1]), 2, {"train": 4, "val": 2, "test": 2})
    assert set(_SCALES) == set(known) - {"n_val", "n_test"}
