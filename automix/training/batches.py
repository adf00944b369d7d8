"""The loaders that training reads from: batches to learn from, images to judge by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from automix.data.augment import Augmentation
from automix.data.dataset import Split
from automix.data.loader import Loader
from automix.mixing.random import Streams

if TYPE_CHECKING:
    from automix.data.dataset import DataSet
    from automix.policy.mixer import PolicyMixer
    from automix.training.settings import TrainSettings

__all__ = ["Batches", "evaluation_loader", "plain_batches"]

_PROBE_IMAGES = 512
# Without gradients a batch takes a small part of the memory.
_EVALUATION_FACTOR = 4


@dataclass(frozen=True, eq=False)
class Batches:
    """All loaders of one training.

    Attributes:
        train: shuffled and augmented, after the policy's input treatment.
        val: validation images after the input treatment.
        probe: some training images, the same in every epoch and trial, as validation images are treated: how well the
            model knows what it is trained on, mixed or not. A quarter of the images, at most 512.
    """

    train: Loader
    val: Loader
    probe: Loader

    @classmethod
    def open(cls, data: DataSet, settings: TrainSettings, mix: PolicyMixer, device: torch.device) -> Batches:
        """Open the loaders of a policy whose input treatment is fitted."""
        train = Loader(
            data.splits["train"],
            batch_size=settings.batch_size,
            device=device,
            mean=data.mean,
            std=data.std,
            streams=Streams(settings.seed),
            augmentation=Augmentation.for_data(data) if settings.augment else None,
            prepare=mix.prepare,
            shuffle=True,
        )
        val = evaluation_loader(data, data.splits["val"], settings, mix, device)
        probe = evaluation_loader(data, _some(data.splits["train"]), settings, mix, device)
        return cls(train, val, probe)


def evaluation_loader(
    data: DataSet, split: Split, settings: TrainSettings, mix: PolicyMixer, device: torch.device
) -> Loader:
    """Open a split for evaluation: in order, not augmented, after the policy's input treatment."""
    size = _EVALUATION_FACTOR * settings.batch_size
    return Loader(
        split, batch_size=size, device=device, mean=data.mean, std=data.std, prepare=mix.prepare, shuffle=False
    )


def plain_batches(data: DataSet, settings: TrainSettings, device: torch.device) -> Loader:
    """Open the training images as they are: normalised, nothing else."""
    size = settings.batch_size
    return Loader(data.splits["train"], batch_size=size, device=device, mean=data.mean, std=data.std, shuffle=False)


def _some(split: Split) -> Split:
    """Take evenly spaced images."""
    n = min(_PROBE_IMAGES, max(1, len(split) // 4))
    rows = np.linspace(0, len(split) - 1, n).round().astype(np.int64)
    return Split(images=split.images[rows], labels=split.labels[rows], index=split.index[rows])
