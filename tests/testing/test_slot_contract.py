"""Laws, pairings, rules and treatments that come with automix pass the kit; broken ones are named."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from automix.mixing import (
    AreaLabels,
    BetaLaw,
    Card,
    ClassBalancedPairing,
    DifferentClassPairing,
    FixedLaw,
    Follower,
    Guide,
    InputTreatment,
    LabelRule,
    Pairing,
    RandomPairing,
    RatioLaw,
    ReversePairing,
    StandardInput,
    TruncatedBetaLaw,
    UniformLaw,
)
from automix.testing import check_component, check_mixer

CARD = Card(title="Broken", summary="Breaks one claim.")
BUILT_IN = [
    AreaLabels,
    BetaLaw,
    ClassBalancedPairing,
    DifferentClassPairing,
    FixedLaw,
    RandomPairing,
    ReversePairing,
    StandardInput,
    TruncatedBetaLaw,
    UniformLaw,
]


class Constant(Guide):
    name = "constant"
    card = CARD

    def maps(self, images, labels, clean=None):
        return torch.ones(len(images), 1, 4, 4)


class RatioAboveOne(RatioLaw):
    name = "above_one"
    card = CARD

    def sample(self, n, generator):
        return 2.0 * torch.rand(n, generator=generator)


class DoubleRatio(RatioLaw):
    name = "double"
    card = CARD

    def sample(self, n, generator):
        return torch.rand(n, generator=generator, dtype=torch.float64)


class NextRow(Pairing):
    name = "next_row"
    card = CARD

    def partners(self, labels, generator):
        return torch.arange(len(labels)) + 1


class GlobalPairing(Pairing):
    name = "global"
    card = CARD

    def partners(self, labels, generator):
        return torch.randint(len(labels), (len(labels),))


class DividesByZero(Guide):
    """Normalises by the maximum; a picture of one colour has none."""

    name = "divides"
    card = CARD

    def maps(self, images, labels, clean=None):
        contrast = (images - images.mean(dim=(2, 3), keepdim=True)).abs().mean(dim=1, keepdim=True)
        return contrast / contrast.amax(dim=(2, 3), keepdim=True)


class PreparesByChance(Guide):
    """Draws what it keeps from the global generator, so that each data set has another guide every time."""

    name = "by_chance"
    card = CARD

    def prepare(self, context):
        self.kept = context.keep("by_chance", {}, lambda: {"map": torch.rand(3, 3)})

    def maps(self, images, labels, clean=None):
        return self.kept["map"].expand(len(images), 1, 3, 3)


class Heavier(LabelRule):
    name = "heavier"
    card = CARD

    def before(self, mixed, batch):
        mixed.weights.mul_(2.0)
        return mixed


class SilentlyEarly(LabelRule):
    name = "silently_early"
    card = CARD
    when = "after"

    def before(self, mixed, batch):
        return mixed


class Attentive(Follower):
    """Sees the last block and leaves the weights alone, unless they are scaled."""

    def __init__(self, mixed, anatomy, scale=1.0):
        self.blocks, self.mixed, self.scale, self.n_seen = [anatomy.num_blocks - 1], mixed, scale, 0

    def see(self, attention):
        self.n_seen += 1

    def weights(self):
        assert self.n_seen == 1
        return self.scale * self.mixed.weights


class Follows(LabelRule):
    name = "follows"
    card = CARD
    when = "after"
    probes = frozenset({"attention"})

    def follow(self, mixed, batch, anatomy):
        return Attentive(mixed, anatomy)


class FollowsDouble(Follows):
    name = "follows_double"

    def follow(self, mixed, batch, anatomy):
        is_even = mixed.shares(2, 2).shape[-1] == 1
        return None if is_even else Attentive(mixed, anatomy, scale=2.0)


class MovesBlends(Follows):
    name = "moves_blends"

    def after(self, mixed, batch, seen):
        even = torch.full_like(mixed.weights, 0.5)
        own = mixed.sources[:, :1] == mixed.sources
        return replace(mixed, weights=torch.where(own.all(dim=1, keepdim=True), mixed.weights, even))


class InPlaceInput(InputTreatment):
    name = "in_place"
    card = CARD

    def treat(self, images):
        return images.sub_(images.mean())


class ForgetsToFit(InputTreatment):
    name = "forgets"
    card = CARD
    needs_fit = True

    def treat(self, images):
        return images


@pytest.mark.parametrize("component", [*BUILT_IN, Constant, Follows], ids=lambda one: one.__name__)
def test_built_in_components_pass(component: type) -> None:
    assert [one for one in check_component(component) if one.status == "failed"] == []


@pytest.mark.parametrize(
    ("component", "check"),
    [
        (RatioAboveOne, "ratios_are_ratios"),
        (DoubleRatio, "ratios_are_ratios"),
        (NextRow, "partners_are_rows"),
        (GlobalPairing, "partners_are_rows"),
        (DividesByZero, "guides_give_maps"),
        (PreparesByChance, "prepared_guides_agree"),
        (Heavier, "rules_keep_the_pictures"),
        (FollowsDouble, "rules_weigh_what_the_model_sees"),
        (MovesBlends, "rules_leave_even_blends_alone"),
        (SilentlyEarly, "rules_keep_the_pictures"),
        (InPlaceInput, "treatments_keep_the_shape"),
        (ForgetsToFit, "treatments_keep_the_shape"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_kit_catches(component: type, check: str) -> None:
    assert [one.check for one in check_component(component) if one.status == "failed"] == [check]


def test_a_class_of_the_wrong_kind_fails_instead_of_passing_unseen() -> None:
    assert any(one.status == "failed" for one in check_mixer(BetaLaw))


def test_findings_say_subject_claim_and_detail() -> None:
    (found,) = [one for one in check_component(NextRow) if one.status == "failed"]
    assert found.subject == "pairing next_row"
    assert found.claim.startswith("`partners` gives each row one row of the batch")
    assert found.detail == "expected partners in [0, 1) but got [1]"
