"""TdAttenMix against explicit loops over windows, patches and rows, and against the released code's formulas."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automix.errors import PolicyError, SettingError
from automix.mixing import Batch, Card, FixedLaw, Guide, LossContext, MixedBatch, ModelInfo, ReversePairing
from automix.mixing.probes import CleanView, anatomy
from automix.policy import PolicyDocument, compile_policy, published
from automix.registry import Registry
from automix.testing import MixerContract
from automix.training.models import build_model
from automix_tdattenmix.functional import (
    best_windows,
    carry_windows,
    paste_windows,
    side_range,
    window_boxes,
    window_grid,
    window_sums,
)
from automix_tdattenmix.losses import consistency_loss, token_loss
from automix_tdattenmix.mixer import TdAttenMix
from automix_tdattenmix.plan import WindowPlan


class TestContract(MixerContract):
    mixer = TdAttenMix


class TestContractAsReleased(MixerContract):
    mixer = TdAttenMix
    settings: ClassVar = {"lam_mode": "batch_official", "draw_unit": "batch", "grid": 8}


class Given(Guide):
    """Gives the maps that it was given."""

    name = "given"
    card = Card(title="Given", summary="For tests.")
    known: Tensor

    def maps(self, images: Tensor, labels: Tensor, clean: CleanView | None = None) -> Tensor:
        return self.known


def guide_of(maps: Tensor) -> Given:
    guide = Given()
    guide.known = maps
    return guide


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def sparse(*shape: int, seed: int = 0) -> Tensor:
    maps = noise(*shape, seed=seed)
    return (maps - 0.8).clamp(min=0)


def sums_slowly(one: Tensor, side: int) -> dict[tuple[int, int], float]:
    height, width = one.shape
    return {
        (y, x): float(one[y : y + side, x : x + side].double().sum())
        for y in range(height - side + 1)
        for x in range(width - side + 1)
    }


@pytest.mark.parametrize("shape", [(14, 14), (5, 9), (8, 4)])
@pytest.mark.parametrize("largest", [True, False])
def test_the_window_is_the_best_of_all_places(shape: tuple[int, int], largest: bool) -> None:
    maps, sides = noise(40, *shape), torch.arange(40) % min(shape) + 1
    found = best_windows(maps, sides, noise(40), largest=largest)
    for one, side, place in zip(maps, sides.tolist(), found.tolist(), strict=True):
        sums = sums_slowly(one, side)
        best = max(sums.values()) if largest else min(sums.values())
        assert sums[tuple(place)] == pytest.approx(best, abs=1e-6)


def test_equal_windows_are_drawn_evenly_and_by_the_number_given() -> None:
    """Of the 9 windows of side 2 on a map of 4 x 4 with one bright corner, 8 hold nothing."""
    maps = torch.zeros(8000, 4, 4)
    maps[:, 0, 0] = 0.3
    sides = torch.full((8000,), 2)
    ties = noise(8000)
    found = best_windows(maps, sides, ties, largest=False)
    assert torch.equal(best_windows(maps, sides, ties, largest=False), found)
    counts = torch.bincount(found[:, 0] * 3 + found[:, 1], minlength=9)
    assert counts[0] == 0
    assert (counts[1:] - 1000).abs().max() < 150


def test_rounding_does_not_break_ties() -> None:
    """Each window of side 2 holds the same three numbers; added up in another order they differ in their last bits."""
    row = torch.tensor([0.1, 0.7, 1e-3]).repeat(4)[:11]
    maps = row.expand(1, 3, 11).repeat(3000, 1, 1)
    found = best_windows(maps, torch.full((3000,), 3), noise(3000), largest=True)
    assert (torch.bincount(found[:, 1], minlength=9) > 200).all()


def test_sums_and_sides_are_those_of_the_released_defaults() -> None:
    assert side_range((14, 14), 0.25, 0.75) == (3, 10)
    assert side_range((4, 7), 0.1, 0.9) == (1, 3)
    maps = noise(6, 7, 9)
    windows, sides = torch.tensor([[0, 0], [1, 2], [4, 5], [2, 2], [0, 6], [6, 8]]), torch.tensor([1, 3, 2, 4, 3, 1])
    expected = [
        float(m[y : y + s, x : x + s].double().sum()) for m, (y, x), s in zip(maps, windows, sides, strict=True)
    ]
    torch.testing.assert_close(window_sums(maps, windows, sides), torch.tensor(expected, dtype=torch.float64))


def test_windows_stay_in_the_picture_and_are_equally_big_whatever_the_grid() -> None:
    for size in ((32, 32), (37, 50), (224, 224), (9, 15)):
        for side_of_grid in range(2, min(15, *size)):
            grid = (side_of_grid, side_of_grid)
            for side in range(1, side_of_grid):
                last = side_of_grid - side
                places = torch.tensor([[0, 0], [last, last], [last // 2, last]])
                boxes = window_boxes(places, torch.full((3,), side), grid, size)
                assert (boxes[:, :2] >= 0).all()
                assert (boxes[:, 2] <= size[0]).all()
                assert (boxes[:, 3] <= size[1]).all()
                assert len({(y1 - y0, x1 - x0) for y0, x0, y1, x1 in boxes.tolist()}) == 1


def test_the_grid_is_the_guides_where_that_is_neither_coarse_nor_fine() -> None:
    assert window_grid((14, 14), (224, 224)) == (14, 14)
    assert window_grid((7, 9), (224, 288)) == (7, 9)
    assert window_grid((224, 224), (224, 224)) == (14, 14)
    assert window_grid((2, 2), (64, 64)) == (8, 8)
    assert window_grid((28, 28), (28, 31)) == (14, 14)


def decided(maps: Tensor, size: tuple[int, int], seed: int = 0, **params: Any) -> WindowPlan:
    mixer = TdAttenMix(guide=guide_of(maps), pairing=ReversePairing(), **params)
    batch = Batch(noise(len(maps), 3, *size), torch.arange(len(maps)) % 3, 3)
    plan = mixer.draw(batch, torch.Generator().manual_seed(seed))
    assert isinstance(plan, WindowPlan)
    return plan


def cells_of(boxes: Tensor, size: tuple[int, int], grid: int) -> Tensor:
    """(B, 4) boxes in pixels to cells of a grid that divides the picture."""
    return boxes // torch.tensor([size[0] // grid, size[1] // grid] * 2)


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("make", [noise, sparse])
def test_every_row_is_decided_as_by_loops(make: Any, beta: float) -> None:
    maps = make(8, 1, 7, 7, seed=1)
    plan = decided(maps, (28, 28), beta=beta)
    source, target = cells_of(plan.source_boxes, (28, 28), 7), cells_of(plan.boxes, (28, 28), 7)
    for i in range(8):
        own, partner = maps[i, 0].double(), maps[7 - i, 0].double()
        (y, x, y1, x1), (v, u, v1, u1) = target[i].tolist(), source[i].tolist()
        side = y1 - y
        assert side == x1 - x == v1 - v == u1 - u
        own_sums, partner_sums = sums_slowly(own, side), sums_slowly(partner, side)
        assert own_sums[y, x] == pytest.approx(min(own_sums.values()), abs=1e-6)
        assert partner_sums[v, u] == pytest.approx(max(partner_sums.values()), abs=1e-6)
        kept, pasted = float(own.sum()) - own_sums[y, x], partner_sums[v, u]
        lam_area = 1 - side * side / 49
        lam_attn = kept / (kept + pasted) if kept + pasted > 0 else lam_area
        assert float(plan.lam[i]) == pytest.approx(beta * lam_area + (1 - beta) * lam_attn, abs=1e-6)


@pytest.mark.parametrize("make", [noise, sparse])
def test_the_released_weights_are_those_of_its_formulas_defects_included(make: Any) -> None:
    """One sum over the batch, and the source window read from the target's own map."""
    maps = make(6, 1, 7, 7, seed=3)
    plan = decided(maps, (14, 14), lam_mode="batch_official", draw_unit="batch")
    source, target = cells_of(plan.source_boxes, (14, 14), 7), cells_of(plan.boxes, (14, 14), 7)
    sum_t = sum_s = 0.0
    for i in range(6):
        mask = torch.ones(7, 7)
        (y, x, y1, x1), (v, u, v1, u1) = target[i].tolist(), source[i].tolist()
        mask[y:y1, x:x1] = 0
        sum_t += float((maps[i, 0] * mask).sum())
        sum_s += float(maps[i, 0, v:v1, u:u1].sum())
    side = int(target[0, 2] - target[0, 0])
    expected = 0.5 * (49 - side * side) / 49 + 0.5 * sum_t / (sum_t + sum_s)
    torch.testing.assert_close(plan.lam, torch.full((6,), expected), atol=1e-6, rtol=0)


