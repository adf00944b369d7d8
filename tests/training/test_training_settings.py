"""Settings: what is refused, what is chosen where nothing is said."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from automix.data import DataSet
from automix.errors import SettingError, UnknownNameError
from automix.training.defaults import auto_model, default_settings
from automix.training.settings import TrainSettings


def test_settings_survive_json() -> None:
    settings = TrainSettings(model="resnet18", epochs=3, ema=0.99, optimizer="sgd", augment=False)
    assert TrainSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("lr", 0.0),
        ("lr", math.nan),
        ("lr", math.inf),
        ("weight_decay", -0.1),
        ("ema", 1.0),
        ("optimizer", "adam"),
        ("schedule", "step"),
        ("amp", "fp16"),
        ("device", "cuda:x"),
    ],
)
def test_value_out_of_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=rf"Expected `{name}` .* but got {value!r}\."):
        TrainSettings(**{name: value})


def test_unknown_setting_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'batch_size'"):
        TrainSettings.from_dict({"batchsize": 32})


@pytest.mark.parametrize(
    ("size", "space", "model"),
    [
        ((8, 8), None, "automix_resnet8"),
        ((16, 12), None, "automix_resnet8"),
        ((28, 28), None, "automix_resnet10t_small"),
        ((64, 48), "default", "automix_resnet10t_small"),
        ((65, 40), None, "resnet18"),
        ((64, 64), "vit", "automix_vit_mini"),
        ((192, 224), "vit", "deit_tiny_patch16_224"),
        ((100, 100), "vit", "automix_vit_mini"),
    ],
)
def test_model_is_chosen_by_size_and_space(size: tuple[int, int], space: str | None, model: str) -> None:
    assert auto_model(size, space) == model


@pytest.mark.parametrize(
    ("model", "chosen", "lr", "weight_decay"),
    [
        ("auto", {}, 5e-3, 0.05),
        ("resnet18", {}, 1e-3, 0.05),
        ("resnet18", {"pretrained": True}, 2e-4, 0.05),
        ("auto", {"optimizer": "sgd"}, 0.1, 5e-4),
        ("auto", {"lr": 0.02, "weight_decay": 0.0}, 0.02, 0.0),
        ("auto", {"lr": None}, 5e-3, 0.05),
    ],
)
def test_defaults_suit_the_model(
    digits: Callable[..., DataSet], model: str, chosen: dict[str, Any], lr: float, weight_decay: float
) -> None:
    settings = default_settings(model, digits(), **chosen)
    assert (settings.lr, settings.weight_decay) == (lr, weight_decay)
    assert settings.model == ("automix_resnet8" if model == "auto" else model)
