"""TransMix and TL-Align against slow forms that follow K class probabilities per token, as the official codes do."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import timm
import torch
from timm.layers import set_fused_attn
from torch import Tensor, nn
from torch.nn import functional as F

import automix.training.nets  # noqa: F401  (registers automix_vit_mini)
from automix.errors import ModelError, PolicyError
from automix.mixing import Batch, BoxMixer, BoxPlan, MixedBatch, Observed, ReversePairing
from automix.mixing.probes import BlockAttention, anatomy, watch_attention
from automix.policy import PolicyDocument, compile_policy
from automix.registry import Registry
from automix_tokenlabel.functional import aligned, attended_weights, blended, cell_shares, start_tokens
from automix_tokenlabel.rules import TLAlign, TransMix

K = 7


class Paste(BoxMixer):
    """Pastes the box it is told to, so that a test knows what to expect."""

    name = "paste"
    box = (0, 0, 16, 16)

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> BoxPlan:
        return BoxPlan.from_boxes(perm, torch.tensor([self.box]).expand(len(perm), 4), batch.size)


def vit(name: str = "vit_tiny_patch16_224", size: int = 32, **options: Any) -> nn.Module:
    defaults: dict[str, Any] = {"embed_dim": 24, "depth": 4, "num_heads": 3, "patch_size": 8}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model(name, num_classes=K, img_size=size, **{**defaults, **options})
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.data.mul_(15.0)  # attention that is far from even
    return model.eval()


def swin(size: int = 72, **options: Any) -> nn.Module:
    defaults: dict[str, Any] = {"embed_dim": 12, "depths": (2, 2, 2), "num_heads": (2, 2, 2), "window_size": 7}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return timm.create_model(
            "swin_tiny_patch4_window7_224", num_classes=K, img_size=size, **{**defaults, **options}
        ).eval()


def mixed_of(size: int, box: tuple[int, int, int, int], n: int = 4) -> tuple[MixedBatch, Batch]:
    mixer = Paste(pairing=ReversePairing())
    mixer.box = box
    images = torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(3))
    batch = Batch(images, torch.arange(n) % K, K)
    return mixer.apply(images, mixer.draw(batch, torch.Generator().manual_seed(0))), batch


def followed(rule: Any, model: nn.Module, mixed: MixedBatch, batch: Batch) -> Tensor:
    """Weights of a rule after one run of the model."""
    follower = rule.follow(mixed, batch, anatomy(model))
    assert follower is not None
    with watch_attention(model, follower.see, follower.blocks, follower.heads):
        logits = model(mixed.images)
    return rule.after(mixed, batch, Observed(logits.detach(), follower)).weights


def attention_of(model: nn.Module, images: Tensor) -> list[Tensor]:
    """(B, N, N) per block, by hooks of the test's own."""
    maps: list[Tensor] = []
    hooks = []
    for block in model.blocks:
        block.attn.fused_attn = False
        hooks.append(block.attn.attn_drop.register_forward_pre_hook(lambda _, a: maps.append(a[0].detach().mean(1))))
    model(images)
    for hook in hooks:
        hook.remove()
    return maps


def official_tl_align(maps: list[Tensor], box: tuple[int, int, int, int], labels: Tensor, smoothing: float) -> Tensor:
    """Euphoria16/TL-Align in words: K-wide labels of every token, in explicit loops; patches wholly in or out."""
    b, n, _ = maps[0].shape
    side = int((n - 1) ** 0.5)
    on, off = 1 - smoothing + smoothing / K, smoothing / K
    y0, x0, y1, x1 = box
    share = 1 - (y1 - y0) * (x1 - x0) / side**2
    targets = torch.zeros(b, K)
    for i in range(b):
        own, other = torch.full((K,), off), torch.full((K,), off)
        own[labels[i]], other[labels[b - 1 - i]] = on, on
        state = [share * own + (1 - share) * other]
        places = [(y, x) for y in range(side) for x in range(side)]
        state += [other if y0 <= y < y1 and x0 <= x < x1 else own for y, x in places]
        for a in maps:
            new = []
            for t in range(n):
                moved = torch.zeros(K)
                for u in range(n):
                    moved += a[i, t, u] * state[u]
                new.append((moved + state[t]) / 2)
            state = new
        targets[i] = state[0]
    return targets


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_tl_align_is_the_official_update_of_class_probabilities(smoothing: float) -> None:
    model = vit()
    mixed, batch = mixed_of(32, (8, 0, 24, 16))
    expected = official_tl_align(attention_of(model, mixed.images), (1, 0, 3, 2), batch.labels, smoothing)
    ruled = replace(mixed, weights=followed(TLAlign(), model, mixed, batch), smoothing=torch.full((4,), smoothing))
    torch.testing.assert_close(ruled.targets(batch.labels, K), expected, atol=1e-6, rtol=0)
    assert float((ruled.weights - mixed.weights).abs().max()) > 0.01


