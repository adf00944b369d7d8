"""Images with their gaze in a seeded order, flipped and cropped together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from automix.data.augment import Augmentation, replay
from automix.mixing import Streams

if TYPE_CHECKING:
    from automix.data import DataSet
    from automix.gaze.aligned import AlignedGaze

__all__ = ["GazeBatch", "GazeBatches"]

_SIZE = 64


@dataclass(frozen=True, eq=False)
class GazeBatch:
    """A clean batch.

    Attributes:
        places: (B,) int64, positions among the images with gaze.
        images: (B, C, H, W) float32, normalised.
        maps: (B, 1, H, W) float32.
        labels: (B,) int64.
        mean: (C, 1, 1) of the normalisation. std: likewise.
    """

    places: Tensor
    images: Tensor
    maps: Tensor
    labels: Tensor
    mean: Tensor
    std: Tensor

    def picture(self, images: Tensor) -> Tensor:
        """Undo the normalisation of images (..., C, H, W)."""
        return (images * self.std + self.mean).clamp(0, 1)


@dataclass(frozen=True, eq=False)
class GazeBatches:
    """All images with gaze, batch by batch.

    Attributes:
        data: the data set.
        gaze: which of its training images, and their maps.
        streams: of order, flips and crops; equal streams give equal batches.
        augment: whether images are flipped and cropped, as in training.
    """

    data: DataSet
    gaze: AlignedGaze
    streams: Streams
    augment: bool

    def round(self, epoch: int) -> Iterator[GazeBatch]:
        """Yield every image once."""
        split, n = self.data.splits["train"], len(self.gaze.rows)
        mean, std = (torch.tensor(part)[:, None, None] for part in (self.data.mean, self.data.std))
        augmentation = Augmentation.for_data(self.data)
        order = torch.randperm(n, generator=self.streams.generator("gaze", epoch, "order"))
        # As even as can be, so that no batch is left with a single image.
        for number, places in enumerate(order.tensor_split(-(-n // _SIZE))):
            rows = self.gaze.rows[places].numpy()
            images = (torch.from_numpy(split.images[rows]).float() / 255 - mean) / std
            maps, labels = self.gaze.maps[places], torch.from_numpy(split.labels[rows])
            if self.augment:
                plan = augmentation.draw(len(places), self.streams.generator("gaze", epoch, number, "augment"))
                images, maps = augmentation.apply(images, plan), replay(maps, plan, self.data.image_size)
            yield GazeBatch(places, images, maps, labels, mean, std)
