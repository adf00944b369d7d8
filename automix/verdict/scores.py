"""What is kept of a model's answers to the test images: a few numbers per image, enough for every comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from automix.verdict.calibration import calibration_terms, tempered

__all__ = ["METRICS", "Answers", "Scores", "answers_of"]


@dataclass(frozen=True, eq=False)
class Answers:
    """One model on m images; every array is (m,).

    Attributes:
        correct: bool, whether the answer is right.
        loss: float32, -log p of the label.
        confidence: float32, p of the answer.
        loss_tempered: float32, the loss at the temperature fitted on validation.
        confidence_tempered: float32, likewise.
    """

    correct: NDArray[np.bool_]
    loss: NDArray[np.float32]
    confidence: NDArray[np.float32]
    loss_tempered: NDArray[np.float32]
    confidence_tempered: NDArray[np.float32]


def answers_of(probs: NDArray[np.floating], labels: NDArray[np.int64], temperature: float) -> Answers:
    """Reduce (m, K) probabilities to what is kept."""
    calm = tempered(probs, temperature)
    return Answers(
        correct=probs.argmax(axis=1) == labels,
        loss=_loss(probs, labels),
        confidence=probs.max(axis=1).astype(np.float32),
        loss_tempered=_loss(calm, labels),
        confidence_tempered=calm.max(axis=1).astype(np.float32),
    )


@dataclass(frozen=True, eq=False)
class Scores:
    """One arm: its models, seed by seed, on the same images.

    Attributes:
        answers: one per seed, in the order of the seeds.
    """

    answers: Sequence[Answers]

    @cached_property
    def terms(self) -> dict[str, NDArray[np.generic]]:
        """Every metric as a table (n, m), whose row means are the metric by seed."""
        correct, loss, confidence, calm_loss, calm = (self._table(item.name) for item in fields(Answers))
        return {
            "top1": correct,
            "logloss": loss,
            "ece": _calibration(correct, confidence),
            "logloss_tempered": calm_loss,
            "ece_tempered": _calibration(correct, calm),
        }

    def by_seed(self, metric: str) -> tuple[float, ...]:
        """Return a metric of each seed."""
        return tuple(float(row.mean(dtype=np.float64)) for row in self.terms[metric])

    def _table(self, name: str) -> NDArray[np.generic]:
        return np.stack([getattr(one, name) for one in self.answers])


METRICS = ("top1", "logloss", "ece", "logloss_tempered", "ece_tempered")
"""What arms are compared by. ``top1`` decides; the others are told."""


def _calibration(correct: NDArray[np.generic], confidence: NDArray[np.generic]) -> NDArray[np.float64]:
    pairs = zip(correct.astype(np.bool_), confidence.astype(np.float64), strict=True)
    return np.stack([calibration_terms(*pair) for pair in pairs])


def _loss(probs: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    own = probs[np.arange(len(labels)), labels]
    loss: NDArray[np.float32] = -np.log(np.maximum(own, np.finfo(np.float32).tiny)).astype(np.float32)
    return loss
