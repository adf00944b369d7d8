"""How much of a whole training a trial gets, and what the small budget can tell about the large one.

The full budget of a study is its epochs on all training images; the confirm stage always has it. A trial may have a
share of it, along one of two axes: fewer passes over all images, or as many passes over fewer images. Mixing pays late
and on many passes over few images, so the two are not alike, and a small share of epochs is biased against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from automix.errors import SettingError
from automix.goal import Goal, measures_of
from automix.search.ranks import RankCorrelation, rank_correlation

if TYPE_CHECKING:
    from automix.data import DataSet
    from automix.search.ledger import SlotRecord
    from automix.training.settings import TrainSettings

__all__ = [
    "FULL",
    "Fidelity",
    "RungCorrelation",
    "budget_warnings",
    "full_correlation",
    "rung_correlations",
]

Axis = Literal["epochs", "images"]

_FULL_NAME = "full"
_MIN_BATCHES = 4
"""Of a pass; `automix.planning` chooses the batch size by the same rule."""
_FAR = 0.5
"""A trial below this share of the training that is meant says too little about it."""
_FEW_EPOCHS = 30
"""Measured on clean Fashion and CIFAR: mixing lost at 10 and 12 epochs and won at 60 (docs/search.md)."""


@dataclass(frozen=True)
class Fidelity:
    """A share of the full budget.

    Attributes:
        axis: "epochs", fewer passes with a schedule of their own; "images", as many passes over fewer images.
        share: above 0, at most 1.

    Raises:
        SettingError: no such axis, or the share is out of its range.
    """

    axis: Axis = "epochs"
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.axis not in get_args(Axis) or not 0 < self.share <= 1:
            raise SettingError(
                f"Expected a fidelity such as full, epochs:0.5 or images:0.25, with a share above 0 and at most 1, but "
                f"got {self.axis}:{self.share:g} (--fidelity)."
            )

    def __str__(self) -> str:
        return _FULL_NAME if self.is_full else f"{self.axis}:{self.share:g}"

    @property
    def is_full(self) -> bool:
        """Whether a trial has the whole budget."""
        return self.share == 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``--fidelity`` takes.

        Raises:
            SettingError: it is something else.

        Example:
            >>> Fidelity.parse("images:0.25")
            Fidelity(axis='images', share=0.25)
        """
        if text == _FULL_NAME:
            return cls()
        axis, _, share = text.partition(":")
        try:
            return cls(axis, float(share))  # type: ignore[arg-type]  # checked when it is made
        except ValueError as err:
            raise SettingError(
                f"Expected a fidelity such as full, epochs:0.5 or images:0.25 but got {text!r} (--fidelity)."
            ) from err

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Read what a study keeps: ``{"axis": ..., "share": ...}``."""
        return cls(**values)

    def epochs(self, full: int) -> int:
        """Return the passes of a trial where a whole training has ``full``."""
        return max(1, round(self.share * full)) if self.axis == "epochs" else full

    def settings(self, full: TrainSettings, n_images: int) -> TrainSettings:
        """Return what a trial is trained with.

        Args:
            full: of a whole training.
            n_images: training images of a trial. Where they are few, batches are smaller too.
        """
        batch_size = min(full.batch_size, max(2, n_images // _MIN_BATCHES))
        return replace(full, epochs=self.epochs(full.epochs), batch_size=batch_size)

    def data(self, full: DataSet, seed: int) -> DataSet:
        """Return what a trial is trained on: all, or a stratified share that a larger share would hold too.

        Args:
            full: the whole data set. Everything but the training images stays as it is.
            seed: of the study.
        """
        if self.is_full or self.axis == "epochs":
            return full
        from automix.data.dataset import Split
        from automix.data.splits import stratified_subset
        from automix.mixing.random import seed_of

        train = full.splits["train"]
        n = max(full.num_classes, round(self.share * len(train)))
        rows = stratified_subset(train.labels, n, full.num_classes, seed_of(seed, "fidelity"))
        few = Split(
            images=train.images[rows],
            labels=train.labels[rows],
            index=train.index[rows],
            clean_labels=None if train.clean_labels is None else train.clean_labels[rows],
        )
        return replace(full, splits={**full.splits, "train": few})


FULL = Fidelity()
"""The whole budget."""


def budget_warnings(fidelity: Fidelity, epochs: int, final_epochs: int | None) -> tuple[str, ...]:
    """Say where a study speaks of another regime than the training that is meant, and why that matters.

    Args:
        fidelity: of its trials.
        epochs: of a whole training, and so of the verdict.
        final_epochs: how long the user will train in the end; None for ``epochs``.
    """
    final, trial = final_epochs or epochs, fidelity.epochs(epochs)
    found = []
    if trial < _FAR * final:
        found.append(
            f"A trial makes {trial} passes over the images, the training that is meant makes {final}. Mixing learns "
            "more slowly and pays late, so such trials are biased against it (--epochs, --fidelity)."
        )
    if fidelity.axis == "images" and fidelity.share < _FAR:
        found.append(
            f"A trial sees {100 * fidelity.share:.0f} % of the training images, as often as a whole training would. "
            "Many passes over few images are where mixing pays most, so such trials are biased towards it "
            "(--fidelity)."
        )
    if epochs < _FAR * final:
        found.append(
            f"The verdict speaks of {epochs} epochs, not of {final} (--final-epochs). What wins in a short training "
            "may lose in a long one."
        )
    if trial < _FEW_EPOCHS:
        found.append(
            f"Trials of {trial} epochs are short: where labels are right, no mixing usually wins below about "
            f"{_FEW_EPOCHS}, also where mixing would win a longer training (--epochs)."
        )
    return tuple(found)


@dataclass(frozen=True)
class RungCorrelation(RankCorrelation):
    """How well the order after an epoch foretells the order by the goal at the end.

    Attributes:
        epoch: from 1.
        share: of a trial's epochs.
        metric: that the trials are ordered by after that epoch; turned so that more is better.
    """

    epoch: int
    share: float
    metric: str


def rung_correlations(records: Iterable[SlotRecord], goal: Goal, n_epochs: int) -> tuple[RungCorrelation, ...]:
    """Measure after which epoch one could have known, from the trials that were trained to the end.

    Pruned trials are not among them, so the range is narrower than that of all trials, and the correlation lower.

    Args:
        records: of the study's slots.
        goal: of the study.
        n_epochs: of a whole trial.

    Returns:
        For each epoch but the last and for the goal, accuracy and log-loss; nothing where fewer than five trials tell.
    """
    curves = [one.curve for one in records if one.state.value == "complete" and one.copied_from is None and one.curve]
    ends = [goal.sort_key(goal.value(curve)) for curve in curves]
    found = []
    for measure in measures_of(goal):
        for epoch in range(1, n_epochs):
            there = [measure.sort_key(measure.value(curve[:epoch])) for curve in curves]
            if (one := rank_correlation(there, ends)) is not None:
                found.append(RungCorrelation(**vars(one), epoch=epoch, share=epoch / n_epochs, metric=measure.metric))
    return tuple(found)


def full_correlation(
    records: Iterable[SlotRecord], confirmed: Mapping[str, Sequence[float]], goal: Goal
) -> RankCorrelation | None:
    """Compare the trials' order with that at full budget on fresh seeds.

    Args:
        records: of the study's slots.
        confirmed: policy key -> what it reached of the goal, by seed.
        goal: of the study.

    Returns:
        None where fewer than five policies tell. They are the best of the search and its references, so the range is
        narrow.
    """
    trials = {one.proposal.key: goal.value(one.curve) for one in records if one.state.value == "complete"}
    both = [key for key in confirmed if key in trials]
    return rank_correlation(
        [goal.sort_key(trials[key]) for key in both], [goal.sort_key(mean(confirmed[key])) for key in both]
    )
