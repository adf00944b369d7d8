"""What a `prepare` stage works with: training images, and a store that keeps what was made of them.

A component that needs more than numbers (a trained network, fitted statistics) makes it in `prepare` as named tensors.
They are made once for the same data and settings, shared by all processes, and travel with a policy that needs them.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from automix.mixing.inputs import Normalization

__all__ = ["ArtifactStore", "LabelledBatch", "PrepareContext"]

LabelledBatch = tuple[Tensor, Tensor, Tensor]
"""images (B, C, H, W) float32, normalised; labels (B,) int64; index (B,) int64, position in the data set."""

_DIGITS = 12


class ArtifactStore(ABC):
    """Keeps what a `prepare` stage made, by content key; handed in by whoever runs the search."""

    @abstractmethod
    def tensors(self, key: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """Return the tensors stored under ``key``, made once (under a lock) by ``make`` where missing."""


@dataclass(frozen=True, eq=False)
class PrepareContext:
    """What a `prepare` stage may use.

    Args:
        batches: returns the training batches one after the other, in the order of the data, without augmentation.
        shuffled: returns them for an epoch (a number) of a training: in a new order, augmented as the search augments.
        num_classes: K.
        channels: of the images.
        image_size: (H, W) in pixels.
        normalization: (mean, std) per channel that the images are normalised with, on the scale [0, 1].
        device: where to compute.
        fingerprint: content hash of the data, to be part of the artifact's key.
        store: where the result is kept.
    """

    batches: Callable[[], Iterator[LabelledBatch]]
    shuffled: Callable[[int], Iterator[LabelledBatch]]
    num_classes: int
    channels: int
    image_size: tuple[int, int]
    normalization: Normalization
    device: torch.device
    fingerprint: str
    store: ArtifactStore

    def keep(
        self, name: str, settings: Mapping[str, Any], make: Callable[[], Mapping[str, Tensor]], source: str = ""
    ) -> Mapping[str, Tensor]:
        """Return what ``make`` makes of these data under these settings, made once.

        A policy takes it along by name and settings, so that it can be used where neither data nor source are.

        Args:
            name: of what is made: lower case, digits and underscores.
            settings: every setting that it depends on; plain values.
            make: makes it; tensors on any device.
            source: content hash of what else it is made from (a file of weights, a teacher).

        Returns:
            Tensors on the CPU; not to be changed.
        """
        made_from = [self.fingerprint, self.num_classes, self.channels, self.image_size, source]
        return self.store.tensors(f"{name}-{_digest(settings)}-{_digest(made_from)}", make)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_DIGITS]
