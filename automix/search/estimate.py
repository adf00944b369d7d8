"""What a trial will cost, measured on a few steps before the search starts."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING

import torch

from automix.data.dataset import DataSet, Split
from automix.policy import PolicyDocument
from automix.training.loop import train

if TYPE_CHECKING:
    from automix.registry import Registry
    from automix.training.result import Decision, EpochReport, TrainResult
    from automix.training.settings import TrainSettings

__all__ = ["Estimate", "estimate_trial"]

_NONE = "none"
_STEPS = 4
_VAL_BATCHES = 4
# The first epoch warms up and is measured only where a second one would take too long.
_LONG_EPOCH_S = 10.0
_PROBE_S = 20.0
# Per trial beside the epochs: building the model, opening runs, writing results.
_AROUND_S = 0.5


@dataclass(frozen=True)
class Estimate:
    """Seconds for a whole trial.

    Attributes:
        by_policy: of those that were measured, by name; no mixing is always there, as "none".
    """

    by_policy: Mapping[str, float]

    @property
    def trial_s(self) -> float:
        """A trial of the typical policy."""
        return mean(self.by_policy.values())

    @property
    def overhead(self) -> dict[str, float]:
        """Time over that of no mixing, minus one, by name."""
        reference = self.by_policy[_NONE]
        return {name: seconds / reference - 1 for name, seconds in self.by_policy.items() if name != _NONE}

    def total_s(self, n_trials: int, n_workers: int) -> float:
        """Seconds for so many trials, so many at a time."""
        return math.ceil(n_trials / max(1, n_workers)) * self.trial_s


def estimate_trial(
    data: DataSet,
    settings: TrainSettings,
    registry: Registry,
    policies: Mapping[str, PolicyDocument] | None = None,
    *,
    threads: int | None = None,
) -> Estimate:
    """Train no mixing and some other policies for a few steps, and scale up.

    Args:
        data: the opened data.
        settings: of a trial.
        registry: where policies are looked up.
        policies: further ones to measure, by name; as many as take 20 seconds.
        threads: of a worker; those of this process by default.

    Raises:
        AutomixError: the model, the device or a policy cannot be trained; better now than in every trial.
    """
    small = _shrunk(data, settings.batch_size)
    short = replace(settings, epochs=2)
    seconds: dict[str, float] = {}
    begun = time.perf_counter()
    with _threads(threads):
        for name, document in {_NONE: PolicyDocument.of("none"), **(policies or {})}.items():
            if not seconds or time.perf_counter() - begun < _PROBE_S:
                result = train(small, document, short, registry=registry, on_epoch=_decide)
                seconds[name] = _scaled(result, small, data, settings)
    return Estimate(seconds)


def _decide(report: EpochReport) -> Decision:
    return "stop" if report.seconds > _LONG_EPOCH_S else "continue"


def _scaled(result: TrainResult, small: DataSet, data: DataSet, settings: TrainSettings) -> float:
    report = result.curve[-1]
    train_s = report.metrics["cost/epoch_s"]
    per_image = train_s / len(small.splits["train"])
    per_judged = (report.seconds - train_s) / len(small.splits["val"])
    epoch_s = per_image * len(data.splits["train"]) + per_judged * len(data.splits["val"])
    return settings.epochs * epoch_s + _AROUND_S


def _shrunk(data: DataSet, batch_size: int) -> DataSet:
    """Keep a few batches; the images that are kept are spread evenly, since many data sets are sorted by class."""
    sizes = {"train": _STEPS * batch_size, "val": _VAL_BATCHES * batch_size}
    few = {name: _some(data.splits[name], n) for name, n in sizes.items()}
    return replace(data, splits={**data.splits, **few})


def _some(split: Split, n: int) -> Split:
    rows = torch.linspace(0, len(split) - 1, min(n, len(split))).round().long().numpy()
    return Split(images=split.images[rows], labels=split.labels[rows], index=split.index[rows])


@contextmanager
def _threads(n: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