def test_released_and_per_sample_weights_differ() -> None:
    maps = sparse(6, 1, 7, 7, seed=3)
    official = decided(maps, (14, 14), lam_mode="batch_official", draw_unit="batch").lam
    own = decided(maps, (14, 14), draw_unit="batch").lam
    assert len(set(official.tolist())) == 1
    assert float(own.max() - own.min()) > 0.05


def test_the_mixed_image_is_the_target_outside_and_the_partners_window_inside() -> None:
    maps, images = noise(5, 1, 4, 6, seed=2), noise(5, 3, 16, 24, seed=9)
    mixer = TdAttenMix(guide=guide_of(maps), pairing=ReversePairing())
    plan = mixer.draw(Batch(images, torch.arange(5) % 3, 3), torch.Generator().manual_seed(1))
    assert isinstance(plan, WindowPlan)
    mixed = mixer.apply(images, plan)
    for i in range(5):
        expected = images[i].clone()
        (y, x, y1, x1), (v, u, v1, u1) = plan.boxes[i].tolist(), plan.source_boxes[i].tolist()
        expected[:, y:y1, x:x1] = images[4 - i][:, v:v1, u:u1]
        assert torch.equal(mixed.images[i], expected)
    assert torch.equal(plan.boxes[2], torch.zeros(4, dtype=torch.long))  # the middle row is its own partner
    assert float(plan.lam[2]) == 1.0


