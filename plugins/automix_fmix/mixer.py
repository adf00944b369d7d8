"""FMix: masks of any shape, cut from low-pass noise."""

from __future__ import annotations

import torch
from torch import Tensor

from automix.mixing import Batch, Bool, Card, Float, MaskMixer, MaskPlan, Requires
from automix_fmix.functional import effective_softness, hard_mask, low_pass, soft_mask

__all__ = ["FMix"]


class FMix(MaskMixer):
    """Keep the brightest ``lam * H * W`` pixels of a smooth random picture, and show the partner in the others.

    The label weight is the lam that was drawn, as in the official code; the share of pixels differs from it by less
    than one pixel, rounded up or down by a coin.

    Args:
        decay: how smooth the masks are.
        max_soft: largest share of the picture over which the edge is spread to either side.
        reformulated: keep the whole label with the own image, and give it the larger share more often: of lam and
            1 - lam, each is taken with its own probability. For a symmetric Beta(a, a) that is Beta(a + 1, a).
        prob, prob_unit, draw_unit: as in every pair mixer; ``draw_unit="batch"`` draws one mask per batch as the
            official code does.

    Source: Harris et al. 2020, arXiv 2002.12047, sections 4 and 5, and fmix.py of the official code. Deviations: one
    mask per image by default; noise is laid out by frequency on both axes (some versions of that code index the
    spectrum on the wrong axis, so grey pictures are not comparable bit by bit).
    """

    name = "fmix"
    card = Card(
        title="FMix: Enhancing Mixed Sample Data Augmentation",
        summary="The partner is seen through masks of arbitrary smooth shape, cut from low-frequency noise.",
        authors="Harris, Marcu, Painter, Niranjan, Prügel-Bennett, Hare",
        year=2020,
        arxiv="2002.12047",
        code="ecs-vlc/FMix",
        use_when="Like CutMix, where boxes would be too regular.",
        cost="a mask takes 0.03 ms at 32 pixels and 1 ms at 224 on one CPU core; draw_unit batch needs one per batch",
        differences="One mask per image unless draw_unit is batch; noise is laid out by frequency on both axes.",
    )
    # The nominal lam differs from the share by up to a pixel, and `reformulated` does not follow pixels at all.
    share_equals_weight = False
    requires = Requires(min_size_px=4)

    decay = Float(
        3.0,
        low=0.5,
        high=10.0,
        search=(1.5, 5.0),
        doc="Power with which amplitudes fall with frequency; larger gives rounder, bigger blobs.",
        source="official code: 3",
        searched=False,
    )
    max_soft = Float(
        0.0,
        low=0.0,
        high=0.5,
        doc="Largest share of the picture over which the mask's edge is spread; 0 is a hard edge.",
        source="official code: 0",
        searched=False,
    )
    reformulated = Bool(
        False,
        doc="Own label only, with lam drawn towards the own image.",
        source="official code, option reformulate",
        searched=False,
    )

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> MaskPlan:
        """Draw noise and cut masks from it, on the images' device."""
        height, width = batch.size
        coins = torch.rand(2, len(lam), generator=generator)
        if self.reformulated:
            lam = torch.where(coins[0] < lam, lam, 1.0 - lam)
        noise = torch.randn(len(lam), 2, height, width // 2 + 1, generator=generator)
        exact = lam.double() * (height * width)
        count = torch.where(coins[1] < 0.5, exact.floor(), exact.ceil()).long()
        grey = low_pass(noise.to(batch.images.device), batch.size, self.decay)
        mask = self._cut(grey, count, lam) if self.max_soft else hard_mask(grey, count)
        label = torch.ones_like(lam) if self.reformulated else lam
        return MaskPlan(perm=perm, mask=mask, lam=label.expand(len(perm)))

    def _cut(self, grey: Tensor, count: Tensor, lam: Tensor) -> Tensor:
        """Cut with a soft edge."""
        soft = effective_softness(lam, self.max_soft, grey[0].numel())
        return soft_mask(grey, count.to(grey.device), soft.to(grey.device))