def test_transmix_is_the_official_mean_of_area_and_attention() -> None:
    model = vit()
    box = (3, 5, 21, 30)  # not on the patch grid
    mixed, batch = mixed_of(32, box)
    row = attention_of(model, mixed.images)[-1][:, 0, 1:]
    pixels = torch.zeros(1, 1, 32, 32)
    pixels[..., box[0] : box[2], box[1] : box[3]] = 1.0
    inside = F.interpolate(pixels, (4, 4), mode="nearest").flatten()
    area = (box[2] - box[0]) * (box[3] - box[1]) / 32**2
    expected = torch.stack([((a * inside).sum() / a.sum() + area) / 2 for a in row])
    torch.testing.assert_close(followed(TransMix(), model, mixed, batch)[:, 1], expected, atol=1e-6, rtol=0)


def test_a_box_smaller_than_a_patch_may_vanish_for_transmix_as_officially() -> None:
    mixed, batch = mixed_of(32, (9, 9, 14, 14))
    weights = followed(TransMix(), vit(), mixed, batch)
    torch.testing.assert_close(weights[:, 1], torch.full((4,), 25 / 32**2 / 2))
    seen = followed(TransMix(sampling="area"), vit(), mixed, batch)
    assert bool((seen[:, 1] > weights[:, 1]).all())


# Any number of sources, soft shares