def test_gathering_and_looping_paste_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    images, perm = noise(4, 3, 9, 12), torch.tensor([2, 0, 3, 3])
    source = torch.tensor([[0, 0, 4, 5], [5, 7, 9, 12], [1, 2, 3, 4], [0, 0, 0, 0]])
    target = torch.tensor([[5, 7, 9, 12], [0, 0, 4, 5], [1, 2, 3, 4], [0, 0, 0, 0]])
    looped = paste_windows(images, perm, source, target, torch.empty_like(images))
    monkeypatch.setattr("automix_tdattenmix.functional._loops", lambda images: False)
    assert torch.equal(paste_windows(images, perm, source, target, torch.empty_like(images)), looped)


def test_maps_are_carried_from_the_source_window_to_where_it_was_pasted() -> None:
    """At pixel size a map moves as the pixels do; coarser maps keep their mass, also where cells are cut."""
    maps, size = noise(6, 1, 12, 18, seed=4), (12, 18)
    mixer = TdAttenMix(guide=guide_of(noise(6, 1, 6, 6, seed=5)), pairing=ReversePairing())
    plan = mixer.draw(Batch(noise(6, 3, *size), torch.arange(6) % 3, 3), torch.Generator().manual_seed(1))
    assert isinstance(plan, WindowPlan)
    fine = mixer.carry(maps, plan)
    moved = mixer.apply(maps, plan).images
    torch.testing.assert_close(fine.sum(dim=1, keepdim=True), moved)
    coarse = F.avg_pool2d(maps, (2, 3)) * 6
    carried = mixer.carry(coarse, plan)
    torch.testing.assert_close(carried[:, 1].sum(dim=(1, 2)), fine[:, 1].sum(dim=(1, 2)), atol=1e-4, rtol=1e-5)


