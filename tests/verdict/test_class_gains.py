from __future__ import annotations

import numpy as np
import pytest

from automix.verdict.classes import class_gains
from automix.verdict.scores import Scores, answers_of
from automix.verdict.statistics import paired_difference

LABELS = np.array([0] * 40 + [1] * 20 + [2], dtype=np.int64)


def scores(right: np.ndarray) -> Scores:
    """Answers of models, one per row of truth values."""
    probs = np.full((*right.shape, 3), 0.1)
    for seed, row in enumerate(right):
        answer = np.where(row, LABELS, (LABELS + 1) % 3)
        probs[seed, np.arange(len(LABELS)), answer] = 0.8
    return Scores([answers_of(one, LABELS, 1.0) for one in probs])


def test_each_class_is_compared_on_its_own_images() -> None:
    draw = np.random.default_rng(0)
    ours, theirs = draw.random((3, 61)) < 0.9, draw.random((3, 61)) < 0.5
    cat, dog = class_gains("slot 1", scores(ours), scores(theirs), ["cat", "dog", "rare"], [9, 8, 7])
    assert (cat.name, cat.n_test, cat.n_train, dog.n_test) == ("cat", 40, 9, 20)
    assert cat.accuracy == pytest.approx(ours[:, :40].mean())
    assert dog.reference == pytest.approx(theirs[:, 40:60].mean())
    assert cat.gain == paired_difference(ours[:, :40], theirs[:, :40])


def test_class_of_a_single_test_image_is_left_out() -> None:
    right = np.ones((2, 61), dtype=bool)
    assert [one.name for one in class_gains("a", scores(right), scores(right), ["a", "b", "c"], [1, 1, 1])] == [
        "a",
        "b",
    ]
