"""What is kept of a model's answers to the test images: a few numbers per image, enough for every comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from automix.verdict.calibration import calibration_terms, tempered

__all__ = ["METRICS", "Answers", "Scores", "answers_of"]

METRICS = ("top1", "balanced_top1", "logloss", "ece", "logloss_tempered", "ece_tempered")
"""What arms are always compared by; beside these, by the goal."""


@dataclass(frozen=True, eq=False)
class Answers:
    """One model on m images; every array is (m,).

    Attributes:
        correct: bool, whether the answer is right.
        loss: float32, -log p of the label.
        confidence: float32, p of the answer.
        loss_tempered: float32, the loss at the temperature fitted on validation.
        confidence_tempered: float32, likewise.
        labels: int64, the classes.
        more: further metrics by name: (m,) where they are means over images, (1,) where a model has one number.
    """

    correct: NDArray[np.bool_]
    loss: NDArray[np.float32]
    confidence: NDArray[np.float32]
    loss_tempered: NDArray[np.float32]
    confidence_tempered: NDArray[np.float32]
    labels: NDArray[np.int64]
    more: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)


def answers_of(
    probs: NDArray[np.floating],
    labels: NDArray[np.int64],
    temperature: float,
    more: Mapping[str, NDArray[np.floating]] | None = None,
) -> Answers:
    """Reduce (m, K) probabilities to what is kept."""
    calm = tempered(probs, temperature)
    return Answers(
        correct=probs.argmax(axis=1) == labels,
        loss=_loss(probs, labels),
        confidence=probs.max(axis=1).astype(np.float32),
        loss_tempered=_loss(calm, labels),
        confidence_tempered=calm.max(axis=1).astype(np.float32),
        labels=labels,
        more=more or {},
    )


@dataclass(frozen=True, eq=False)
class Scores:
    """One arm: its models, seed by seed, on the same images.

    Attributes:
        answers: one per seed, in the order of the seeds.
        by_model: further metrics by name, one number per seed, that the test images have no part in.
    """

    answers: Sequence[Answers]
    by_model: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @cached_property
    def terms(self) -> dict[str, NDArray[np.generic]]:
        """Every metric as a table whose row means are the metric by seed: (n, m), or (n, 1) for a number per model.

        Balanced accuracy and calibration error are no means over images. Their terms are first-order: the share that
        each image has in a small change of the metric, around the metric itself.
        """
        tables = [_terms(one) for one in self.answers]
        found = {name: np.stack([table[name] for table in tables]) for name in tables[0]}
        return found | {name: np.asarray(values, dtype=np.float64)[:, None] for name, values in self.by_model.items()}

    def by_seed(self, metric: str) -> tuple[float, ...]:
        """Return a metric of each seed."""
        return tuple(float(row.mean(dtype=np.float64)) for row in self.terms[metric])


def _terms(one: Answers) -> dict[str, NDArray[np.generic]]:
    return {
        "top1": one.correct,
        "balanced_top1": _balanced_terms(one.correct, one.labels),
        "logloss": one.loss,
        "ece": calibration_terms(one.correct, one.confidence),
        "logloss_tempered": one.loss_tempered,
        "ece_tempered": calibration_terms(one.correct, one.confidence_tempered),
        **one.more,
    }


def _balanced_terms(correct: NDArray[np.bool_], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Write balanced accuracy as a mean over images: an image of a rare class counts more, from its class's share."""
    counts = np.bincount(labels)
    shares = np.bincount(labels, weights=correct) / np.maximum(counts, 1)
    present = counts > 0
    weights = len(labels) / (present.sum() * np.maximum(counts, 1))
    terms: NDArray[np.float64] = shares[present].mean() + weights[labels] * (correct - shares[labels])
    return terms


def _loss(probs: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    own = probs[np.arange(len(labels)), labels]
    loss: NDArray[np.float32] = -np.log(np.maximum(own, np.finfo(np.float32).tiny)).astype(np.float32)
    return loss
