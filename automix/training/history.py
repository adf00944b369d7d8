"""What a training has come to so far: its finished epochs, and which of them was the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from automix.training.result import EpochReport

__all__ = ["History"]


@dataclass
class History:
    """The finished epochs of one training.

    Attributes:
        curve: their reports, in order.
        best_epoch: the one with the highest validation top-1 and, where that ties, the lowest log-loss; counted from
            1, 0 where none is finished.
    """

    curve: list[EpochReport] = field(default_factory=list)
    best_epoch: int = 0

    def __len__(self) -> int:
        return len(self.curve)

    def add(self, report: EpochReport) -> bool:
        """Take in the next epoch; returns whether it is the best so far."""
        is_best = not self.best_epoch or _rank(report) > _rank(self.curve[self.best_epoch - 1])
        self.curve.append(report)
        if is_best:
            self.best_epoch = report.epoch
        return is_best

    def state(self) -> dict[str, Any]:
        """Return plain values, as a checkpoint holds them."""
        return {"curve": [report.to_dict() for report in self.curve], "best_epoch": self.best_epoch}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """Read what `state` returned."""
        return cls([EpochReport(**report) for report in state["curve"]], state["best_epoch"])


def _rank(report: EpochReport) -> tuple[float, float]:
    return report.metrics["val/top1"], -report.metrics["val/logloss"]
