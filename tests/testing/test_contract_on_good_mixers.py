"""The contract holds for plain, correct mixers of each family."""

from __future__ import annotations

from typing import ClassVar

import torch

from automix.mixing import BlendMixer, BoxMixer, BoxPlan, Card, MaskMixer, MaskPlan, PairPlan, random_boxes
from automix.testing import MixerContract


class Blend(BlendMixer):
    name = "kit_blend"
    card = Card(title="Blend", summary="A plain blend.")

    def decide(self, batch, perm, lam, generator):
        return PairPlan(perm=perm, lam=lam.expand(len(perm)))


class Boxes(BoxMixer):
    name = "kit_boxes"
    card = Card(title="Boxes", summary="A plain box.")

    def decide(self, batch, perm, lam, generator):
        return BoxPlan.from_boxes(perm, random_boxes(lam, len(batch), batch.size, generator), batch.size)


class Masks(MaskMixer):
    name = "kit_masks"
    card = Card(title="Masks", summary="A smooth mask of random slope.")

    def decide(self, batch, perm, lam, generator):
        h, w = batch.size
        slope = torch.rand(len(lam), 2, generator=generator)[:, :, None, None]
        ramp = torch.linspace(0, 1, h)[:, None] * slope[:, :1] + torch.linspace(0, 1, w) * slope[:, 1:]
        mask = (ramp / 2 * lam[:, None, None, None]).expand(len(perm), 1, h, w)
        return MaskPlan.from_mask(perm, mask)


class TestBlend(MixerContract):
    mixer = Blend


class TestBoxes(MixerContract):
    mixer = Boxes


class TestBoxesPerBatch(MixerContract):
    mixer = Boxes
    settings: ClassVar = {"draw_unit": "batch", "prob_unit": "batch", "prob": 0.7}


class TestMasks(MixerContract):
    mixer = Masks