def dense_reference(
    maps: list[Tensor], cells: Tensor, weights: Tensor, labels: Tensor, prefix: int, update: float
) -> Tensor:
    """(B, N, K) after all blocks: K-wide labels of every token, for shares of S sources."""
    b, s, h, w = cells.shape
    onehot = F.one_hot(labels, K).float()
    state = torch.zeros(b, prefix + h * w, K)
    for i in range(b):
        whole = sum(weights[i, j] * onehot[i, j] for j in range(s))
        state[i, :prefix] = whole
        for place in range(h * w):
            share = cells[i, :, place // w, place % w]
            parts = [share[j] / share.sum() * onehot[i, j] for j in range(s)] if share.sum() > 0 else [whole]
            state[i, prefix + place] = sum(parts)
        for a in maps:
            state[i] = (1 - update) * state[i] + update * a[i] @ state[i]
    return state


@pytest.mark.parametrize(("sources", "prefix", "update"), [(2, 1, 0.5), (4, 5, 0.3), (3, 0, 0.9)])
def test_shares_per_token_say_what_class_probabilities_would(sources: int, prefix: int, update: float) -> None:
    generator = torch.Generator().manual_seed(sources)
    cells = torch.rand(3, sources, 3, 5, generator=generator)
    cells[:, :, 0, 0] = 0.0  # dropped
    cells[0, :, 1] *= 0.2  # partly dropped
    weights = torch.rand(3, sources, generator=generator).softmax(1)
    labels = torch.randint(0, K, (3, sources), generator=generator)
    maps = [torch.randn(3, prefix + 15, prefix + 15, generator=generator).softmax(-1) for _ in range(5)]
    tokens = start_tokens(cells, weights, prefix)
    for a in maps:
        tokens = aligned(tokens, a @ tokens, update)
    found = torch.einsum("bns,bsk->bnk", tokens, F.one_hot(labels, K).float())
    torch.testing.assert_close(found, dense_reference(maps, cells, weights, labels, prefix, update), atol=1e-6, rtol=0)


def test_attention_is_shared_out_among_all_sources() -> None:
    attention, cells = torch.rand(2, 1, 3, 4), torch.rand(2, 3, 3, 4)
    attention[1], weights = 0.0, torch.tensor([[0.2, 0.3, 0.5]]).expand(2, 3)
    found = attended_weights(attention, cells, weights)
    mass = [sum(float(attention[0, 0, y, x] * cells[0, s, y, x]) for y in range(3) for x in range(4)) for s in range(3)]
    torch.testing.assert_close(found[0], torch.tensor(mass) / sum(mass))
    assert torch.equal(found[1], weights[1])
    torch.testing.assert_close(blended(weights, found, 0.25)[0], 0.75 * weights[0] + 0.25 * found[0])


@pytest.mark.parametrize(("size", "grid"), [(33, (9, 9)), (30, (7, 7)), (32, (8, 8))])
def test_patches_that_do_not_divide_the_picture_count_what_is_in_it(size: int, grid: tuple[int, int]) -> None:
    mixed, batch = mixed_of(size, (2, 3, size - 1, size))
    pixels = mixed.shares(size, size)
    padded = torch.zeros(4, 2, 36, 36)
    padded[..., :size, :size] = pixels
    for how in ("area", "nearest"):
        cells = cell_shares(mixed.shares, batch.size, (4, 4), grid, how)
        for y in range(grid[0]):
            for x in range(grid[1]):
                block = padded[..., 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
                expected = block.mean((2, 3)) if how == "area" else block[..., 0, 0]
                torch.testing.assert_close(cells[..., y, x], expected)


# Models


def test_depth_takes_the_last_blocks_and_blend_mixes_in_the_area() -> None:
    model = vit()
    mixed, batch = mixed_of(32, (0, 0, 24, 16))
    maps = attention_of(model, mixed.images)
    tokens = start_tokens(mixed.shares(4, 4), mixed.weights, 1)
    for a in maps[2:]:
        tokens = aligned(tokens, a @ tokens, 0.5)
    expected = 0.3 * mixed.weights + 0.7 * tokens[:, 0]
    found = followed(TLAlign(depth=0.5, blend=0.7), model, mixed, batch)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(followed(TLAlign(blend=0.0), model, mixed, batch), mixed.weights)


@pytest.mark.parametrize(
    ("name", "options", "prefix", "rows"),
    [
        ("deit_tiny_distilled_patch16_224", {}, 2, [0, 1]),
        ("vit_small_patch14_reg4_dinov2", {}, 5, [0]),
        ("vit_medium_patch16_gap_240", {}, 0, list(range(16))),
        ("vit_base_patch16_rope_reg1_gap_256", {}, 1, list(range(1, 17))),
    ],
)
def test_prefix_tokens_start_with_the_area_and_the_head_says_what_is_read(
    name: str, options: dict[str, Any], prefix: int, rows: list[int]
) -> None:
    model = vit(name, **options)
    mixed, batch = mixed_of(32, (0, 8, 17, 32))
    maps = attention_of(model, mixed.images)
    tokens = start_tokens(mixed.shares(4, 4), mixed.weights, prefix)
    for a in maps:
        tokens = aligned(tokens, a @ tokens, 0.5)
    torch.testing.assert_close(followed(TLAlign(), model, mixed, batch), tokens[:, rows].mean(1), atol=1e-6, rtol=0)
    row = maps[-1][:, rows].mean(1)[:, prefix:].reshape(4, 1, 4, 4)
    expected = (mixed.weights + attended_weights(row, mixed.shares(4, 4, "nearest"), mixed.weights)) / 2
    torch.testing.assert_close(followed(TransMix(), model, mixed, batch), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [56, 72])
def test_labels_go_through_a_swin_as_its_values_do(size: int) -> None:
    """A Swin whose blocks only average values shows where a label would have gone.

    Values, projections and residuals are set so that channel 0 carries the partner's share: the features that arrive
    at the head are then the labels that TL-Align should find. 72 pixels do not fill windows of 7.
    """
    model = swin(size)
    mixed, batch = mixed_of(size, (0, 0, size // 2, size))
    maps: list[tuple[Tensor, Any]] = []
    with watch_attention(model, lambda a: maps.append((a.weights, a.windows))):
        model(mixed.images)
    grid = (size // 4, size // 4)
    share = mixed.shares(*grid)[:, 1]
    iterator = iter(maps)
    for stage in model.layers:
        if not isinstance(stage.downsample, nn.Identity):
            share = F.avg_pool2d(share, 2, ceil_mode=True, count_include_pad=False)
        for block in stage.blocks:
            weights, _ = next(iterator)
            share = (share + through_windows(share, weights, block)) / 2
    expected = share.mean(dim=(1, 2))
    found = followed(TLAlign(), model, mixed, batch)
    torch.testing.assert_close(found[:, 1], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.sum(1), torch.ones(4))


def through_windows(share: Tensor, weights: Tensor, block: Any) -> Tensor:
    """Average (B, h, w) within windows by loops over cells; cells beyond the grid are left out."""
    b, h, w = share.shape
    (wh, ww), (sh, sw) = block.window_size, block.shift_size
    rolled = share.roll((-sh, -sw), (1, 2))
    rows, columns = -(-h // wh), -(-w // ww)
    out = torch.zeros_like(rolled)
    for i in range(b):
        for r in range(rows):
            for c in range(columns):
                a = weights[(i * rows + r) * columns + c]
                cells = [(r * wh + y, c * ww + x) for y in range(wh) for x in range(ww)]
                real = torch.tensor([y < h and x < w for y, x in cells])
                values = torch.tensor([float(rolled[i, y, x]) if y < h and x < w else 0.0 for y, x in cells])
                for place, (y, x) in enumerate(cells):
                    if y < h and x < w:
                        out[i, y, x] = (a[place] * values)[real].sum() / a[place][real].sum()
    return out.roll((sh, sw), (1, 2))


def test_transmix_takes_the_mean_over_queries_where_one_window_covers_a_swins_last_stage() -> None:
    model = swin(112, depths=(2, 2, 2))  # 28, 14, 7
    mixed, batch = mixed_of(112, (0, 0, 48, 112))
    seen: list[Tensor] = []
    with watch_attention(model, lambda a: seen.append(a.weights), blocks=[5]):
        model(mixed.images)
    row = seen[0].mean(1).reshape(4, 1, 7, 7)
    expected = (mixed.weights + attended_weights(row, mixed.shares(7, 7), mixed.weights)) / 2
    torch.testing.assert_close(followed(TransMix(sampling="area"), model, mixed, batch), expected, atol=1e-5, rtol=0)


# In a policy


def policy(mixer: str, rule: str, **params: Any) -> PolicyDocument:
    branch = {"mixer": {"name": mixer}, "pairing": {"name": "reverse"}, "labels": {"name": rule, **params}}
    return PolicyDocument.from_dict({"schema": "automix.policy/1", "name": "p", "branches": [branch]})


@pytest.fixture
def build(registry: Registry) -> Callable[..., Any]:
    return lambda document: compile_policy(document, registry, num_classes=K, normalization=((0.5,) * 3, (0.25,) * 3))


def data(n: int = 5, size: int = 32) -> tuple[Tensor, Tensor]:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(8)), torch.arange(n) % K


@pytest.mark.parametrize("rule", ["transmix", "tl_align"])
@pytest.mark.parametrize("mixer", ["cutmix", "resizemix", "fmix", "gridmix", "smoothmix", "saliencymix"])
def test_the_loss_is_that_of_the_rules_weights_and_only_logits_carry_gradient(
    build: Callable[..., Any], mixer: str, rule: str
) -> None:
    mix, model, (images, labels) = build(policy(mixer, rule)), vit(), data()
    step = mix.batch(images, labels, epoch=0, step=0, model=model)
    with step.watching():
        logits = model(step.mixed.images)
    ruled = step.ruled(logits)
    assert not ruled.weights.requires_grad
    torch.testing.assert_close(ruled.weights.sum(1), torch.ones(5))
    targets = ruled.targets(labels, K)
    by_hand = -(targets * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(mix.loss(model, images, labels), by_hand)
    gradient = torch.autograd.grad(mix.criterion(step, logits), logits)[0]
    torch.testing.assert_close(gradient, (logits.softmax(1) - targets) / 5, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("rule", ["transmix", "tl_align"])
@pytest.mark.parametrize("mixer", ["mixup", "between_class"])
def test_blends_keep_their_lam_and_the_model_stays_fused(build: Callable[..., Any], mixer: str, rule: str) -> None:
    mix, model, (images, labels) = build(policy(mixer, rule)), vit(), data()
    step = mix.batch(images, labels, epoch=0, step=0, model=model, prepared=True)
    assert step.follower is None
    with step.watching():
        assert all(block.attn.fused_attn for block in model.blocks)
        logits = model(step.mixed.images)
    assert step.ruled(logits) is step.mixed


@pytest.mark.parametrize("rule", ["transmix", "tl_align"])
def test_rows_that_are_their_own_partner_keep_their_label_exactly(build: Callable[..., Any], rule: str) -> None:
    mix, model, (images, labels) = build(policy("cutmix", rule)), vit(), data(5)  # the middle of five is its own
    step = mix.batch(images, labels, epoch=0, step=0, model=model)
    with step.watching():
        ruled = step.ruled(model(step.mixed.images))
    torch.testing.assert_close(ruled.targets(labels, K)[2], F.one_hot(labels[2], K).float())


def test_without_the_model_it_says_what_to_call(build: Callable[..., Any]) -> None:
    mix, model, (images, labels) = build(policy("cutmix", "tl_align")), vit(), data()
    with pytest.raises(
        PolicyError, match=r"tl_align must see the model: use `loss = mix\.loss\(model, images, labels\)`"
    ):
        mix(images, labels)
    with pytest.raises(PolicyError, match=r"pass `model` to `mix\.batch`"):
        mix.batch(images, labels, epoch=0, step=0)
    step = mix.batch(images, labels, epoch=0, step=0, model=model)
    with pytest.raises(PolicyError, match=r"step\.watching"):
        mix.criterion(step, model(step.mixed.images))


def test_a_model_that_cannot_serve_them_is_refused_with_the_reason(build: Callable[..., Any]) -> None:
    images, labels = data()
    resnet = timm.create_model("resnet10t", num_classes=K)
    for rule, need in (
        ("transmix", "an attention map over the whole image"),
        ("tl_align", "the attention of every block"),
    ):
        with pytest.raises(ModelError, match=rf"'{rule}' of this policy needs {need}: .*convolutional network"):
            build(policy("cutmix", rule)).loss(resnet, images, labels)
    with pytest.raises(ModelError, match="windows of 7 x 7"):
        build(policy("cutmix", "transmix")).loss(swin(112, depths=(2, 2), num_heads=(2, 2)), *data(4, 112))
    with pytest.raises(ModelError, match="Expected `back` below 4"):
        build(policy("cutmix", "transmix", back=4)).loss(vit(), images, labels)


def test_what_is_watched_is_what_an_unfused_model_computes(build: Callable[..., Any]) -> None:
    """The loss under autocast, in training mode, with a model that was built fused and one that was not."""
    losses = []
    for fused in (True, False):
        set_fused_attn(fused)
        try:
            model = vit().train()
        finally:
            set_fused_attn(True)
        losses.append(build(policy("cutmix", "tl_align")).loss(model, *data()))
    torch.testing.assert_close(losses[0], losses[1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = build(policy("cutmix", "tl_align")).loss(vit(), *data())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, losses[0], rtol=0.05, atol=0.05)


def test_the_same_seed_gives_the_same_loss(build: Callable[..., Any]) -> None:
    for rule in ("transmix", "tl_align"):
        a, b = (build(policy("cutmix", rule)).loss(vit(), *data()) for _ in range(2))
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["transmix_paper", "tl_align_paper"])
def test_the_papers_recipes_mix_in_reverse_with_one_box_per_batch(
    registry: Registry, build: Callable[..., Any], name: str
) -> None:
    mix = build(PolicyDocument.from_dict(registry.policy(name)))
    images, labels = data(6, 112)
    model = vit(size=112)
    for number in range(4):
        step = mix.batch(images, labels, epoch=0, step=number, model=model)
        assert step.mixed.sources[:, 1].tolist() == [5, 4, 3, 2, 1, 0]
        assert len(set(step.mixed.weights[:, 0].tolist())) == 1
        if name == "tl_align_paper":
            boxes = step.mixed.plan.boxes
            assert bool((boxes % 8 == 0).all())  # 14 x 14 patches of 8 pixels
            assert len(boxes.unique(dim=0)) == 1
    assert float(mix.loss(model, images, labels).detach()) > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("rule", [TransMix(), TLAlign()])
@pytest.mark.parametrize("make", [vit, swin])
def test_a_gpu_finds_the_same_weights(rule: Any, make: Callable[[], nn.Module]) -> None:
    size = 32 if make is vit else 56
    model = make() if make is vit else swin(56, depths=(2, 2), window_size=7)
    mixed, batch = mixed_of(size, (0, 8, size // 2, size))
    here = followed(rule, model, mixed, batch) if make is vit or isinstance(rule, TLAlign) else None
    if here is None:
        pytest.skip("windows do not cover the last stage")
    cuda = torch.device("cuda")
    mixer = Paste(pairing=ReversePairing())
    moved = mixer.apply(batch.images.to(cuda), mixed.plan)
    there = Batch(batch.images.to(cuda), batch.labels.to(cuda), K)
    torch.testing.assert_close(followed(rule, model.to(cuda), moved, there).cpu(), here, atol=1e-4, rtol=0)


@pytest.mark.parametrize("rule", [TransMix(), TLAlign()])
@pytest.mark.parametrize("make", [vit, swin])
def test_no_more_than_the_map_of_one_block_is_kept(rule: Any, make: Callable[..., nn.Module]) -> None:
    size = 32 if make is vit else 56
    model = make(size=size)
    mixed, batch = mixed_of(size, (0, 0, size // 2, size))
    follower = rule.follow(mixed, batch, anatomy(model))
    alive: list[weakref.ref[Tensor]] = []

    def see(attention: BlockAttention) -> None:
        assert all(earlier() is None for earlier in alive)
        alive.append(weakref.ref(attention.weights))
        follower.see(attention)

    with watch_attention(model, see, follower.blocks):
        model(mixed.images)
    assert len(alive) == len(follower.blocks)
    assert alive[-1]() is None
