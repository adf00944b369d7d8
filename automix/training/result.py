"""What the training loop reports, and the names of its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from automix.policy.document import PolicyDocument

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Decision", "EpochReport", "Status", "TrainResult"]

Decision = Literal["continue", "prune", "stop"]
Status = Literal["complete", "pruned", "stopped"]


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """One finished epoch.

    Attributes:
        epoch: counted from 1.
        n_epochs: of the whole training.
        metrics: ``val/top1``, ``val/balanced_top1``, ``val/logloss``, ``val/ece`` and ``val/<name>`` for metrics of
            plugins; ``val/robustness`` where asked for; ``train/loss``; ``train/mixed_top1``, the label weight of the
            predicted class, averaged over the mixed images; ``train/clean_top1``, on some unmixed training images with
            the labels trained on; ``lr`` at the epoch's last step; ``cost/epoch_s``, ``cost/cpu_s`` and ``cost/img_s``
            of the training part; ``cost/batch_parts`` where memory was short and batches are split.
        seconds: evaluation included.
        images_per_s: of the training part.
        notes: what was out of the ordinary since the last report, for people.
    """

    epoch: int
    n_epochs: int
    metrics: Mapping[str, float]
    seconds: float
    images_per_s: float
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as a checkpoint holds them."""
        return {**vars(self), "metrics": dict(self.metrics)}


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainResult:
    """What a training came to.

    Attributes:
        status: "complete", "pruned" (by ``on_epoch``) or "stopped" (to be resumed from its checkpoint).
        curve: every finished epoch, those before an interruption included.
        best: metrics of the best epoch; empty where none was finished. Being the best of many, it flatters itself: a
            verdict looks at ``last``.
        best_epoch: counted from 1; 0 where none was finished.
        last: metrics of the last finished epoch.
        document: the policy, with the statistics that were fitted.
        model: the model at the end, averaged weights if there are any, in evaluation mode.
    """

    status: Status
    curve: tuple[EpochReport, ...]
    best_epoch: int
    document: PolicyDocument
    model: nn.Module = field(repr=False)

    @property
    def best(self) -> Mapping[str, float]:
        """Metrics of the best epoch."""
        return self.curve[self.best_epoch - 1].metrics if self.best_epoch else {}

    @property
    def last(self) -> Mapping[str, float]:
        """Metrics of the last finished epoch."""
        return self.curve[-1].metrics if self.curve else {}

    @property
    def epochs_done(self) -> int:
        """Number of finished epochs."""
        return len(self.curve)

    @property
    def seconds(self) -> float:
        """Time of all finished epochs, evaluation included."""
        return sum(report.seconds for report in self.curve)
