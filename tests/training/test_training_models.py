"""Models: every size and colour that data come in, and what is said where they do not fit."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import nn

from automix.errors import ModelError, UnknownNameError
from automix.training.models import build_model
from automix.training.nets import patch_size


def build(name: str, side: int = 32, channels: int = 3, **options: Any) -> nn.Module:
    return build_model(name, num_classes=7, channels=channels, image_size=(side, side), **options)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("automix_resnet8", 8),
        ("automix_resnet8", 28),
        ("automix_resnet10t_small", 28),
        ("automix_resnet10t_small", 64),
        ("automix_vit_mini", 8),
        ("automix_vit_mini", 28),
        ("automix_vit_mini", 64),
        ("automix_vit_mini", 100),
        ("resnet10t", 32),
        ("convnext_atto", 64),
        ("mobilenetv3_small_050", 64),
        ("vit_tiny_patch16_224", 32),
        ("vit_tiny_patch16_224", 192),
        ("swin_tiny_patch4_window7_224", 64),
    ],
)
def test_model_takes_size_and_channels(name: str, side: int, channels: int) -> None:
    model = build(name, side, channels)
    assert model.training
    assert model(torch.randn(2, channels, side, side)).shape == (2, 7)


def test_model_takes_images_that_are_not_square() -> None:
    for name in ("automix_resnet8", "automix_vit_mini", "vit_tiny_patch16_224"):
        build_model(name, num_classes=2, channels=1, image_size=(16, 48))


@pytest.mark.parametrize(
    ("name", "side", "parameters"),
    [("automix_resnet8", 8, 78_000), ("automix_resnet10t_small", 28, 310_000), ("automix_vit_mini", 28, 200_000)],
)
def test_small_nets_are_as_small_as_they_say(name: str, side: int, parameters: int) -> None:
    count = sum(p.numel() for p in build(name, side, channels=1).parameters())
    assert count == pytest.approx(parameters, rel=0.04)


def test_resnet8_offers_what_timm_models_offer() -> None:
    model = build("automix_resnet8", 8, 1).eval()
    images = torch.randn(2, 1, 8, 8)
    features = model.forward_features(images)
    assert features.shape == (2, 64, 2, 2)
    assert model.forward_head(features, pre_logits=True).shape == (2, model.num_features)
    torch.testing.assert_close(model.get_classifier()(features.mean((2, 3))), model(images))


def test_patches_divide_the_usual_sizes() -> None:
    assert all(side % patch_size((side, side)) == 0 for side in (8, 16, 28, 32, 64, 96, 128, 192, 224))


def test_one_seed_gives_one_model_and_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (build("automix_vit_mini", 8, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_unknown_model_suggests_near_names() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown model 'resnt18'\. Did you mean .*'resnet18'"):
        build("resnt18")


def test_unknown_weights_list_those_that_exist() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown weights 'nope' of model 'resnet18': .*a1_in1k"):
        build("resnet18.nope")
    with pytest.raises(UnknownNameError, match="has no published weights"):
        build("automix_resnet8.nope")


@pytest.mark.parametrize(
    ("name", "side", "advice"),
    [("vit_tiny_patch16_224", 8, "automix_resnet8"), ("inception_v3", 48, "automix_resnet10t_small")],
)
def test_model_too_large_for_the_images_is_found_before_training(name: str, side: int, advice: str) -> None:
    with pytest.raises(ModelError, match=f"{name}.*does not work on images of {side} x {side} px: .*{advice}"):
        build(name, side)


def test_model_that_is_no_classifier_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm, "create_model", lambda *args, **options: nn.Flatten())
    with pytest.raises(ModelError, match=r"Expected logits \(2, 7\) from the model 'resnet18'"):
        build("resnet18")


def test_weights_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ModelError, match="'automix_resnet8' has no published weights"):
        build("automix_resnet8", pretrained=True)


def test_weights_that_cannot_be_loaded_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: Any, **options: Any) -> nn.Module:
        raise OSError("We couldn't connect to the hub.\nMore lines.")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(ModelError, match=r"could not be loaded: We couldn't connect to the hub. Check the network"):
        build("resnet18", pretrained=True)


def test_pretrained_stem_is_adapted_to_grey_images(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    create = timm.create_model

    def spy(name: str, pretrained: bool = False, **options: Any) -> nn.Module:
        seen.update(options, pretrained=pretrained)
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", spy)
    build("vit_tiny_patch16_224", 64, channels=1, pretrained=True)
    assert seen == {"num_classes": 7, "in_chans": 1, "img_size": (64, 64), "pretrained": True}
