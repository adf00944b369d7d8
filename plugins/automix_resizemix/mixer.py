"""ResizeMix: the whole partner, shrunk and pasted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from automix.mixing import (
    Batch,
    BoxPlan,
    Card,
    Choice,
    Component,
    MixPlan,
    PairMixer,
    RandomPairing,
    Requires,
    UniformLaw,
)
from automix.mixing.shares import box_coverage, pair_shares
from automix_resizemix.functional import carry_into_boxes, paste_shrunk, pasted_boxes

__all__ = ["ResizeMix", "ResizePlan"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ResizePlan(BoxPlan):
    """The whole partner is seen, shrunk, inside a box.

    Args:
        perm: (B,) int64 partners; a row that is its own partner stays as it is, whatever its box.
        boxes: (B, 4) int64: y0, x0, y1, x1 in pixels, ends excluded; into which the partner is resized. An empty box
            leaves the row as it is.
        size: (H, W) of the picture, in pixels.
        lam: (B,) float32 label weight of the own image; use `from_boxes` to get it from the area.
    """

    @cached_property
    def pasted(self) -> Tensor:
        """(B, 4) int64: the boxes, empty where a row is its own partner."""
        own = self.perm == torch.arange(len(self.perm), device=self.perm.device)
        return self.boxes.masked_fill(own[:, None], 0)


class ResizeMix(PairMixer):
    """Shrink the whole partner and paste it at a random place; lam is the share of the picture outside.

    What the `ratio` slot draws is the rate: the length of a side of the pasted picture against the whole one, by
    default U(0.1, 0.8) as published. So ``lam = 1 - floor(rate * H) * floor(rate * W) / (H * W)``.

    Args:
        interpolation: how the partner is shrunk.
        prob, prob_unit: as in every pair mixer.
        draw_unit: "batch" draws one rate per batch as the official code does; the place is drawn per image in both.

    Source: Qin et al. 2020, arXiv 2012.11101, section 3.2, and the official code. Deviations: the rate is drawn per
    image by default; source pixels are ``floor(i * S / side)``, where that code divides by the rate before rounding.

    Example:
        >>> from automix.mixing import FixedLaw, ReversePairing
        >>> mixer = ResizeMix(ratio=FixedLaw(value=0.5), pairing=ReversePairing())
        >>> batch = Batch(torch.rand(2, 3, 8, 8), torch.tensor([3, 7]), num_classes=10)
        >>> mixer.draw(batch, torch.Generator().manual_seed(0)).lam
        tensor([0.7500, 0.7500])
    """

    name = "resizemix"
    card = Card(
        title="ResizeMix: Mixing Data with Preserved Object Information and True Labels",
        summary="The whole partner is shrunk and pasted into the image; the label follows the area.",
        authors="Qin, Fang, Zhang, Liu, Wang, Wang",
        year=2020,
        arxiv="2012.11101",
        code="JayQine/ResizeMix",
        use_when="The object fills the picture, so that a cut would show a meaningless part.",
        cost="two gathers per batch",
        differences="The rate is drawn per image unless draw_unit is batch. OpenMixup's variant (one place per batch, "
        "box clipped at the border) is not offered; its Beta-distributed rate is the ratio truncated_beta.",
    )
    plan_type = ResizePlan
    defaults: ClassVar[Mapping[str, Component]] = {
        "ratio": UniformLaw(low=0.1, high=0.8),
        "pairing": RandomPairing(),
    }
    requires = Requires(min_size_px=2)

    interpolation = Choice(
        "nearest",
        choices=("nearest", "bilinear"),
        doc="How the partner is shrunk.",
        source="official code: nearest",
        searched=False,
    )

    draw_unit = Choice(
        "sample",
        choices=("sample", "batch"),
        doc="Whether the rate is drawn once per image or once per batch; the place is drawn per image in both.",
        source="official code: batch",
        searched=False,
    )

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> ResizePlan:
        """Draw places; ``lam`` is the rate here (see the class)."""
        place = torch.rand(len(perm), 2, generator=generator, dtype=torch.float64)
        centre = (place * torch.tensor(batch.size)).long()
        return ResizePlan.from_boxes(perm, pasted_boxes(lam, centre, batch.size), batch.size)

    def move(self, images: Tensor, plan: ResizePlan, out: Tensor) -> Tensor:
        """Shrink and paste."""
        return paste_shrunk(images, plan.perm, plan.pasted, self.interpolation, out)

    def shares(self, plan: ResizePlan, h: int, w: int, how: str) -> Tensor:
        """Return the boxes' coverage of each cell, in closed form."""
        return pair_shares(box_coverage(plan.pasted, plan.size, h, w, how))

    def carry(self, maps: Tensor, plan: MixPlan) -> Tensor:
        """Cut the box out of the own map, and shrink the partner's whole map into it."""
        if not isinstance(plan, ResizePlan):
            return super().carry(maps, plan)
        plan = plan.to(maps.device)
        own, partner = maps[plan.sources][:, :, 0].float().unbind(dim=1)
        covered = box_coverage(plan.pasted, plan.size, maps.shape[-2], maps.shape[-1], "area")
        return torch.stack((own * (1.0 - covered), carry_into_boxes(partner, plan.pasted, plan.size)), dim=1)
