"""Every check of the mixers' contract catches a mixer that breaks its claim."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from automix.mixing import (
    BlendMixer,
    BoxMixer,
    BoxPlan,
    Card,
    Float,
    Int,
    KeepPlan,
    MixedBatch,
    Mixer,
    PairPlan,
    random_boxes,
)
from automix.testing import check_mixer
from automix.testing.runner import MIXER_CHECKS

CARD = Card(title="Broken", summary="Breaks one claim.")


class Blend(BlendMixer):
    name = "blend"
    card = CARD

    def decide(self, batch, perm, lam, generator):
        return PairPlan(perm=perm, lam=lam.expand(len(perm)))


class Boxes(BoxMixer):
    name = "boxes"
    card = CARD

    def decide(self, batch, perm, lam, generator):
        return BoxPlan.from_boxes(perm, random_boxes(lam, len(batch), batch.size, generator), batch.size)


class NamelessBlend(Blend):
    name = "Not A Name"


class BlendWithoutSummary(Blend):
    card = Card(title="x", summary="")


class UndocumentedParameter(Blend):
    gain = Float(1.0, low=0.0, high=2.0, doc="", source="ours")


class SourcelessParameter(Blend):
    gain = Float(1.0, low=0.0, high=2.0, doc="A gain.")


class DropsItsParameter(Blend):
    gain = Int(1, low=0, high=2, doc="A gain.", source="ours")

    def __init__(self, gain=1, **values):
        super().__init__(**values)


class TakesAnything(Blend):
    def __init__(self, **values):
        super().__init__(**{k: v for k, v in values.items() if k == "prob"})


class ConfigForgets(Boxes):
    def config(self):
        return {"name": self.name, "prob": torch.tensor(self.prob)}


class SchemaRefusesItself(Blend):
    @classmethod
    def json_schema(cls):
        schema = super().json_schema()
        schema["properties"]["prob"] = {"type": "string"}
        return schema


class NeedsTwoImages(Blend):
    def decide(self, batch, perm, lam, generator):
        return super().decide(batch, perm[torch.tensor([1])].expand(len(perm)), lam, generator)


class AssumesSquares(Boxes):
    def decide(self, batch, perm, lam, generator):
        h, w = batch.size
        return BoxPlan.from_boxes(perm, random_boxes(lam, len(batch), (w, h), generator), (h, w))

    def move(self, images, plan, out):
        return super().move(images.transpose(2, 3).contiguous(), plan, out)


class AlwaysFloat(Blend):
    def apply(self, images, plan, buffers=None):
        return super().apply(images.float(), plan, buffers)


class Bfloat16Labels(Blend):
    def apply(self, images, plan, buffers=None):
        mixed = super().apply(images, plan, buffers)
        return MixedBatch(
            mixed.images, mixed.sources, mixed.weights.bfloat16(), plan, share_function=mixed.share_function
        )


class RoundedLam(Blend):
    """Computes in the type of the images what float32 was needed for: 1 - lam is off by more than its rounding."""

    def move(self, images, plan, out):
        lam = plan.lam[:, None, None, None]
        coarse = (lam * 4).round() / 4 if images.dtype == torch.bfloat16 else lam
        return torch.lerp(images[plan.perm], images, coarse.to(images.dtype), out=out)


class NotItsOwnPartner(Blend):
    def move(self, images, plan, out):
        lam = plan.lam[:, None, None, None].to(images.dtype)
        return out.copy_(lam * images + (1 - lam) * images[plan.perm])


class InPlace(Boxes):
    def move(self, images, plan, out):
        super().move(images, plan, out)
        return images.copy_(out)


class ChangesItsPlan(Blend):
    def move(self, images, plan, out):
        super().move(images, plan, out)
        plan.lam.mul_(0.5)
        return out


class RandomApply(Boxes):
    def move(self, images, plan, out):
        super().move(images, plan, out)
        return out + np.random.default_rng().random()


class OneBuffer(Blend):
    """Keeps one output tensor of its own and hands it out again and again."""

    def apply(self, images, plan, buffers=None):
        if buffers is None or isinstance(plan, KeepPlan):
            return super().apply(images, plan)
        mixed = super().apply(images, plan)
        kept = self.__dict__.setdefault("kept", torch.empty_like(mixed.images))
        kept.data.copy_(mixed.images)
        return MixedBatch(kept.detach(), mixed.sources, mixed.weights, plan, share_function=mixed.share_function)


class WeightsAboveOne(Blend):
    def apply(self, images, plan, buffers=None):
        mixed = super().apply(images, plan, buffers)
        return MixedBatch(mixed.images, mixed.sources, mixed.weights * 1.1, plan, share_function=mixed.share_function)


class LamNotRecomputed(BoxMixer):
    """Keeps the lam that was drawn although the box was clipped at the border."""

    name = "boxes"
    card = CARD

    def decide(self, batch, perm, lam, generator):
        boxes = random_boxes(lam, len(batch), batch.size, generator)
        return BoxPlan(perm=perm, lam=lam.expand(len(perm)), boxes=boxes, size=batch.size)


class SharesOfTheWrongSide(Boxes):
    def shares(self, plan, h, w, how):
        return super().shares(plan, h, w, how).flip(1)


class SharesTransposed(Boxes):
    """Right on average, wrong in place."""

    def shares(self, plan, h, w, how):
        return super().shares(plan, w, h, how).transpose(2, 3)


class OtherLabels(Blend):
    """Permutes labels otherwise than images (timm flips, this permutes: mixed up)."""

    share_equals_weight = False

    def apply(self, images, plan, buffers=None):
        mixed = super().apply(images, plan, buffers)
        sources = mixed.sources.clone()
        sources[:, 1] = sources[:, 1].flip(0)
        return MixedBatch(mixed.images, sources, mixed.weights, plan, share_function=mixed.share_function)


class GreedyShares(Blend):
    def shares(self, plan, h, w, how):
        return super().shares(plan, h, w, how) * 1.5


class NearestAsArea(Boxes):
    def shares(self, plan, h, w, how):
        return super().shares(plan, h, w, "nearest")


class CarriesTwice(Boxes):
    def carry(self, maps, plan):
        return 2.0 * super().carry(maps, plan)


class ReadsDenseLabels(Blend):
    """Draws otherwise when labels are rows."""

    def decide(self, batch, perm, lam, generator):
        return super().decide(batch, perm, lam * 0.5 if batch.labels.ndim == 2 else lam, generator)


class Remembers(Blend):
    """Depends on what was drawn before."""

    def decide(self, batch, perm, lam, generator):
        self.__dict__["calls"] = self.__dict__.get("calls", 0) + 1
        return super().decide(batch, perm, lam / self.__dict__["calls"], generator)


class GlobalTorch(Blend):
    def decide(self, batch, perm, lam, generator):
        return super().decide(batch, perm, torch.rand(len(perm)), generator)


class GlobalNumpy(Blend):
    def decide(self, batch, perm, lam, generator):
        return super().decide(batch, perm, torch.full((len(perm),), float(np.random.rand())), generator)


class GlobalPython(Blend):
    def decide(self, batch, perm, lam, generator):
        return super().decide(batch, perm, torch.full((len(perm),), random.random()), generator)


class SameEveryStep(Blend):
    def draw(self, batch, generator):
        return super().draw(batch, generator.manual_seed(0))


class ProbTwice(Blend):
    """Tosses the coin again for rows that were already chosen."""

    def decide(self, batch, perm, lam, generator):
        plan = super().decide(batch, perm, lam, generator)
        return self.keep_own(plan, torch.rand(len(perm), generator=generator) >= self.prob)


class NeverMixes(Blend):
    def decide(self, batch, perm, lam, generator):
        return super().decide(batch, torch.arange(len(perm)), lam, generator)


class OneBoxForAll(Boxes):
    """Sides per row, but one centre for the whole batch."""

    def decide(self, batch, perm, lam, generator):
        boxes = random_boxes(lam[:1], len(batch), batch.size, generator)
        return BoxPlan.from_boxes(perm, boxes, batch.size)


class OneLamForAll(Blend):
    def decide(self, batch, perm, lam, generator):
        return super().decide(batch, perm, lam[:1], generator)


class OneLamEach(Blend):
    """Ignores draw_unit "batch"."""

    def decide(self, batch, perm, lam, generator):
        return super().decide(batch, perm, self.ratio.sample(len(perm), generator), generator)


class HoldsALambda(Blend):
    def __init__(self, **values):
        super().__init__(**values)
        self.function = lambda x: x


BROKEN = [
    (NamelessBlend, "card_is_filled"),
    (BlendWithoutSummary, "card_is_filled"),
    (UndocumentedParameter, "parameters_are_documented"),
    (SourcelessParameter, "parameters_are_documented"),
    (DropsItsParameter, "constructor_takes_what_is_declared"),
    (TakesAnything, "constructor_refuses_what_is_not_declared"),
    (ConfigForgets, "config_round_trips"),
    (SchemaRefusesItself, "schema_accepts_own_config"),
    (NeedsTwoImages, "any_batch_size_works"),
    (AssumesSquares, "any_picture_shape_works"),
    (AlwaysFloat, "declared_dtypes_work"),
    (Bfloat16Labels, "declared_dtypes_work"),
    (RoundedLam, "declared_dtypes_work"),
    (NotItsOwnPartner, "own_partner_is_identity"),
    (InPlace, "inputs_stay_untouched"),
    (ChangesItsPlan, "inputs_stay_untouched"),
    (ChangesItsPlan, "plans_replay"),
    (RandomApply, "plans_replay"),
    (OneBuffer, "held_views_stay"),
    (OneBuffer, "graphs_stay"),
    (WeightsAboveOne, "weights_are_shares_of_one"),
    (LamNotRecomputed, "pixel_share_is_label_weight"),
    (SharesTransposed, "shares_agree_with_pixels"),
    (SharesOfTheWrongSide, "sources_are_where_shares_say"),
    (OtherLabels, "sources_are_where_shares_say"),
    (GreedyShares, "shares_sum_to_at_most_one"),
    (NearestAsArea, "coarse_shares_pool_fine_ones"),
    (CarriesTwice, "carry_keeps_mass"),
    (ReadsDenseLabels, "dense_labels_agree"),
    (Remembers, "same_stream_same_result"),
    (GlobalTorch, "global_random_state_is_left_alone"),
    (GlobalNumpy, "global_random_state_is_left_alone"),
    (GlobalPython, "global_random_state_is_left_alone"),
    (SameEveryStep, "steps_differ"),
    (ProbTwice, "prob_is_the_rate_of_mixing"),
    (NeverMixes, "prob_is_the_rate_of_mixing"),
    (OneBoxForAll, "draw_unit_says_what_is_shared"),
    (OneLamForAll, "draw_unit_says_what_is_shared"),
    (OneLamEach, "draw_unit_says_what_is_shared"),
    (HoldsALambda, "pickles_into_a_worker"),
]


@pytest.mark.parametrize(("mixer", "check"), BROKEN, ids=lambda part: getattr(part, "__name__", part))
def test_kit_catches(mixer: type[Mixer], check: str) -> None:
    findings = {one.check: one for one in check_mixer(mixer)}
    assert findings[check].status == "failed"
    assert findings[check].detail


def test_every_check_has_a_mixer_that_breaks_it() -> None:
    # What runs on CUDA alone cannot be broken here.
    unbroken = {check.__name__ for check in MIXER_CHECKS} - {name for _, name in BROKEN}
    assert unbroken == {"gpu_agrees_with_cpu"}
