from __future__ import annotations

import numpy as np
import pytest
import torch

from automix.training.metrics import calibration_error, log_loss
from automix.verdict.calibration import calibration_terms, fit_temperature, tempered


def predictions(n: int = 400, classes: int = 5, sharpness: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from softmax(logits); what is predicted is sharper than that by a known factor."""
    generator = np.random.Generator(np.random.Philox(key=1))
    logits = generator.normal(size=(n, classes))
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([generator.choice(classes, p=row) for row in truth])
    sharp = np.exp(sharpness * logits)
    return (sharp / sharp.sum(axis=1, keepdims=True)).astype(np.float32), labels


def test_temperature_is_the_one_that_torch_finds_by_gradient() -> None:
    probs, labels = predictions()
    logits, scale = torch.from_numpy(probs).log(), torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([scale], max_iter=200, tolerance_grad=1e-10, tolerance_change=1e-12)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits * scale.exp(), torch.from_numpy(labels))
        loss.backward()
        return loss

    optimizer.step(closure)
    assert fit_temperature(probs, labels) == pytest.approx(1 / scale.exp().item(), rel=1e-4)


def test_temperature_takes_back_a_known_sharpening() -> None:
    assert fit_temperature(*predictions(n=20_000, sharpness=3.0)) == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_temperature_stays_within_its_limits_where_there_is_no_minimum(labels: list[int]) -> None:
    probs = np.array([[0.9, 0.1]] * 3)
    found = fit_temperature(probs, np.array(labels))
    assert np.exp(-5) * 0.99 <= found <= np.exp(5) * 1.01


def test_tempering_lowers_the_loss_and_keeps_the_answers() -> None:
    probs, labels = predictions()
    calm = tempered(probs, fit_temperature(probs, labels))
    assert log_loss(calm, labels) < log_loss(probs, labels)
    assert (calm.argmax(axis=1) == probs.argmax(axis=1)).all()
    np.testing.assert_allclose(calm.sum(axis=1), 1.0)


def test_temperature_one_changes_nothing_and_zero_probabilities_stay_finite() -> None:
    probs = np.array([[1.0, 0.0], [0.25, 0.75]], dtype=np.float32)
    np.testing.assert_allclose(tempered(probs, 1.0), probs, atol=1e-6)
    assert np.isfinite(tempered(probs, 0.01)).all()


def test_mean_of_the_terms_is_the_calibration_error() -> None:
    probs, labels = predictions()
    terms = calibration_terms(probs.argmax(axis=1) == labels, probs.max(axis=1))
    assert terms.mean() == pytest.approx(calibration_error(probs, labels))
