"""Metrics against scikit-learn and a slow loop."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from automix.training.metrics import balanced_top1, calibration_error, log_loss, top1


def random_predictions(seed: int, n: int = 200, k: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(k, 0.5), size=n).astype(np.float32)
    guided = np.where(rng.random(n) < 0.6, probs.argmax(1), rng.integers(0, k, n))
    return probs, guided.astype(np.int64)


@pytest.mark.parametrize("seed", range(3))
def test_metrics_agree_with_scikit_learn(seed: int) -> None:
    probs, labels = random_predictions(seed)
    assert top1(probs, labels) == pytest.approx(sk.accuracy_score(labels, probs.argmax(1)))
    assert balanced_top1(probs, labels) == pytest.approx(sk.balanced_accuracy_score(labels, probs.argmax(1)))
    exact = probs.astype(np.float64)
    exact /= exact.sum(1, keepdims=True)
    assert log_loss(probs, labels) == pytest.approx(sk.log_loss(labels, exact, labels=range(6)), rel=1e-5)


def test_class_absent_from_the_split_does_not_count_as_missed() -> None:
    probs = np.eye(4)[[0, 0, 1, 3]]  # the last image is taken for class 3, of which there is no image
    labels = np.array([0, 0, 1, 1])
    assert balanced_top1(probs, labels) == pytest.approx((1.0 + 0.5) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_is_that_of_a_slow_loop(seed: int) -> None:
    probs, labels = random_predictions(seed)
    total = 0.0
    for b in range(15):
        low, high = b / 15, (b + 1) / 15
        rows = [i for i, row in enumerate(probs) if low < float(row.max()) <= high]
        if rows:
            confidence = np.mean([float(probs[i].max()) for i in rows])
            accuracy = np.mean([probs[i].argmax() == labels[i] for i in rows])
            total += len(rows) / len(labels) * abs(accuracy - confidence)
    assert calibration_error(probs, labels) == pytest.approx(total, abs=1e-6)


def test_sure_and_right_is_perfectly_calibrated() -> None:
    probs = np.eye(3, dtype=np.float32)
    assert calibration_error(probs, np.arange(3)) == 0.0
    assert calibration_error(probs, np.array([1, 2, 0])) == 1.0


def test_underflowed_probability_gives_a_large_but_finite_loss() -> None:
    probs = np.array([[1.0, 0.0]], dtype=np.float32)
    assert 80 < log_loss(probs, np.array([1])) < 100
