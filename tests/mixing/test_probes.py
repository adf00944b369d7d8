"""Looking into timm's models: what arrives is what they compute, and they are left as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from timm.models.swin_transformer import window_partition, window_reverse
from torch import Tensor, nn

import automix.training.nets  # noqa: F401  (registers automix_vit_mini)
from automix.errors import ModelError, PluginError
from automix.mixing.probes import (
    BlockAttention,
    CleanView,
    Windows,
    anatomy,
    check_probes,
    merge_cells,
    missing_probes,
    watch_attention,
    watch_features,
)

TINY = {"embed_dim": 24, "depth": 3, "num_heads": 3, "num_classes": 5}
MODELS: dict[str, tuple[str, dict[str, Any], int]] = {
    "class token": ("vit_tiny_patch16_224", {**TINY, "img_size": 32}, 32),
    "distilled": ("deit_tiny_distilled_patch16_224", {**TINY, "img_size": 32}, 32),
    "registers": ("vit_small_patch14_reg4_dinov2", {**TINY, "img_size": 42}, 42),
    "average": ("vit_base_patch16_rope_reg1_gap_256", {**TINY, "img_size": 48}, 48),
    "no prefix": ("vit_medium_patch16_gap_240", {**TINY, "img_size": 48}, 48),
    "padded": ("automix_vit_mini", {"num_classes": 5, "img_size": (33, 33)}, 33),
    "eva": ("eva02_tiny_patch14_224", {**TINY, "img_size": 42}, 42),
    "beit": ("beit_base_patch16_224", {**TINY, "img_size": 32}, 32),
    "swin v2": (
        "swinv2_tiny_window8_256",
        {"embed_dim": 12, "depths": (2, 2), "num_heads": (2, 2), "num_classes": 5, "img_size": 64, "window_size": 4},
        64,
    ),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"embed_dim": 12, "depths": (2, 2), "num_heads": (2, 2), "num_classes": 5, "img_size": 72, "window_size": 7},
        72,
    ),
}


def build(case: str, **changes: Any) -> tuple[nn.Module, Tensor]:
    name, options, size = MODELS[case]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model(name, **{**options, **changes})
        # Fresh weights attend almost evenly; larger ones tell rows and columns apart.
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.data.mul_(4.0)
    return model, torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=MODELS)
def watched(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    return build(request.param)


def maps_of(model: nn.Module, images: Tensor, **options: Any) -> tuple[Tensor, list[BlockAttention]]:
    seen: list[BlockAttention] = []
    with watch_attention(model, seen.append, **options):
        logits = model(images)
    return logits, seen


def test_every_family_passes_the_self_check(watched: tuple[nn.Module, Tensor]) -> None:
    model, images = watched
    made_of = check_probes(model, images)
    assert made_of.no_attention == ""
    assert made_of.num_blocks == len(maps_of(model, images)[1])


def test_anatomy_says_what_the_head_reads() -> None:
    facts = {case: anatomy(build(case)[0]) for case in MODELS}
    assert {case: a.reads for case, a in facts.items() if a.reads} == {
        "class token": (0,),
        "distilled": (0, 1),
        "registers": (0,),
        "padded": (0,),
    }
    assert [facts[case].num_prefix_tokens for case in ("class token", "distilled", "registers", "average")] == [
        1,
        2,
        5,
        1,
    ]
    assert (facts["swin"].patch_grid, facts["swin"].grid) == ((18, 18), (9, 9))
    assert facts["padded"].patches_of((33, 33)) == (9, 9)


@pytest.mark.parametrize("case", ["class token", "distilled", "registers", "no prefix"])
def test_the_map_is_the_mean_over_heads_of_the_softmax(case: str) -> None:
    model, images = build(case)
    model.eval()
    inputs: list[Tensor] = []
    block = model.blocks[1]
    handle = block.attn.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    _, seen = maps_of(model, images, blocks=[1])
    handle.remove()
    b, n, _ = inputs[0].shape
    q, k, _ = block.attn.qkv(inputs[0]).reshape(b, n, 3, 3, 8).permute(2, 0, 3, 1, 4)
    q, k = block.attn.q_norm(q), block.attn.k_norm(k)
    expected = (q @ k.transpose(-2, -1) * 8**-0.5).softmax(dim=-1)
    torch.testing.assert_close(seen[0].weights, expected.mean(dim=1))
    _, seen = maps_of(model, images, blocks=[1], heads="max")
    torch.testing.assert_close(seen[0].weights, expected.amax(dim=1))


def test_only_the_watched_blocks_are_unfused_and_fused_again(watched: tuple[nn.Module, Tensor]) -> None:
    model, images = watched
    parts = [m for m in model.modules() if hasattr(m, "fused_attn")]
    before = [m.fused_attn for m in parts]
    during: list[list[bool]] = []
    with watch_attention(model, lambda _: during.append([m.fused_attn for m in parts]), blocks=[1]):
        model(images)
    assert during == [[state and i != 1 for i, state in enumerate(before)]]
    assert [m.fused_attn for m in parts] == before
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_models_are_left_as_they_were_after_an_error(watched: tuple[nn.Module, Tensor]) -> None:
    model, images = watched
    before = [getattr(m, "fused_attn", None) for m in model.modules()]

    def refuse(_: BlockAttention) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"), watch_attention(model, refuse):
        model(images)
    assert [getattr(m, "fused_attn", None) for m in model.modules()] == before
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_maps_are_detached_and_gradients_stay_those_of_the_model(watched: tuple[nn.Module, Tensor]) -> None:
    model, images = watched
    model.eval()
    logits, seen = maps_of(model, images)
    assert not any(a.weights.requires_grad for a in seen)
    weights = [p for p in model.parameters() if p.requires_grad]
    with_maps = torch.autograd.grad(logits.square().sum(), weights, allow_unused=True)
    without = torch.autograd.grad(model(images).square().sum(), weights, allow_unused=True)
    for a, b in zip(with_maps, without, strict=True):
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_maps_are_float32_and_sum_to_one_under_autocast(watched: tuple[nn.Module, Tensor]) -> None:
    model, images = watched
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, seen = maps_of(model, images)
    for attention in seen:
        assert attention.weights.dtype == torch.float32
        torch.testing.assert_close(
            attention.weights.sum(-1), torch.ones(attention.weights.shape[:2]), rtol=0, atol=1e-2
        )


def test_gradient_checkpointing_is_refused_where_gradients_flow(watched: tuple[nn.Module, Tensor]) -> None:
    model, images = watched
    model.set_grad_checkpointing(True)
    with pytest.raises(ModelError, match="set_grad_checkpointing"):
        maps_of(model, images)
    with torch.no_grad():
        assert maps_of(model, images)[1]


def test_a_compiled_model_is_refused() -> None:
    model, images = build("class token")
    with pytest.raises(ModelError, match=r"torch\.compile"):
        maps_of(torch.compile(model), images)
    model.blocks[0].compile()
    with pytest.raises(ModelError, match=r"torch\.compile"):
        maps_of(model, images)


def test_a_model_that_runs_twice_or_not_at_all_is_refused() -> None:
    model, images = build("class token")
    with pytest.raises(ModelError, match="once each"), watch_attention(model, lambda _: None):
        model(images)
        model(images)
    with pytest.raises(ModelError, match="once each"), watch_attention(model, lambda _: None):
        pass


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("resnet18", {}, "convolutional network"),
        ("vit_base_patch16_siglip_224", {**TINY, "img_size": 32}, "pools by 'map'"),
        ("vit_dpwee_patch16_reg1_gap_256", {**TINY, "img_size": 32}, "differential"),
        ("vit_tiny_patch16_224", {**TINY, "img_size": 32, "patch_drop_rate": 0.2}, "patch dropout"),
        ("cait_xxs24_224", {**TINY, "num_heads": 3, "img_size": 32}, "to attend to 5 tokens but got 4"),
        ("vit_small_patch16_18x2_224", {**TINY, "img_size": 32}, "not those of a ViT"),
    ],
)
def test_other_models_are_refused_with_the_reason(name: str, options: dict[str, Any], reason: str) -> None:
    model = timm.create_model(name, **options)
    with pytest.raises(ModelError, match=reason):
        check_probes(model, torch.randn(2, 3, 32, 32))


def test_missing_probes_name_each_reason() -> None:
    swin, images = build("swin")
    assert set(missing_probes(swin, images)) == {"attention_map"}  # 9 x 9 tokens in windows of 7 x 7
    whole = timm.create_model(MODELS["swin"][0], **{**MODELS["swin"][1], "img_size": 56})
    assert missing_probes(whole, torch.randn(2, 3, 56, 56)) == {}
    resnet = timm.create_model("resnet18", num_classes=5)
    assert set(missing_probes(resnet, torch.randn(2, 3, 32, 32))) == {"attention", "attention_map"}
    assert "forward_features" in missing_probes(nn.Sequential(nn.Flatten()), torch.randn(2, 3, 4, 4))["features"]


def test_features_are_what_the_head_gets_with_their_gradient() -> None:
    for model, images in (
        build("class token"),
        (timm.create_model("resnet10t", num_classes=5), torch.randn(2, 3, 32, 32)),
    ):
        model.eval()
        seen: list[Tensor] = []
        with watch_features(model, seen.append):
            logits = model(images)
        torch.testing.assert_close(model.forward_head(seen[0]), logits)
        assert seen[0].requires_grad
        assert "forward_features" not in vars(model)


# Windows, against timm's own partition


@pytest.mark.parametrize(
    ("grid", "size", "shift"), [((8, 8), (4, 4), (2, 2)), ((6, 9), (4, 4), (2, 1)), ((7, 7), (7, 7), (0, 0))]
)
def test_windows_are_cut_and_joined_as_in_timm(
    grid: tuple[int, int], size: tuple[int, int], shift: tuple[int, int]
) -> None:
    windows = Windows(grid, size, shift)
    tokens = torch.randn(2, grid[0] * grid[1], 3)
    cells = tokens.reshape(2, *grid, 3).roll((-shift[0], -shift[1]), (1, 2))
    down, right = windows.padding
    padded = nn.functional.pad(cells, (0, 0, 0, right, 0, down))
    expected = window_partition(padded, size).reshape(-1, size[0] * size[1], 3)
    assert torch.equal(windows.cut(tokens), expected)
    back = window_reverse(expected.reshape(-1, *size, 3), size, grid[0] + down, grid[1] + right)
    back = back[:, : grid[0], : grid[1]].roll(shift, (1, 2))
    assert torch.equal(windows.join(windows.cut(tokens)), back.reshape(2, -1, 3))
    assert torch.equal(windows.join(windows.cut(tokens)), tokens)


def test_padded_cells_take_no_part_in_a_windows_average() -> None:
    windows = Windows((3, 5), (4, 4), (1, 2))
    weights = torch.rand(4, 16, 16).softmax(-1)
    torch.testing.assert_close(windows.mix(weights, torch.ones(2, 15, 1)[:2]), torch.ones(2, 15, 1))


def test_merging_averages_what_there_is() -> None:
    tokens = torch.arange(9.0).reshape(1, 9, 1)
    expected = torch.tensor([(0 + 1 + 3 + 4) / 4, (2 + 5) / 2, (6 + 7) / 2, 8.0])
    assert torch.equal(merge_cells(tokens, (3, 3), (2, 2)).flatten(), expected)


# CleanView


@pytest.fixture
def counted() -> Callable[[nn.Module], list[int]]:
    def count(model: nn.Module) -> list[int]:
        runs: list[int] = []
        model.register_forward_pre_hook(lambda module, _: runs.append(int(module.training)))
        return runs

    return count


@pytest.mark.parametrize("case", ["class token", "distilled", "average", "padded"])
def test_one_pass_serves_all_who_ask(case: str, counted: Callable[[nn.Module], list[int]]) -> None:
    model, images = build(case)
    model.train()
    model.patch_embed.eval()  # frozen parts stay frozen
    runs = counted(model)
    view = CleanView(model, images, frozenset({"logits", "attention", "features"}))
    assert runs == []
    grid = anatomy(model).patches_of((images.shape[-2], images.shape[-1]))
    assert view.attention().shape == (2, 1, *grid)
    assert view.features().shape == (2, model.num_features, *grid)
    assert view.logits().shape == (2, 5)
    assert runs == [0]
    assert model.training
    assert not model.patch_embed.training
    assert not view.logits().requires_grad
    assert view.class_rows().shape == (5, model.num_features)


def test_the_attention_of_a_view_is_the_class_tokens_row() -> None:
    model, images = build("registers")
    model.eval()
    _, seen = maps_of(model, images, blocks=[2])
    view = CleanView(model, images, frozenset({"attention"}))
    torch.testing.assert_close(view.attention().flatten(1), seen[0].weights[:, 0, 5:])


def test_class_rows_of_a_cnn_belong_to_its_feature_map() -> None:
    model = timm.create_model("resnet10t", num_classes=5).eval()
    view = CleanView(model, torch.randn(2, 3, 32, 32), frozenset({"features"}))
    pooled = view.features().mean(dim=(2, 3))
    torch.testing.assert_close(pooled @ view.class_rows().T + model.fc.bias, view.logits())


def test_what_was_not_announced_is_refused() -> None:
    model, images = build("class token")
    with pytest.raises(PluginError, match="sees"):
        CleanView(model, images).attention()
