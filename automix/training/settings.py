"""Everything a trial is trained with, apart from its policy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from automix.errors import SettingError, unknown_name

__all__ = ["TrainSettings"]

_CHOICES = {"optimizer": ("adamw", "sgd"), "schedule": ("onecycle", "cosine"), "amp": ("auto", "off")}
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How a model is trained. All trials of a search share one of these.

    `automix.training.defaults.default_settings` chooses the values that suit a model and a data set.

    Args:
        model: a timm name, the small networks of `automix.training.nets` included.
        pretrained: start from timm's published weights.
        epochs: passes over the training images, at least 1.
        batch_size: images per step, at least 1.
        lr: peak learning rate.
        weight_decay: on weights, not on norms and biases.
        optimizer: "adamw" or "sgd" (Nesterov momentum 0.9).
        schedule: "onecycle" (three tenths up, the rest down) or "cosine" (short warm-up, then down).
        ema: decay of the average of weights that is evaluated in place of the weights, below 1; 0 for none.
        amp: "auto" for bfloat16 on GPUs that have it; "off" for float32.
        device: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N".
        seed: of initial weights, data order, augmentation and mixing. Label smoothing belongs to the policy.
        augment: flip and shift training images as `automix.data.Augmentation.for_data` chooses.

    Raises:
        SettingError: a value is out of its range.
    """

    model: str = "automix_resnet8"
    pretrained: bool = False
    epochs: int = 20
    batch_size: int = 64
    lr: float = 5e-3
    weight_decay: float = 0.05
    optimizer: str = "adamw"
    schedule: str = "onecycle"
    ema: float = 0.0
    amp: str = "auto"
    device: str = "auto"
    seed: int = 0
    augment: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            _require(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        _require("lr", self.lr, 0 < self.lr < math.inf, "above 0 and finite")
        _require("weight_decay", self.weight_decay, 0 <= self.weight_decay < math.inf, "at least 0 and finite")
        _require("ema", self.ema, 0 <= self.ema < 1, "in [0, 1)")
        for name, choices in _CHOICES.items():
            _require(name, getattr(self, name), getattr(self, name) in choices, f"as one of {', '.join(choices)}")
        _require("device", self.device, _DEVICE.fullmatch(self.device) is not None, "as auto, cpu, cuda or cuda:N")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            UnknownNameError: a key that is no setting.
            SettingError: a value is out of its range.
        """
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise unknown_name("training setting", key, known)
        return cls(**values)


def _require(name: str, value: object, is_right: bool, expected: str) -> None:
    if not is_right:
        raise SettingError(f"Expected `{name}` {expected} but got {value!r}.")
