"""Mixers: slots, coins per image or per batch, and what is done to rows that are left alone."""

from __future__ import annotations

import pytest
import torch

from automix.errors import PluginError, PolicyError
from automix.mixing import (
    AreaLabels,
    Batch,
    BlendMixer,
    Buffers,
    Card,
    FixedLaw,
    KeepPlan,
    LabelRule,
    Mixer,
    PairPlan,
    ReversePairing,
    StandardInput,
    Streams,
    UniformLaw,
)


class Blend(BlendMixer):
    name = "blend"
    card = Card(title="Blend", summary="A plain blend.")

    def decide(self, batch, perm, lam, generator):
        return PairPlan(perm=perm, lam=lam.expand(len(perm)))


class NoSlots(Mixer):
    name = "no_slots"
    card = Card(title="Nothing", summary="Does nothing.")

    def draw(self, batch, generator):
        return KeepPlan(n=len(batch))


def batch_of(n: int) -> Batch:
    images = torch.randn(n, 3, 4, 4, generator=torch.Generator().manual_seed(n))
    return Batch(images, torch.arange(n) % 3, 3)


def plans(mixer: Mixer, n: int, draws: int):
    return [mixer.draw(batch_of(n), Streams(0).generator(step)) for step in range(draws)]


def test_a_slot_that_the_mixer_does_not_read_is_refused() -> None:
    with pytest.raises(PolicyError, match="'no_slots' has no ratio: leave `ratio` out"):
        NoSlots(ratio=UniformLaw())


def test_an_empty_slot_is_named_when_it_is_needed() -> None:
    with pytest.raises(PolicyError, match="'no_slots' needs a guide"):
        _ = NoSlots().guide


def test_a_given_slot_replaces_the_default() -> None:
    mixer = Blend(ratio=FixedLaw(value=0.25), pairing=ReversePairing())
    plan = mixer.draw(batch_of(4), Streams(0).generator(0))
    assert plan.perm.tolist() == [3, 2, 1, 0]
    assert plan.lam.tolist() == [0.25] * 4
    assert set(mixer.slots) == {"ratio", "pairing"}


def test_prob_per_image_leaves_some_rows_of_most_batches() -> None:
    mixer = Blend(prob=0.5, pairing=ReversePairing(), ratio=FixedLaw(value=0.5))
    mixed = torch.stack([plan.lam < 1 for plan in plans(mixer, 8, 400)]).float()
    assert float(mixed.mean()) == pytest.approx(0.5, abs=0.05)
    assert float((mixed.mean(dim=1) % 1 > 0).float().mean()) > 0.9


def test_prob_per_batch_mixes_all_rows_or_none() -> None:
    mixer = Blend(prob=0.5, prob_unit="batch", pairing=ReversePairing(), ratio=FixedLaw(value=0.5))
    drawn = plans(mixer, 8, 400)
    kept = [isinstance(plan, KeepPlan) for plan in drawn]
    assert sum(kept) / 400 == pytest.approx(0.5, abs=0.12)
    assert all(bool((plan.lam == 0.5).all()) for plan, keep in zip(drawn, kept, strict=True) if not keep)


def test_the_coin_does_not_move_what_is_drawn_after_it() -> None:
    batch = batch_of(8)
    rare, always = (Blend(prob=p).draw(batch, Streams(0).generator(3)) for p in (0.4, 1.0))
    mixed = rare.perm != torch.arange(8)
    assert bool(mixed.any())
    assert not bool(mixed.all())
    assert torch.equal(rare.perm[mixed], always.perm[mixed])
    assert torch.equal(rare.lam[mixed], always.lam[mixed])


def test_draw_unit_batch_draws_one_ratio() -> None:
    plan = Blend(draw_unit="batch", prob=1.0).draw(batch_of(8), Streams(0).generator(0))
    assert len(torch.unique(plan.lam)) == 1
    assert plan.lam.shape == (8,)


def test_rows_that_keep_their_own_image_are_bit_identical() -> None:
    mixer, batch = Blend(prob=0.5), batch_of(16)
    plan = mixer.draw(batch, Streams(0).generator(0))
    alone = plan.perm == torch.arange(16)
    assert 0 < int(alone.sum()) < 16
    mixed = mixer.apply(batch.images, plan)
    assert torch.equal(mixed.images[alone], batch.images[alone])
    assert bool((mixed.weights[alone, 0] == 1.0).all())


def test_a_plan_made_by_hand_is_carried_out() -> None:
    images = torch.tensor([0.0, 1.0, 4.0])[:, None, None, None]
    plan = PairPlan(perm=torch.tensor([2, 0, 2]), lam=torch.tensor([0.75, 0.5, 0.1]))
    mixed = Blend().apply(images, plan)
    torch.testing.assert_close(mixed.images.flatten(), torch.tensor([1.0, 0.5, 4.0]))
    torch.testing.assert_close(mixed.shares(3, 3), mixed.weights[:, :, None, None])


def test_a_keep_plan_returns_the_images_themselves_and_carries_maps_unchanged() -> None:
    images, maps = torch.rand(3, 1, 4, 4), torch.rand(3, 1, 2, 2)
    mixed = Blend().apply(images, KeepPlan(n=3), Buffers())
    assert mixed.images is images
    assert torch.equal(Blend().carry(maps, KeepPlan(n=3)), maps)


def test_carry_weighs_each_map_by_its_share() -> None:
    maps = torch.tensor([2.0, 10.0])[:, None, None, None].expand(2, 1, 2, 2)
    plan = PairPlan(perm=torch.tensor([1, 0]), lam=torch.tensor([0.75, 0.5]))
    carried = Blend().carry(maps, plan)
    assert carried.shape == (2, 2, 2, 2)
    torch.testing.assert_close(carried[:, :, 0, 0], torch.tensor([[1.5, 2.5], [5.0, 1.0]]))


def test_defaults_of_one_mixer_are_not_shared_state() -> None:
    first, second = Blend(ratio=FixedLaw(value=0.1)), Blend()
    assert first.ratio.config() != second.ratio.config()


def test_the_area_rule_and_the_standard_input_change_nothing() -> None:
    batch = batch_of(2)
    mixed = Blend().apply(batch.images, PairPlan(perm=torch.tensor([1, 0]), lam=torch.tensor([0.5, 0.5])))
    assert AreaLabels().before(mixed, batch) is mixed
    assert StandardInput().treat(batch.images) is batch.images


def test_a_rule_for_after_the_forward_pass_says_what_to_call() -> None:
    class Late(LabelRule):
        name = "late"
        card = Card(title="Late", summary="Acts late.")
        when = "after"

    with pytest.raises(
        PolicyError, match=r"'late' acts after the forward pass: use mix\.loss\(model, images, labels\)"
    ):
        Late().before(None, None)


def test_a_mixer_with_plans_of_its_own_that_moves_nothing_is_told_so() -> None:
    plan = PairPlan(perm=torch.tensor([1, 0]), lam=torch.ones(2))
    with pytest.raises(PluginError, match=r"'no_slots'.*`move`"):
        NoSlots().apply(torch.zeros(2, 1, 4, 4), plan)
