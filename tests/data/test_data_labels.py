from __future__ import annotations

import numpy as np
import pytest

from automix.data.labels import add_noise, encode
from automix.errors import DataError


def test_integers_become_classes_in_order_and_gaps_close():
    labels, classes, notes = encode(np.array([7, 2, 7, 5]), None, "x")
    assert labels.tolist() == [2, 0, 2, 1]
    assert classes == ("2", "5", "7")
    assert notes == ()


def test_texts_are_classes():
    assert encode(["b", "a", "b"], None, "x")[1] == ("a", "b")


def test_whole_floats_are_taken_as_integers():
    assert encode(np.array([0.0, 1.0]), None, "x")[1] == ("0", "1")


def test_class_names_without_images_are_left_out_with_a_note():
    labels, classes, notes = encode(np.array([2, 0]), ["cat", "dog", "eel"], "x")
    assert labels.tolist() == [1, 0]
    assert classes == ("cat", "eel")
    assert "dog" in notes[0]


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        (np.array([0.0, 1.5]), None, "integer labels in x but got 1.5 at position 1"),
        (np.array([0.0, np.nan]), None, "got nan at position 1"),
        (np.zeros((3, 2)), None, r"shape \(3, 2\)"),
        ([{}, {}], None, "got object"),
        (np.array([0, 3]), ["a", "b"], "from 0 to 1 in x, which has 2 class names, but got 0 to 3"),
        (np.array([-1, 1]), ["a", "b"], "but got -1 to 1"),
        (np.array([4, 4]), None, "at least two classes in x but found 1: 4"),
    ],
)
def test_unusable_labels_are_one_clear_line(labels, names, message):
    with pytest.raises(DataError, match=message):
        encode(labels, names, "x")


def test_noise_redraws_from_all_classes_so_some_stay_right():
    clean = np.zeros(20_000, np.int64)
    noisy = add_noise(clean, 10, 0.4, seed=0)
    # 40 % redrawn, a tenth of them drawn right: 36 % wrong; 4 standard deviations of 20 000 draws.
    assert (noisy != clean).mean() == pytest.approx(0.36, abs=0.004)
    np.testing.assert_allclose(np.bincount(noisy, minlength=10)[1:] / len(clean), 0.04, atol=0.006)
    assert (clean == 0).all()


def test_noise_is_the_same_for_a_seed_and_none_for_share_zero():
    clean = np.arange(100) % 4
    assert (add_noise(clean, 4, 0.5, 3) == add_noise(clean, 4, 0.5, 3)).all()
    assert (add_noise(clean, 4, 0.5, 3) != add_noise(clean, 4, 0.5, 4)).any()
    assert (add_noise(clean, 4, 0.0, 3) == clean).all()
