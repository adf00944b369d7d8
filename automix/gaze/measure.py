"""A policy held against gaze: the same images, flips and crops for every policy, so that differences are paired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from automix.errors import PolicyError, SettingError
from automix.gaze.batches import GazeBatch, GazeBatches
from automix.gaze.metric import gaze_weights, inconsistency
from automix.gaze.samples import MixedSample, Seen
from automix.mixing import Streams

if TYPE_CHECKING:
    from automix.data import DataSet
    from automix.gaze.aligned import AlignedGaze
    from automix.policy import MixedStep, PolicyMixer

__all__ = ["LEVEL", "N_SHOWN", "Interval", "Measured", "compare", "interval", "measure"]

LEVEL = 0.95
N_SHOWN = 6
"""Worst and best samples that are kept for pictures, each."""
_RESAMPLINGS = 2000


@dataclass(frozen=True)
class Interval:
    """A mean with the bootstrap interval over images."""

    mean: float
    low: float
    high: float


@dataclass(eq=False)
class Measured:
    """What one policy came to.

    Attributes:
        name: of the policy.
        own: (n,) int64 each counted sample's own image, as position among the images with gaze.
        values: (n,) float64 inconsistency.
        unmixed: rows that held one image only, which say nothing.
        skipped: mixed rows in which no gaze was left to compare with.
        worst: some of the samples of highest inconsistency.
        best: likewise of lowest.
    """

    name: str
    own: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    unmixed: int = 0
    skipped: int = 0
    worst: list[MixedSample] = field(default_factory=list)
    best: list[MixedSample] = field(default_factory=list)

    def by_image(self, n: int) -> NDArray[np.float64]:
        """(n,) float64: mean over the samples of each image; NaN where it has none."""
        sums, counts = np.bincount(self.own, self.values, n), np.bincount(self.own, minlength=n)
        with np.errstate(invalid="ignore"):
            return np.asarray(sums / counts, dtype=np.float64)


def compare(
    policies: Mapping[str, PolicyMixer],
    data: DataSet,
    gaze: AlignedGaze,
    *,
    rounds: int = 4,
    seed: int = 0,
    augment: bool = True,
    model: nn.Module | None = None,
) -> list[Measured]:
    """Measure policies on the same images; arguments as `measure`."""
    return [
        measure(name, mix, data, gaze, rounds=rounds, seed=seed, augment=augment, model=model)
        for name, mix in policies.items()
    ]


def measure(
    name: str,
    mix: PolicyMixer,
    data: DataSet,
    gaze: AlignedGaze,
    *,
    rounds: int = 4,
    seed: int = 0,
    augment: bool = True,
    model: nn.Module | None = None,
) -> Measured:
    """Mix images with gaze as training would, and compare label and gaze weights.

    Args:
        name: of the policy.
        mix: the policy, compiled with ``seed``.
        data: the data set.
        gaze: its images and maps.
        rounds: how often every image is mixed.
        seed: of order, flips and crops.
        augment: whether images are flipped and cropped as in training.
        model: for policies that look at it; on the CPU.

    Raises:
        PolicyError: the policy must see a model, and there is none.
        SettingError: ``rounds`` below 1.
    """
    if rounds < 1:
        raise SettingError(f"Expected `rounds` of at least 1 but got {rounds}.")
    _check_servable(name, mix, model)
    batches = GazeBatches(data, gaze, Streams(seed), augment)
    mix.fit(batch.images for batch in batches.round(0))
    found = Measured(name)
    for epoch in range(rounds):
        for number, batch in enumerate(batches.round(epoch)):
            step = mix.batch(batch.images, batch.labels, epoch=epoch, step=number, model=model)
            _count(found, batch, step, _label_weights(step))
    return found


def _check_servable(name: str, mix: PolicyMixer, model: nn.Module | None) -> None:
    """Refuse a policy whose label weights or windows depend on a model that is not there."""
    rules = {branch.labels.name for branch in mix.branches if branch.labels.when == "after"}
    guides = {branch.mixer.guide.name for branch in mix.branches if branch.mixer.sees}
    if model is None and (needing := sorted(rules | guides)):
        raise PolicyError(
            f"The policy {name!r} decides labels or windows by looking into a model ({', '.join(needing)}), so it has "
            "no inconsistency without one: pass a trained model with --model."
        )


@torch.no_grad()
def _label_weights(step: MixedStep) -> Tensor:
    """(B', S) float32: after every label rule."""
    if step.branch is None or step.branch.labels.when != "after" or step.model is None:
        return step.mixed.weights
    with step.watching():
        logits = step.model(step.mixed.images)
    return step.ruled(logits).weights


def _count(found: Measured, batch: GazeBatch, step: MixedStep, label: Tensor) -> None:
    """Add a mixed batch to what was found."""
    if step.branch is None or step.mixed.plan is None:
        found.unmixed += len(batch.places)
        return
    carried = step.branch.mixer.carry(batch.maps, step.mixed.plan)
    gaze, sources = gaze_weights(carried), step.mixed.sources
    values = inconsistency(label, gaze)
    is_mixed = (sources != sources[:, :1]).any(dim=1)
    counted = is_mixed & values.isfinite()
    found.unmixed += int((~is_mixed).sum())
    found.skipped += int((is_mixed & ~counted).sum())
    found.own = np.append(found.own, batch.places[sources[counted, 0]].numpy())
    found.values = np.append(found.values, values[counted].double().numpy())
    look = Seen(batch, step.mixed, carried, label, gaze)
    rows = counted.nonzero()[:, 0]
    ordered = rows[values[rows].argsort(stable=True)].tolist()
    found.best = sorted(found.best + [look.sample(i, values) for i in ordered[:N_SHOWN]], key=_value)[:N_SHOWN]
    worst = [look.sample(i, values) for i in ordered[::-1][:N_SHOWN]]
    found.worst = sorted(found.worst + worst, key=_value, reverse=True)[:N_SHOWN]


def _value(sample: MixedSample) -> float:
    return sample.value


def interval(by_image: NDArray[np.float64], seed: int = 0) -> Interval | None:
    """Return mean and 95 % bootstrap interval (percentiles, 2000 resamplings of images); None without any value."""
    values = by_image[np.isfinite(by_image)]
    if not len(values):
        return None
    draws = np.random.default_rng(seed).integers(0, len(values), (_RESAMPLINGS, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values.mean()), float(low), float(high))
