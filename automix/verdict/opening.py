"""The one place where test images are read: trained models answer them, and what they answered is kept.

Training and search are given data without a test split (`DataSet.without_test`). Here it is opened, for models whose
arms validation has chosen by then, and each model is asked once: its answers lie beside it from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automix.data import load_data
from automix.goal import ACCURACY, GOALS, Goal
from automix.policy import PolicyDocument, compile_policy
from automix.storage.files import replacing
from automix.training.batches import evaluation_loader
from automix.training.device import autocast, choose_device
from automix.training.evaluate import predict
from automix.training.export import load_model
from automix.training.robustness import Robustness
from automix.verdict.scores import Answers, answers_of

if TYPE_CHECKING:
    from automix.registry import Registry
    from automix.training.settings import TrainSettings

__all__ = ["Exam", "open_test", "read_answers"]

_MORE = "more/"
"""Before the names of further metrics in a file of answers."""


@dataclass(frozen=True)
class Exam:
    """A model that is to answer the test images.

    Attributes:
        model: its file.
        policy: that it was trained with, fitted statistics included.
        temperature: fitted on validation.
        answers: file for its answers.
    """

    model: Path
    policy: Mapping[str, Any]
    temperature: float
    answers: Path


def open_test(
    exams: Sequence[Exam],
    *,
    data_key: str,
    work: Path,
    settings: TrainSettings,
    registry: Registry,
    goal: Goal = ACCURACY,
) -> None:
    """Let each model answer the test images and keep the answers; one that has answered is not asked again.

    Args:
        exams: models.
        data_key: of the decoded data set.
        work: the work folder.
        settings: of the trainings.
        registry: where policies are looked up.
        goal: of the study; what it needs beyond the answers themselves is measured too.

    Raises:
        ArtifactError: the data or a model are missing or damaged.
        StorageError: the disk is full or cannot be written.
    """
    missing = [exam for exam in exams if not exam.answers.exists()]
    if not missing:
        return
    data = load_data(data_key, work)
    device = choose_device(settings.device)
    for exam in missing:
        model, _ = load_model(exam.model)
        document = PolicyDocument.from_dict(exam.policy)
        mix = compile_policy(
            document, registry, num_classes=data.num_classes, task=data.task, normalization=(data.mean, data.std)
        )
        loader = evaluation_loader(data, data.splits["test"], settings, mix, device)
        probs, labels = predict(model.to(device), loader, autocast=lambda: autocast(device, settings.amp))
        more: dict[str, NDArray[np.floating]] = {}
        if goal == GOALS["robustness"]:
            corrupted = Robustness(data, data.splits["test"], settings, mix, device)
            more[goal.key] = corrupted.recognised(model, autocast=lambda: autocast(device, settings.amp))
        elif goal.key in registry.names("metric"):
            more[goal.key] = np.array([registry.get("metric", goal.key).obj(probs, labels)], dtype=np.float64)
        with replacing(exam.answers) as file:
            np.savez(file, **_arrays(answers_of(probs, labels, exam.temperature, more)))


def read_answers(path: Path) -> Answers:
    """Read what a model answered."""
    with np.load(path, allow_pickle=False) as archive:
        own = {name: archive[name] for name in archive if not name.startswith(_MORE)}
        more = {name.removeprefix(_MORE): archive[name] for name in archive if name.startswith(_MORE)}
    return Answers(**own, more=more)


def _arrays(answers: Answers) -> dict[str, Any]:
    """Return the arrays of answers by name."""
    own = {name: value for name, value in vars(answers).items() if name != "more"}
    return own | {_MORE + name: value for name, value in answers.more.items()}
