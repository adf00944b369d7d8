"""The three families of pair mixers: blends, boxes and masks. Each knows how to move pixels, tell shares and carry
maps.

A plugin inherits one of them and decides numbers, boxes or masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from automix.errors import PolicyError
from automix.mixing import kernels
from automix.mixing.batch import PairPlan
from automix.mixing.mixer import PairMixer
from automix.mixing.shares import box_coverage, mask_shares, pair_shares

__all__ = ["BlendMixer", "BoxMixer", "BoxPlan", "MaskMixer", "MaskPlan", "boxes_around", "random_boxes"]


class BlendMixer(PairMixer):
    """``lam * x_i + (1 - lam) * x_perm(i)``, the same at every pixel. Its plan is a `PairPlan`."""

    def move(self, images: Tensor, plan: PairPlan, out: Tensor) -> Tensor:
        """Blend."""
        return kernels.blend(images, plan.perm, plan.lam, out)


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxPlan(PairPlan):
    """The partner's pixels are pasted inside a box.

    Args:
        perm: (B,) int64 partners.
        boxes: (B, 4) int64: y0, x0, y1, x1 in pixels, ends excluded; where the partner's pixels are seen. An empty box
            leaves the row as it is.
        size: (H, W) of the picture, in pixels.
        lam: (B,) float32 label weight of the own image; use `from_boxes` to get it from the area.
    """

    boxes: Tensor
    size: tuple[int, int]

    @classmethod
    def from_boxes(cls, perm: Tensor, boxes: Tensor, size: tuple[int, int]) -> Self:
        """Make a plan whose lam is the share of the picture outside the box: 1 - area / (H W)."""
        if boxes.shape != (len(perm), 4):
            raise PolicyError(f"Expected boxes (B, 4) for B = {len(perm)} but got {tuple(boxes.shape)}.")
        y0, x0, y1, x1 = boxes.unbind(dim=1)
        lam = 1.0 - ((y1 - y0) * (x1 - x0)).float() / (size[0] * size[1])
        return cls(perm=perm, lam=lam, boxes=boxes, size=size)


class BoxMixer(PairMixer):
    """The partner's pixels inside a box, at the same place. Its plan is a `BoxPlan`."""

    plan_type = BoxPlan
    dtypes = (torch.float32, torch.bfloat16, torch.float16, torch.uint8)

    def move(self, images: Tensor, plan: BoxPlan, out: Tensor) -> Tensor:
        """Paste."""
        return kernels.paste_boxes(images, plan.perm, plan.boxes, out)

    def shares(self, plan: BoxPlan, h: int, w: int, how: str) -> Tensor:
        """Return the boxes' coverage of each cell, in closed form."""
        return pair_shares(box_coverage(plan.boxes, plan.size, h, w, how))

    def keep_own(self, plan: PairPlan, rows: Tensor) -> PairPlan:
        """Empty the boxes of the rows as well."""
        kept = super().keep_own(plan, rows)
        return kept.replaced(boxes=plan.boxes.masked_fill(rows[:, None], 0)) if isinstance(plan, BoxPlan) else kept


def random_boxes(
    lam: Tensor,
    n: int,
    size: tuple[int, int],
    generator: torch.Generator,
    *,
    grid: tuple[int, int] | None = None,
) -> Tensor:
    """Draw CutMix's boxes (Yun et al. 2019, rand_bbox of clovaai/CutMix-PyTorch).

    The centre is uniform over all cells; sides and ends are those of `boxes_around`.

    Args:
        lam: (n,) or (1,) float; with (1,) one box serves all rows.
        n: rows.
        size: (H, W) in pixels.
        generator: CPU generator.
        grid: (rows, columns) of a coarser grid on which the box is drawn, both dividing the picture or not; None for
            pixels.

    Returns:
        (n, 4) int64 y0, x0, y1, x1, clipped to the picture, ends excluded.
    """
    cells = torch.tensor(grid or size)
    centre = torch.rand(len(lam), 2, generator=generator, dtype=torch.float64).mul_(cells).floor_()
    boxes = boxes_around(centre, lam, grid or size)
    if grid is not None:
        # Cell edges in pixels; exact where the grid divides the picture.
        boxes = boxes * torch.tensor([*size, *size]) // torch.cat((cells, cells))
    return boxes.expand(n, 4)


