"""How much of a whole training a trial gets, and what the small budget can tell about the large one.

The full budget of a study is its epochs on all training images; the confirm stage always has it. A trial may have a
share of it, along one of two axes: fewer passes over all images, or as many passes over fewer images. Mixing pays late
and on many passes over few images, so the two are not alike, and a small share of epochs is biased against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from automix.errors import SettingError
from automix.mixing.random import seed_of

if TYPE_CHECKING:
    from automix.data import DataSet
    from automix.training.settings import TrainSettings

__all__ = ["FULL", "Fidelity"]

Axis = Literal["epochs", "images"]

_FULL_NAME = "full"
_IMAGES_PER_BATCH = 4
"""Batches that a pass has at least; `automix.planning` chooses the batch size by the same rule."""


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
        batch_size = min(full.batch_size, max(2, n_images // _IMAGES_PER_BATCH))
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
