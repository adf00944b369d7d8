"""Batches on the device: kept there as uint8 where they fit, streamed where not, with equal values either way.

On the CPU the memory-mapped file itself is the resident copy: all processes share its pages. On a GPU the images
are uploaded once if they fit into a share of the free memory; otherwise each batch is gathered into pinned memory
and copied while the GPU computes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from automix.data.augment import Augmentation, AugmentPlan
from automix.data.dataset import Split
from automix.errors import SettingError
from automix.mixing.random import Streams

__all__ = ["Loader"]


class Loader:
    """Iterates over one split.

    An image becomes ``(image / 255 - mean) / std``, then passes ``prepare``, then the augmentation. The last batch
    may be short and is kept, with one exception: when shuffling, a last batch of a single image is left out
    (another one each epoch), because batch normalisation cannot train on one.

    Args:
        split: images and labels.
        batch_size: images per batch, at least 1.
        device: where batches are wanted.
        mean: per channel, on the scale [0, 1].
        std: likewise.
        streams: gives the random numbers, at ``(epoch, "order")`` and ``(epoch, step, "augment")``; needed for
            shuffling and augmentation.
        augmentation: None for none.
        prepare: the policy's input treatment, (B, C, H, W) to the same.
        shuffle: draw a new order each epoch; otherwise the order of the split.
        drop_last: leave out every short last batch, unless it is the only one.
        memory_limit: share of the GPU's free memory that the images may take, in [0, 1]; 0 always streams.

    Attributes:
        is_resident: whether the images stay on the device.

    Raises:
        SettingError: an argument is out of its range, or ``streams`` is missing.
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        device: torch.device | str,
        mean: Sequence[float],
        std: Sequence[float],
        streams: Streams | None = None,
        augmentation: Augmentation | None = None,
        prepare: Callable[[Tensor], Tensor] | None = None,
        shuffle: bool,
        drop_last: bool = False,
        memory_limit: float = 0.3,
    ) -> None:
        if batch_size < 1:
            raise SettingError(f"Expected `batch_size` of at least 1 but got {batch_size}.")
        if not 0 <= memory_limit <= 1:
            raise SettingError(f"Expected `memory_limit` in [0, 1] but got {memory_limit}.")
        if streams is None and (shuffle or augmentation is not None):
            raise SettingError("Expected `streams` for shuffling or augmentation but got None.")
        self.batch_size = batch_size
        self.device = torch.device(device)
        self._streams = streams
        self._augmentation = augmentation
        self._prepare = prepare
        self._shuffle = shuffle
        self._drop_last = drop_last
        scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
        shift = -torch.tensor(mean, dtype=torch.float64) / torch.tensor(std, dtype=torch.float64)
        self._scale, self._shift = (value.float().view(-1, 1, 1).to(self.device) for value in (scale, shift))
        images = _as_tensor(split.images)
        self.is_resident = _fits(images, self.device, memory_limit)
        self._images = images.to(self.device) if self.is_resident else images
        self._labels = torch.from_numpy(split.labels).to(self.device)
        self._index = torch.from_numpy(split.index).to(self.device)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        full, rest = divmod(len(self._labels), self.batch_size)
        drops = full > 0 and (self._drop_last or (self._shuffle and rest == 1))
        return full + (rest > 0 and not drops)

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield the batches of one epoch; calling again with the same number gives the same batches.

        Yields:
            images (B, C, H, W) float32, labels (B,) int64 and index (B,) int64 (position in the data set), on the
            device. All are new tensors, free to be changed.
        """
        order = self._order(epoch)
        here = order.to(self.device)
        for step in range(len(self)):
            part = slice(step * self.batch_size, (step + 1) * self.batch_size)
            images = self._fetch(order[part], here[part])
            if self._prepare is not None:
                images = self._prepare(images)
            plan = self.augment_plan(epoch, step, len(images))
            if self._augmentation is not None and plan is not None:
                images = self._augmentation.apply(images, plan)
            yield images, self._labels[here[part]], self._index[here[part]]

    def augment_plan(self, epoch: int, step: int, n: int) -> AugmentPlan | None:
        """Say how the ``n`` images of a batch are flipped and shifted; None where they are not."""
        if self._augmentation is None or self._streams is None:
            return None
        return self._augmentation.draw(n, self._streams.generator(epoch, step, "augment"))

    def _order(self, epoch: int) -> Tensor:
        n = len(self._labels)
        if not self._shuffle or self._streams is None:
            return torch.arange(n)
        return torch.randperm(n, generator=self._streams.generator(epoch, "order"))

    def _fetch(self, rows: Tensor, rows_on_device: Tensor) -> Tensor:
        if self.is_resident:
            return self._normalise(self._images[rows_on_device])
        batch = self._images[rows]
        if self.device.type == "cuda":
            # The pinned block is handed out again only after the copy is done: torch's allocator waits for it.
            batch = batch.pin_memory()
        return self._normalise(batch.to(self.device, non_blocking=True))

    def _normalise(self, batch: Tensor) -> Tensor:
        return batch.to(torch.float32).mul_(self._scale).add_(self._shift)


def _as_tensor(images: NDArray[np.uint8]) -> Tensor:
    """Wrap a memory map without copying it."""
    with warnings.catch_warnings():
        # The map is for reading only, of which torch warns; nothing here writes into it. A writable map (copy-on-write)
        # would count as this process's memory, and data larger than that would be refused.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(images)


def _fits(images: Tensor, device: torch.device, memory_limit: float) -> bool:
    """Tell whether images may live on the device; the CPU's memory map takes no memory of its own."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return images.numel() <= memory_limit * free
    return device.type == "cpu" and memory_limit > 0