def boxes_around(centre: Tensor, lam: Tensor, size: tuple[int, int]) -> Tensor:
    """Place CutMix's boxes around given centres.

    Sides are ``floor(S * sqrt(1 - lam))`` per axis, the ends are centre -+ floor(side / 2), clipped to the picture.

    Args:
        centre: (n, 2) int64, or whole numbers as float64: y, x, on any device.
        lam: (n,) or (1,) float.
        size: (H, W) in the units of the centre.

    Returns:
        (n, 4) int64 y0, x0, y1, x1, ends excluded, on the device of the centres.
    """
    # In float64: the floor must not depend on how float32 rounds.
    ends = torch.tensor([*size, *size], dtype=torch.float64, device=centre.device)
    reach = (1.0 - lam.to(ends)).clamp_(min=0.0).sqrt_()[:, None]
    # floor(floor(x) / 2) is floor(x / 2), so that halving first spares a floor.
    half = (reach * (ends[:2] / 2)).floor_()
    boxes = torch.cat((centre - half, centre + half), dim=1)
    return boxes.clamp_(min=torch.zeros_like(ends), max=ends).long()


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskPlan(PairPlan):
    """The two images are blended by a mask.

    Args:
        perm: (B,) int64 partners.
        mask: (B, 1, H, W) or (1, 1, H, W) float32 in [0, 1]; 1 where the own image is kept.
        lam: (B,) float32 label weight of the own image; use `from_mask` to get it from the mask.
    """

    mask: Tensor

    @classmethod
    def from_mask(cls, perm: Tensor, mask: Tensor) -> Self:
        """Make a plan whose lam is the mean of the mask."""
        return cls(perm=perm, lam=mask.float().mean(dim=(1, 2, 3)).expand(len(perm)), mask=mask)

    @classmethod
    def from_profiles(cls, perm: Tensor, rows: Tensor, columns: Tensor, device: torch.device) -> Self:
        """Make the plan of a separable spot, in which the partner's weight is ``rows * columns``.

        Profiles are small and drawn on the CPU; the mask is written where it is needed, and lam is known without it.

        Args:
            perm: (B,) int64 partners.
            rows: (n, H) float in [0, 1], for n = B or 1.
            columns: (n, W) float in [0, 1].
            device: of the images.
        """
        lam = 1.0 - rows.double().mean(dim=1) * columns.double().mean(dim=1)
        down, across = rows.float().to(device), columns.float().to(device)
        mask = 1.0 - down[:, None, :, None] * across[:, None, None, :]
        return cls(perm=perm, lam=lam.float().expand(len(perm)), mask=mask)

    @cached_property
    def rows(self) -> Tensor:
        """(B, 1, H, W): the mask of each row, 1 where a row is its own partner."""
        own = self.perm == torch.arange(len(self.perm), device=self.perm.device)
        return torch.where(own[:, None, None, None], torch.ones_like(self.mask[:1]), self.mask)


class MaskMixer(PairMixer):
    """``mask * x_i + (1 - mask) * x_perm(i)``. Its plan is a `MaskPlan`."""

    plan_type = MaskPlan

    def move(self, images: Tensor, plan: MaskPlan, out: Tensor) -> Tensor:
        """Blend by the mask."""
        return kernels.blend_mask(images, plan.perm, plan.mask, out)

    def shares(self, plan: MaskPlan, h: int, w: int, how: str) -> Tensor:
        """Return the mask's mean over each cell."""
        return mask_shares(plan.rows, h, w, how)