def test_a_window_carried_to_its_own_place_is_what_it_covers() -> None:
    maps, box = noise(1, 5, 7), torch.tensor([[2, 3, 9, 11]])
    whole = torch.tensor([[0, 0, 11, 13]])
    torch.testing.assert_close(carry_windows(maps, whole, whole, (11, 13)), maps)
    carried = carry_windows(maps, box, box, (11, 13))
    assert (carried <= maps + 1e-6).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_maps_that_are_not_numbers_give_random_windows_and_area_labels_and_are_told_once(value: float) -> None:
    maps = noise(4, 1, 7, 7)
    maps[0, 0, 3, 3] = value
    maps[3] = value
    mixer = TdAttenMix(guide=guide_of(maps), pairing=ReversePairing())
    batch = Batch(noise(4, 3, 14, 14), torch.arange(4) % 3, 3)
    with pytest.warns(UserWarning, match="NaN or infinity from the guide 'given'"):
        plan = mixer.draw(batch, torch.Generator().manual_seed(0))
    assert isinstance(plan, WindowPlan)
    y0, x0, y1, x1 = plan.boxes.unbind(dim=1)
    area = 1 - ((y1 - y0) * (x1 - x0)).float() / 196
    torch.testing.assert_close(plan.lam[[0, 3]], area[[0, 3]])
    assert (plan.lam[[1, 2]] != area[[1, 2]]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = [mixer.draw(batch, torch.Generator().manual_seed(seed)) for seed in range(30)]
    places = {tuple(one.boxes[0, :2].tolist()) for one in again if isinstance(one, WindowPlan)}
    assert len(places) > 10


def test_flat_maps_fall_back_to_the_area_and_are_told() -> None:
    with pytest.warns(UserWarning, match="nothing stands out"):
        plan = decided(torch.zeros(4, 1, 7, 7), (14, 14), beta=0.0)
    y0, x0, y1, x1 = plan.boxes.unbind(dim=1)
    torch.testing.assert_close(plan.lam, 1 - ((y1 - y0) * (x1 - x0)).float() / 196)


def test_a_grid_that_the_picture_cannot_hold_is_refused() -> None:
    with pytest.raises(PolicyError, match="Expected `grid` from 2 to 14 for pictures of 14 x 20 but got 15"):
        decided(noise(2, 1, 7, 7), (14, 20), grid=15)
    with pytest.raises(PolicyError, match="but got 1 "):
        decided(noise(2, 1, 7, 7), (14, 20), grid=1)


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(SettingError, match="`min_side_ratio` <= `max_side_ratio`"):
        TdAttenMix(min_side_ratio=0.8, max_side_ratio=0.5)
    with pytest.raises(PolicyError, match="has no ratio"):
        TdAttenMix(ratio=FixedLaw(value=0.5))


def test_without_a_guide_it_does_not_compile_and_says_what_there_is(registry: Registry) -> None:
    with pytest.raises(PolicyError, match=r"'tdattenmix' needs a guide .*: name one as `guide` \(cam, .*top_down\)"):
        compile_policy(PolicyDocument.of("tdattenmix"), registry, num_classes=3)
    filled = published(registry, "tdattenmix")
    assert filled.branches[0].guide is not None
    assert filled.branches[0].guide.name == "saliency"
    compile_policy(filled, registry, num_classes=3)


def test_the_papers_policy_has_a_mixup_half(registry: Registry) -> None:
    document = PolicyDocument.from_dict(registry.policy("tdattenmix_paper"))
    mix = compile_policy(document, registry, num_classes=3)
    assert [branch.mixer.name for branch in mix.branches] == ["tdattenmix", "mixup"]
    assert [branch.weight for branch in mix.branches] == [0.5, 0.5]
    first, second = (branch.mixer for branch in mix.branches)
    assert (first.guide.name, first.config()["lam_mode"], first.pairing.name) == ("top_down", "per_sample", "reverse")
    assert second.ratio.config() == {"name": "beta", "alpha": 0.8}
    assert document.label_smoothing == 0.1


# Losses.


def mixed_pair(n: int, size: tuple[int, int], seed: int = 0) -> tuple[Batch, MixedBatch]:
    mixer = TdAttenMix(guide=guide_of(noise(n, 1, 4, 4, seed=seed)), pairing=ReversePairing())
    batch = Batch(noise(n, 3, *size, seed=seed), torch.arange(n) % 5, 5)
    return batch, mixer.apply(batch.images, mixer.draw(batch, torch.Generator().manual_seed(seed)))


def test_consistency_is_the_divergence_from_the_softmax_of_mixed_logits() -> None:
    _, mixed = mixed_pair(4, (8, 8))
    logits, clean = noise(4, 5, seed=1).requires_grad_(), (3 * noise(4, 5, seed=2)).requires_grad_()
    loss = consistency_loss(logits, clean, mixed)
    slowly = 0.0
    for i in range(4):
        lam = float(mixed.weights[i, 0])
        expected = (lam * clean[i] + (1 - lam) * clean[3 - i]).softmax(0).detach()
        got = logits[i].softmax(0).detach()
        slowly += float((expected * (expected / got).log()).sum()) / 4
    assert float(loss.detach()) == pytest.approx(slowly, abs=1e-6)
    loss.backward()
    assert logits.grad is not None
    assert clean.grad is None


def test_token_loss_averages_each_part_and_classifies_it_as_its_source() -> None:
    batch, mixed = mixed_pair(4, (8, 8))
    features = noise(4, 6, 4, 4, seed=3).requires_grad_()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = nn.Linear(6, 5)
    smoothed = MixedBatch(
        mixed.images, mixed.sources, mixed.weights, mixed.plan, torch.full((4,), 0.1), None, mixed.share_function
    )
    loss = token_loss(features, head, batch, smoothed)
    slowly = 0.0
    plan = mixed.plan
    assert isinstance(plan, WindowPlan)
    for i in range(4):
        y, x, y1, x1 = (plan.boxes[i] // 2).tolist()
        inside = torch.zeros(4, 4, dtype=torch.bool)
        inside[y:y1, x:x1] = True
        for mask, label in ((~inside, batch.labels[i]), (inside, batch.labels[3 - i])):
            target = torch.full((5,), 0.1 / 5)
            target[label] += 0.9
            mean = features[i][:, mask].mean(dim=1)
            slowly -= 0.5 * float((target * head(mean).log_softmax(0)).sum().detach()) / 4
    assert float(loss.detach()) == pytest.approx(slowly, abs=1e-5)
    loss.backward()
    assert features.grad is not None
    assert float(features.grad.abs().sum()) > 0


@pytest.mark.parametrize(("name", "has_head"), [("automix_vit_mini", True), ("automix_resnet8", False)])
def test_token_models_get_a_head_of_their_own(name: str, has_head: bool) -> None:
    model = build_model(name, num_classes=5, channels=3, image_size=(16, 16))
    info = ModelInfo(num_features=64, num_classes=5, anatomy=anatomy(model))
    assert set(TdAttenMix().extra_modules(info)) == ({"token_head"} if has_head else set())
    assert TdAttenMix(w_fine=0.0).extra_modules(info) == {}


def test_a_loop_that_forgets_the_head_is_told_what_is_left_out(registry: Registry) -> None:
    document = published(registry, "tdattenmix")
    model, images = build_model("automix_vit_mini", num_classes=5, channels=3, image_size=(16, 16)), noise(4, 3, 16, 16)
    mix = compile_policy(document, registry, num_classes=5)
    with pytest.warns(UserWarning, match=r"leaves out its token loss, because nobody made its head: call `mix\.extra"):
        mix.loss(model, images, torch.arange(4))
    assert torch.isfinite(mix.loss(model, images, torch.arange(4)))


def test_a_batch_that_was_not_mixed_has_no_extra_loss() -> None:
    images = noise(2, 3, 8, 8)
    model, batch = nn.Identity(), Batch(images, torch.tensor([0, 1]), 2)
    context = LossContext(
        model=model,
        batch=batch,
        mixed=MixedBatch.unmixed(images),
        logits=torch.zeros(2, 2),
        clean=CleanView(model, images),
    )
    assert TdAttenMix().loss(context) is None


def test_without_losses_it_needs_no_model(registry: Registry) -> None:
    spec = {"name": "tdattenmix", "w_con": 0.0, "w_fine": 0.0}
    branch = {"mixer": spec, "guide": {"name": "saliency"}}
    document = PolicyDocument.from_dict({"schema": "automix.policy/1", "branches": [branch]})
    mix = compile_policy(document, registry, num_classes=3)
    images, targets = mix(noise(4, 3, 16, 16), torch.tensor([0, 1, 2, 0]))
    assert images.shape == (4, 3, 16, 16)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(4))


@pytest.mark.parametrize(
    ("model", "guide"),
    [("automix_vit_mini", "self_attention"), ("automix_resnet8", "cam"), ("automix_resnet8", "saliency")],
)
def test_one_step_of_training_reaches_all_weights(registry: Registry, model: str, guide: str) -> None:
    branch = {"mixer": {"name": "tdattenmix"}, "guide": {"name": guide}}
    document = PolicyDocument.from_dict({"schema": "automix.policy/1", "branches": [branch], "label_smoothing": 0.1})
    mix = compile_policy(document, registry, num_classes=5)
    net = build_model(model, num_classes=5, channels=3, image_size=(16, 16))
    width: int = net.num_features  # type: ignore[assignment]
    extra = mix.extra_modules(ModelInfo(num_features=width, num_classes=5, anatomy=anatomy(net)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "tdattenmix found maps in which nothing stands out")  # an untrained net's
        loss = mix.loss(net, noise(6, 3, 16, 16), torch.arange(6) % 5)
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
    assert net.training
    assert all(p.grad is not None for module in (net, extra) for p in module.parameters())
