"""The loaders that training reads from: batches to learn from, images to judge by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from automix.data.augment import Augmentation
from automix.data.dataset import Split
from automix.data.loader import Loader
from automix.mixing.random import Streams, seed_of
from automix.training.maps import KeptMaps

if TYPE_CHECKING:
    from automix.data.dataset import DataSet
    from automix.policy.mixer import PolicyMixer
    from automix.training.settings import TrainSettings

__all__ = ["Batches", "evaluation_loader", "n_judged", "plain_batches", "shuffled_batches"]

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
        maps: what frozen guides say of the training images.
    """

    train: Loader
    val: Loader
    probe: Loader
    maps: KeptMaps

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
        index = torch.from_numpy(data.splits["train"].index)
        maps = KeptMaps(train, lambda: plain_batches(data, settings, device, mix.prepare), index, data.image_size)
        return cls(train, val, probe, maps)


def evaluation_loader(
    data: DataSet, split: Split, settings: TrainSettings, mix: PolicyMixer | None, device: torch.device
) -> Loader:
    """Open a split for evaluation: in order, not augmented, after the policy's input treatment; None for no policy."""
    size = _EVALUATION_FACTOR * settings.batch_size
    prepare = None if mix is None else mix.prepare
    return Loader(split, batch_size=size, device=device, mean=data.mean, std=data.std, prepare=prepare, shuffle=False)


def plain_batches(
    data: DataSet, settings: TrainSettings, device: torch.device, prepare: Callable[[Tensor], Tensor] | None = None
) -> Loader:
    """Open the training images in order: normalised, after ``prepare`` where given, nothing else."""
    return Loader(
        data.splits["train"],
        batch_size=settings.batch_size,
        device=device,
        mean=data.mean,
        std=data.std,
        prepare=prepare,
        shuffle=False,
    )


def shuffled_batches(
    data: DataSet, settings: TrainSettings, device: torch.device, prepare: Callable[[Tensor], Tensor]
) -> Loader:
    """Open the training images for something that is trained on them beforehand: shuffled and augmented.

    What is drawn does not depend on the settings' seed, so that it comes out alike whichever training asks first.
    """
    return Loader(
        data.splits["train"],
        batch_size=settings.batch_size,
        device=device,
        mean=data.mean,
        std=data.std,
        streams=Streams(seed_of("prepare")),
        augmentation=Augmentation.for_data(data) if settings.augment else None,
        prepare=prepare,
        shuffle=True,
    )


def n_judged(data: DataSet) -> int:
    """Count the images on which a model is judged after each epoch."""
    return len(data.splits["val"]) + _n_probe(data.splits["train"])


def _n_probe(split: Split) -> int:
    return min(_PROBE_IMAGES, max(1, len(split) // 4))


def _some(split: Split) -> Split:
    """Take evenly spaced images."""
    n = _n_probe(split)
    rows = np.linspace(0, len(split) - 1, n).round().astype(np.int64)
    return Split(images=split.images[rows], labels=split.labels[rows], index=split.index[rows])
