"""Mixed images that are kept to be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from automix.gaze.batches import GazeBatch
    from automix.mixing import MixedBatch

__all__ = ["MixedSample", "Seen"]


@dataclass(frozen=True, eq=False)
class MixedSample:
    """One mixed image; pictures in [0, 1].

    Attributes:
        value: its inconsistency.
        image: (C, H, W) mixed.
        sources: (S, C, H, W) the clean images that are in it, flipped and cropped.
        maps: (S, H, W) their gaze.
        carried: (S, H, W) the gaze that is still seen, where it lies now.
        shares: (S, h, w) whose each place is; h = w = 1 where it is the same everywhere.
        label: (S,) label weights.
        gaze: (S,) gaze weights.
        classes: (S,) int64.
    """

    value: float
    image: Tensor
    sources: Tensor
    maps: Tensor
    carried: Tensor
    shares: Tensor
    label: Tensor
    gaze: Tensor
    classes: Tensor


@dataclass(frozen=True, eq=False)
class Seen:
    """A mixed batch with all that is known of it, from which samples are taken."""

    batch: GazeBatch
    mixed: MixedBatch
    carried: Tensor
    label: Tensor
    gaze: Tensor

    def sample(self, row: int, values: Tensor) -> MixedSample:
        """Copy one row; ``values`` (B',) are the inconsistencies."""
        sources = self.mixed.sources[row]
        height, width = self.mixed.images.shape[-2:]
        return MixedSample(
            value=float(values[row]),
            # A copy: the memory of mixed images is used again for the next batch.
            image=self.batch.picture(self.mixed.images[row]).clone(),
            sources=self.batch.picture(self.batch.images[sources]),
            maps=self.batch.maps[sources, 0],
            carried=self.carried[row].clone(),
            shares=self.mixed.shares(height, width)[row],
            label=self.label[row] / self.label[row].sum(),
            gaze=self.gaze[row],
            classes=self.batch.labels[sources],
        )
