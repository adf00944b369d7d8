"""Maps of guides that do not change during training: computed once for each training image, moved as the image is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from automix.data.augment import replay

if TYPE_CHECKING:
    from automix.data.loader import Loader
    from automix.mixing import Guide

__all__ = ["KeptMaps"]

_log = logging.getLogger(__name__)
# Maps on a patch grid of 14 x 14 take 784 bytes an image; what is larger than this in all is computed batch by batch.
_MOST_BYTES = 1 << 28


class KeptMaps:
    """The maps of frozen guides (`automix.mixing.Guide.is_frozen`), made when a guide is first asked for.

    A map of the flipped and shifted image is taken to be the flipped and shifted map. For a network that is nearly so:
    it would also see the border that came in.

    Args:
        train: gives augmented batches.
        open_plain: opens the same images in the order of the data, as they are before augmentation.
        index: (n,) int64, position of the training images in the data set, in that order.
        size: (H, W) of the images.
    """

    def __init__(self, train: Loader, open_plain: Callable[[], Loader], index: Tensor, size: tuple[int, int]) -> None:
        self._train, self._open_plain, self._index, self._size = train, open_plain, index, size
        self._row_of = torch.zeros(int(index.max()) + 1, dtype=torch.long)
        self._row_of[index] = torch.arange(len(index))
        # By identity: two branches may have guides of one name with different settings.
        self._kept: dict[int, Tensor | None] = {}

    def at(self, epoch: int, step: int, index: Tensor) -> Callable[[Guide], Tensor | None]:
        """Return what gives a guide's maps for one batch of the training loader: (B, 1, h, w), or None.

        Args:
            epoch: number of the epoch.
            step: number of the batch.
            index: (B,) int64, position of its images in the data set.
        """

        def maps(guide: Guide) -> Tensor | None:
            kept = self._of(guide)
            if kept is None:
                return None
            found = kept[self._row_of.to(kept.device)[index.to(kept.device)]]
            plan = self._train.augment_plan(epoch, step, len(index))
            return found if plan is None else replay(found, plan, self._size)

        return maps

    def _of(self, guide: Guide) -> Tensor | None:
        if not guide.is_frozen:
            return None
        if id(guide) not in self._kept:
            self._kept[id(guide)] = self._made(guide)
        return self._kept[id(guide)]

    def _made(self, guide: Guide) -> Tensor | None:
        """(n, 1, h, w): the maps of all training images; None where they would take too much memory."""
        parts: list[Tensor] = []
        for images, labels, _ in self._open_plain().epoch(0):
            parts.append(guide.maps(images, labels))
            if parts[0][0].nbytes * len(self._index) > _MOST_BYTES:
                _log.info("the maps of guide %r are too large to be kept", guide.name)
                return None
        return torch.cat(parts)
