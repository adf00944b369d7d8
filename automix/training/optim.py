"""Optimiser, parameter groups and learning rate by step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from torch import nn, optim

from automix.training.settings import TrainSettings

__all__ = ["build_optimizer", "learning_rate", "parameter_groups", "set_learning_rate"]

_ONECYCLE_RISE, _COSINE_RISE = 0.3, 0.05
# As torch's OneCycleLR: start at a 25th of the peak, end at a 10 000th of the start.
_START, _END = 1 / 25, 1 / 25e4


def parameter_groups(modules: Iterable[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Sort parameters into those with and without weight decay.

    Norms, biases and other vectors have none, nor has what a timm model names in `no_weight_decay`.
    """
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for module in modules:
        exempt: Iterable[str] = getattr(module, "no_weight_decay", tuple)()
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                (plain if parameter.ndim <= 1 or name in exempt else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def build_optimizer(modules: Iterable[nn.Module], settings: TrainSettings) -> optim.Optimizer:
    """Build the optimiser over all modules that are trained. Fused: one call a step, also on the CPU."""
    groups = [group for group in parameter_groups(modules, settings.weight_decay) if group["params"]]
    if settings.optimizer == "sgd":
        return optim.SGD(groups, lr=settings.lr, momentum=0.9, nesterov=True, fused=True)
    return optim.AdamW(groups, lr=settings.lr, fused=True)


def learning_rate(settings: TrainSettings, fraction: float) -> float:
    """Compute the learning rate from the share of steps that are done: no state to save or restore.

    "onecycle" goes up over three tenths of the steps and down over the rest, both as half a cosine (Smith 2018, arXiv
    1803.09820, as in torch's OneCycleLR). "cosine" goes up in a straight line over a twentieth and down as half a
    cosine (Loshchilov and Hutter 2017, arXiv 1608.03983).

    Args:
        settings: peak and schedule.
        fraction: steps done / steps of the whole training, in [0, 1].
    """
    if settings.schedule == "onecycle":
        if fraction < _ONECYCLE_RISE:
            return settings.lr * _half_cosine(_START, 1.0, fraction / _ONECYCLE_RISE)
        return settings.lr * _half_cosine(1.0, _END, (fraction - _ONECYCLE_RISE) / (1 - _ONECYCLE_RISE))
    if fraction < _COSINE_RISE:
        return settings.lr * (_START + (1 - _START) * fraction / _COSINE_RISE)
    return settings.lr * _half_cosine(1.0, _END, (fraction - _COSINE_RISE) / (1 - _COSINE_RISE))


def set_learning_rate(optimizer: optim.Optimizer, lr: float) -> None:
    """Give all parameter groups the learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def _half_cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2
