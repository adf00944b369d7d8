"""What TdAttenMix decides for a batch; can be made by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from automix.mixing import BoxPlan

__all__ = ["WindowPlan"]


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowPlan(BoxPlan):
    """A box of the partner is pasted over a box of the own image that lies elsewhere.

    Args:
        perm: (B,) int64 partners.
        boxes: (B, 4) int64: y0, x0, y1, x1 in pixels, ends excluded; what is overwritten in the own image. An empty
            box leaves the row as it is.
        source_boxes: (B, 4) int64: what is taken from the partner; of the same height and width.
        size: (H, W) of the picture, in pixels.
        lam: (B,) float32 label weight of the own image.
    """

    source_boxes: Tensor

    @classmethod
    def from_windows(cls, perm: Tensor, source: Tensor, target: Tensor, size: tuple[int, int]) -> Self:
        """Make a plan from boxes, with lam the share of the picture outside; rows that are their own partner stay."""
        own = (perm == torch.arange(len(perm), device=perm.device))[:, None]
        boxes, source = target.masked_fill(own, 0), source.masked_fill(own, 0)
        y0, x0, y1, x1 = boxes.unbind(dim=1)
        lam = 1.0 - ((y1 - y0) * (x1 - x0)).float() / (size[0] * size[1])
        return cls(perm=perm, lam=lam, boxes=boxes, source_boxes=source, size=size)
