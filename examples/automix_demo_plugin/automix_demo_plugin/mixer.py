"""Stripmix: strips of the partner, evenly spread over the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from automix.mixing import Batch, Card, Choice, Int, PairMixer, PairPlan
from automix_demo_plugin.functional import strip_cover, strip_edges

__all__ = ["StripPlan", "Stripmix"]


@dataclass(frozen=True, kw_only=True, eq=False)
class StripPlan(PairPlan):
    """The partner's pixels are seen in strips across the whole picture.

    Args:
        perm: (B,) int64 partners.
        edges: (B, strips, 2) int64: first pixel and end (excluded) of each strip; equal ends make an empty strip.
        size: (H, W) of the picture, in pixels.
        vertical: whether strips run from top to bottom, so that edges are columns; else edges are rows.
        lam: (B,) float32 label weight of the own image; use `from_edges` to get it from the strips.
    """

    edges: Tensor
    size: tuple[int, int]
    vertical: bool

    @classmethod
    def from_edges(cls, perm: Tensor, edges: Tensor, size: tuple[int, int], vertical: bool) -> Self:
        """Make a plan whose lam is the share of pixels outside the strips."""
        covered = (edges[..., 1] - edges[..., 0]).sum(dim=1)
        lam = 1.0 - covered.float() / size[int(vertical)]
        return cls(perm=perm, lam=lam, edges=edges, size=size, vertical=vertical)

    def cover(self, h: int, w: int, how: str) -> Tensor:
        """Return the share of strips in each cell: (B, 1, w) for vertical strips, (B, h, 1) for horizontal ones."""
        along = strip_cover(self.edges, self.size[int(self.vertical)], w if self.vertical else h, how)
        return along[:, None, :] if self.vertical else along[:, :, None]


class Stripmix(PairMixer):
    """Paste strips of the partner, one into each of a number of equal bands.

    The strips' share of the picture is ``1 - lam``, rounded to pixels; lam is recomputed from what was pasted.

    Args:
        strips: how many strips; more than the picture has pixels are cut down to that.
        direction: which way they run.
        prob, prob_unit, draw_unit: as in every pair mixer.

    Source: this package; not a publication.

    Example:
        >>> from automix.mixing import Batch, FixedLaw, ReversePairing
        >>> mixer = Stripmix(strips=2, ratio=FixedLaw(value=0.5), pairing=ReversePairing())
        >>> batch = Batch(torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, 1, 1, 8), torch.tensor([3, 7]), 10)
        >>> plan = mixer.draw(batch, torch.Generator().manual_seed(0))
        >>> mixer.apply(batch.images, plan).images.mean(dim=(1, 2, 3))
        tensor([0.5000, 0.5000])
    """

    name = "stripmix"
    card = Card(
        title="Strips of the partner",
        summary="The partner is seen in evenly spread strips, so that both pictures can be made out everywhere.",
        use_when="Where the class shows all over the picture, as in textures; not where one small object carries it.",
        cost="one selection per pixel",
        differences="no publication",
    )
    plan_type = StripPlan
    dtypes = (torch.float32, torch.bfloat16, torch.float16, torch.uint8)

    strips = Int(4, low=1, high=64, search=(1, 8), doc="How many strips are pasted.", source="ours")
    direction = Choice("vertical", choices=("vertical", "horizontal"), doc="Which way the strips run.", source="ours")

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> StripPlan:
        """Draw where in their bands the strips lie."""
        vertical = self.direction == "vertical"
        side = batch.size[int(vertical)]
        place = torch.rand(len(lam), generator=generator)
        edges = strip_edges(lam, place, min(self.strips, side), side).expand(len(perm), -1, -1)
        return StripPlan.from_edges(perm, edges, batch.size, vertical)

    def move(self, images: Tensor, plan: StripPlan, out: Tensor) -> Tensor:
        """Select each pixel from the own image or the partner."""
        inside = plan.cover(*plan.size, "nearest")[:, None].bool()
        torch.index_select(images, 0, plan.perm, out=out)
        return torch.where(inside, out, images, out=out)

    def shares(self, plan: StripPlan, h: int, w: int, how: str) -> Tensor:
        """Return the strips' coverage of each cell, in closed form."""
        partner = plan.cover(h, w, how).expand(-1, h, w)
        return torch.stack((1.0 - partner, partner), dim=1)

    def keep_own(self, plan: PairPlan, rows: Tensor) -> PairPlan:
        """Empty the strips of the rows that stay as they are."""
        kept = super().keep_own(plan, rows)
        return (
            kept.replaced(edges=plan.edges.masked_fill(rows[:, None, None], 0)) if isinstance(plan, StripPlan) else kept
        )
