"""Predictions of a split."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
import torch

from automix.data import DataSet, Loader
from automix.training.evaluate import evaluate, predict, score
from automix.training.models import build_model


def open_val(data: DataSet, batch_size: int) -> Loader:
    val = data.splits["val"]
    return Loader(val, batch_size=batch_size, device="cpu", mean=data.mean, std=data.std, shuffle=False)


def test_predictions_are_in_order_whatever_the_batch(digits: Callable[..., DataSet]) -> None:
    data = digits(n_val=33)
    model = build_model("automix_resnet8", num_classes=10, channels=1, image_size=(8, 8))
    probs, labels = predict(model, open_val(data, 8))
    whole, _ = predict(model, open_val(data, 100))
    assert probs.dtype == np.float32
    assert probs.shape == (33, 10)
    np.testing.assert_allclose(probs, whole, atol=1e-5)
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(labels, data.splits["val"].labels)


def test_evaluation_changes_nothing_in_the_model(digits: Callable[..., DataSet]) -> None:
    model = build_model("automix_resnet8", num_classes=10, channels=1, image_size=(8, 8))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    scores = evaluate(model, open_val(digits(), 16))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert set(scores) == {"top1", "balanced_top1", "logloss", "ece"}


def test_metric_of_a_plugin_that_raises_is_reported_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    probs, labels = np.full((2, 2), 0.5, dtype=np.float32), np.array([0, 1])
    with caplog.at_level(logging.WARNING):
        scores = score(probs, labels, {"half": lambda p, y: 0.5, "broken": lambda p, y: 1 / 0})
    assert scores["half"] == 0.5
    assert "broken" not in scores
    assert "'broken'" in caplog.text
