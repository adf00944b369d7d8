"""The process says what a direct solution of the same equations says, and finds what the data hold."""

from __future__ import annotations

import numpy as np
import pytest
from samplers_gaussian import GaussianProcess


def made(n: int, noise: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-0.5, 0.5, size=(n, 4))
    return x, 0.7 + 0.1 * x[:, 0] - 0.05 * np.square(x[:, 1]), noise * rng.standard_normal(n)


def test_predictions_are_those_of_the_textbook_formula():
    x, y, noise = made(20, 0.01)
    process = GaussianProcess(x, y + noise)
    fit = process._fit
    new = np.random.default_rng(1).uniform(-0.5, 0.5, size=(5, 4))
    a, b = x - x.mean(axis=0), new - x.mean(axis=0)
    target = (y + noise - (y + noise).mean()) / (y + noise).std()
    covariance = fit.signal * fit.kernel(a, a) + (1 - fit.signal) * np.eye(20)
    across, own = fit.signal * fit.kernel(b, a), fit.signal * fit.kernel(b, b)
    mean = across @ np.linalg.solve(covariance, target)
    spread = np.diag(own - across @ np.linalg.solve(covariance, across.T))
    found, deviation = process.predict(new)
    assert found == pytest.approx((y + noise).mean() + (y + noise).std() * mean)
    assert deviation == pytest.approx((y + noise).std() * np.sqrt(spread))


def test_it_comes_nearer_to_the_truth_than_what_was_seen():
    x, truth, noise = made(60, 0.03)
    expected, _ = GaussianProcess(x, truth + noise).predict(x)
    assert np.square(expected - truth).mean() < np.square(noise).mean() / 2


def test_pure_noise_is_not_believed():
    rng = np.random.default_rng(2)
    x, y = rng.uniform(size=(40, 6)), rng.standard_normal(40)
    expected, _ = GaussianProcess(x, y).predict(x)
    assert expected.std() < 0.7 * y.std()


def test_it_is_least_sure_far_from_what_was_seen():
    x, y, noise = made(30, 0.01)
    _, deviation = GaussianProcess(x, y + noise).predict(np.array([[0.0] * 4, [3.0] * 4]))
    assert deviation[0] < deviation[1]


def test_equal_values_and_equal_policies_are_no_trouble():
    x = np.zeros((3, 2))
    mean, deviation = GaussianProcess(x, np.full(3, 0.5)).predict(x)
    assert mean == pytest.approx([0.5] * 3)
    assert np.isfinite(deviation).all()
