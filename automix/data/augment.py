"""Random flips and shifts of a whole batch: the augmentation that every arm of a search shares, mixing or not.

An image is flipped left to right with probability 1/2, then padded with zeros on all sides and cropped back to its
size at a random place. Images are normalised before, so zero is the mean colour of the training images. What was
drawn can be replayed on maps of any resolution (guides, gaze).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from automix.mixing.shares import cell_edges

if TYPE_CHECKING:
    from automix.data.dataset import DataSet

__all__ = ["AugmentPlan", "Augmentation", "replay"]

_TINY = 16
# On the CPU, images of at least this many bytes are copied one by one. Measured on one core of a busy machine (float32,
# 3 channels): the loop takes 1.6 times as long as the gather at 32 px (12 kB), 0.4 times at 64 px, 0.2 times at 224 px.
_LOOP_BYTES = 32 * 1024


@dataclass(frozen=True, eq=False)
class AugmentPlan:
    """What was drawn for n images; on the CPU.

    Attributes:
        flip: (n,) bool, whether the image is mirrored.
        dy: (n,) int64, how many pixels the content moves up, in [-padding, padding]; zeros come in from below.
        dx: (n,) int64, likewise to the left.
    """

    flip: Tensor
    dy: Tensor
    dx: Tensor


@dataclass(frozen=True)
class Augmentation:
    """Flips and shifted crops.

    Args:
        flip: mirror each image left to right with probability 1/2.
        crop_padding: largest shift in each direction, px; 0 for none.

    Example:
        >>> augmentation = Augmentation(flip=False, crop_padding=1)
        >>> plan = AugmentPlan(flip=torch.tensor([True]), dy=torch.tensor([0]), dx=torch.tensor([1]))
        >>> augmentation.apply(torch.tensor([[[[1.0, 2.0, 3.0]]]]), plan)
        tensor([[[[2., 1., 0.]]]])
    """

    flip: bool
    crop_padding: int

    @classmethod
    def for_data(cls, dataset: DataSet) -> Augmentation:
        """Choose by image size and colour.

        Up to 16 px: shifts of 1 px and no flip, since a mirrored digit or icon often means something else. Larger:
        shifts of an eighth of the short side (4 px at 32), flipped where the images have colour. Grey images are
        not flipped: they are often characters or scans, where sides matter.
        """
        side = min(dataset.image_size)
        if side <= _TINY:
            return cls(flip=False, crop_padding=1)
        return cls(flip=dataset.channels == 3, crop_padding=round(side / 8))

    def describe(self) -> str:
        """Say in a few words what is done."""
        parts = ["random horizontal flip"] if self.flip else []
        if self.crop_padding:
            parts.append(f"random crop after zero padding of {self.crop_padding} px")
        return ", ".join(parts) or "none"

    def draw(self, n: int, generator: torch.Generator) -> AugmentPlan:
        """Decide for ``n`` images.

        Args:
            n: number of images.
            generator: a CPU generator; takes the same numbers from it whether or not flips are on.
        """
        flip = torch.rand(n, generator=generator) < 0.5
        shift = torch.randint(-self.crop_padding, self.crop_padding + 1, (2, n), generator=generator)
        return AugmentPlan(flip if self.flip else torch.zeros_like(flip), shift[0], shift[1])

    def apply(self, images: Tensor, plan: AugmentPlan) -> Tensor:
        """Flip and shift by a plan.

        Args:
            images: (n, C, H, W), any dtype and device, not modified.
            plan: from `draw`, or made by hand.

        Returns:
            A new tensor like ``images``; what comes in from outside is 0.
        """
        row_bytes = images[0].numel() * images.element_size()
        by_row = images.device.type == "cpu" and row_bytes >= _LOOP_BYTES
        return (_by_row if by_row else _by_gather)(images, plan)


def replay(maps: Tensor, plan: AugmentPlan, size: tuple[int, int]) -> Tensor:
    """Flip and shift maps as the images that they belong to were.

    A map is taken as constant within each of its cells; a cell of the result holds the mean over what lies there after
    the shift, so that shifts by parts of a cell are exact.

    Args:
        maps: (n, 1, h, w) float, of any resolution; not modified.
        plan: of the images; on the CPU.
        size: (H, W) of the images in pixels.

    Returns:
        A new tensor like ``maps``; what comes in from outside is 0.
    """
    flip, dy, dx = (value.to(maps.device, non_blocking=True) for value in (plan.flip, plan.dy, plan.dx))
    seen = torch.where(flip[:, None, None], maps[:, 0].flip(-1), maps[:, 0])
    down, across = _shifting(dy, maps.shape[2], size[0]), _shifting(dx, maps.shape[3], size[1])
    return (down @ seen @ across.transpose(1, 2))[:, None]


def _shifting(shift: Tensor, cells: int, pixels: int) -> Tensor:
    """(n, cells, cells): which share of each cell (row) is covered by each former cell (column), moved by -shift."""
    first, last = cell_edges(cells, pixels, shift.device)
    begin, end = first - shift[:, None], last - shift[:, None]
    overlap = torch.minimum(last[:, None], end[:, None, :]) - torch.maximum(first[:, None], begin[:, None, :])
    return overlap.clamp_(min=0.0) * (cells / pixels)


def _by_gather(images: Tensor, plan: AugmentPlan) -> Tensor:
    """Find where each pixel comes from, then fetch all at once."""
    n, channels, height, width = images.shape
    device = images.device
    flip, dy, dx = (value.to(device, non_blocking=True) for value in (plan.flip, plan.dy, plan.dx))
    y = torch.arange(height, device=device) + dy[:, None]
    x = torch.arange(width, device=device) + dx[:, None]
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
    x = torch.where(flip[:, None], width - 1 - x, x)
    source = y.clamp(0, height - 1)[:, :, None] * width + x.clamp(0, width - 1)[:, None, :]
    moved = images.flatten(2).gather(2, source.view(n, 1, -1).expand(n, channels, -1)).view_as(images)
    return moved.masked_fill_(~inside[:, None], 0)


def _by_row(images: Tensor, plan: AugmentPlan) -> Tensor:
    """Copy the part that stays in view, image by image."""
    height, width = images.shape[2:]
    out = torch.zeros_like(images)
    for i, (flip, dy, dx) in enumerate(zip(plan.flip.tolist(), plan.dy.tolist(), plan.dx.tolist(), strict=True)):
        image = images[i].flip(-1) if flip else images[i]
        view = image[:, max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)]
        out[i, :, max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)] = view
    return out
