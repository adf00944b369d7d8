"""Training a few policies again on fresh seeds, in pairs, and looking at the test images: once, here, nowhere else.

A search compares many policies on one seed, so its winner is partly lucky. Here every policy is trained on the same
fresh seeds (initial weights, order, augmentation and mixing all follow the seed), so that differences are paired, and
the test images, which nothing was chosen by, are evaluated after the last epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean, stdev
from typing import TYPE_CHECKING

from automix.errors import SettingError
from automix.mixing.random import seed_of
from automix.policy import PolicyDocument, compile_policy
from automix.training.batches import evaluation_loader
from automix.training.device import autocast, choose_device
from automix.training.evaluate import evaluate
from automix.training.loop import train

if TYPE_CHECKING:
    from automix.data import DataSet
    from automix.registry import Registry
    from automix.training.result import TrainResult
    from automix.training.settings import TrainSettings

__all__ = ["Confirmation", "ConfirmedRun", "PairedDifference", "confirm", "fresh_seeds"]

_SEED_RANGE = 2**31


@dataclass(frozen=True, kw_only=True)
class ConfirmedRun:
    """One policy trained on one seed.

    Attributes:
        policy: its name among those compared.
        seed: that it was trained with.
        metrics: ``val/...`` and ``test/...`` after the last epoch.
    """

    policy: str
    seed: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class PairedDifference:
    """One policy minus another, seed by seed.

    Attributes:
        values: one difference per seed.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Average difference."""
        return mean(self.values)

    @property
    def sd(self) -> float | None:
        """Standard deviation of the differences; None for a single seed."""
        return stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Confirmation:
    """All runs of a confirmation, policy by policy and seed by seed."""

    runs: tuple[ConfirmedRun, ...]

    def values(self, policy: str, metric: str) -> dict[int, float]:
        """Return a policy's metric by seed."""
        return {run.seed: run.metrics[metric] for run in self.runs if run.policy == policy}

    def difference(self, policy: str, reference: str, metric: str = "test/top1") -> PairedDifference:
        """Subtract the reference's value from the policy's on each seed."""
        ours, theirs = self.values(policy, metric), self.values(reference, metric)
        return PairedDifference(tuple(ours[seed] - theirs[seed] for seed in ours))


def fresh_seeds(study_seed: int, n: int) -> list[int]:
    """Return ``n`` seeds that the search of ``study_seed`` did not train with."""
    return [seed_of(study_seed, "confirm", i) % _SEED_RANGE for i in range(n)]


def confirm(
    data: DataSet,
    documents: Mapping[str, PolicyDocument],
    settings: TrainSettings,
    seeds: Sequence[int],
    *,
    registry: Registry,
    on_run: Callable[[ConfirmedRun], None] | None = None,
) -> Confirmation:
    """Train each policy on each seed, and evaluate validation and test images after the last epoch.

    Args:
        data: the data of the search.
        documents: policies by name.
        settings: of the search; the seed is replaced.
        seeds: at least one; see `fresh_seeds`.
        registry: where policies are looked up.
        on_run: told each run as it ends.

    Raises:
        SettingError: there is no seed, or the search's own is among them.
        TrainingFailed: a policy cannot be trained.
    """
    if not seeds or settings.seed in seeds or len(set(seeds)) < len(seeds):
        raise SettingError(f"Expected `seeds` that differ from each other and from {settings.seed} but got {seeds!r}.")
    runs = []
    for seed in seeds:
        for name, document in documents.items():
            result = train(data, document, replace(settings, seed=seed), registry=registry)
            runs.append(ConfirmedRun(policy=name, seed=seed, metrics=_judge(data, settings, result, registry)))
            if on_run is not None:
                on_run(runs[-1])
    return Confirmation(tuple(runs))


def _judge(data: DataSet, settings: TrainSettings, result: TrainResult, registry: Registry) -> dict[str, float]:
    device = choose_device(settings.device)
    # Images are prepared as the policy was fitted in training (BC+ subtracts statistics of the training images).
    mix = compile_policy(
        result.document, registry, num_classes=data.num_classes, task=data.task, normalization=(data.mean, data.std)
    )
    loader = evaluation_loader(data, data.splits["test"], settings, mix, device)
    test = evaluate(result.model, loader, autocast=lambda: autocast(device, settings.amp))
    val = {name: value for name, value in result.last.items() if name.startswith("val/")}
    return {**val, **{f"test/{name}": value for name, value in test.items()}}
