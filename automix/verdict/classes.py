"""What the winner gains class by class, from the answers that the verdict rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automix.verdict.scores import Scores
from automix.verdict.statistics import Difference, paired_difference

__all__ = ["ClassGain", "class_gains"]

_FEWEST = 2


@dataclass(frozen=True)
class ClassGain:
    """One class.

    Attributes:
        name: of the class.
        arm: that was compared with no mixing.
        n_train: training images.
        n_test: test images.
        accuracy: of the arm, mean over seeds.
        reference: of no mixing, likewise.
        gain: the difference with its interval, over seeds and images.
    """

    name: str
    arm: str
    n_train: int
    n_test: int
    accuracy: float
    reference: float
    gain: Difference


def class_gains(
    arm: str,
    ours: Scores,
    theirs: Scores,
    names: Sequence[str],
    n_train: Sequence[int],
) -> list[ClassGain]:
    """Compare two arms within each class that has at least two test images.

    Args:
        arm: name of the first one.
        ours: its answers.
        theirs: those of no mixing, to the same images with the same seeds.
        names: of the classes.
        n_train: training images by class.
    """
    labels = ours.answers[0].labels
    ours_right, theirs_right = ours.terms["top1"], theirs.terms["top1"]
    found = []
    for index, name in enumerate(names):
        own = labels == index
        if own.sum() >= _FEWEST:
            a, b = ours_right[:, own], theirs_right[:, own]
            gain = paired_difference(a, b)
            shares = float(a.mean(dtype=np.float64)), float(b.mean(dtype=np.float64))
            found.append(ClassGain(name, arm, n_train[index], int(own.sum()), *shares, gain))
    return found
