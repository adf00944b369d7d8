"""Learning rate by step, and who is decayed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from automix.training.models import build_model
from automix.training.optim import build_optimizer, learning_rate, parameter_groups, set_learning_rate
from automix.training.settings import TrainSettings


def test_onecycle_is_that_of_torch() -> None:
    steps = 200
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=steps + 1, cycle_momentum=False)
    settings = TrainSettings(lr=0.02, schedule="onecycle")
    # torch turns one step before pct_start * total_steps; the curves agree to within that step.
    for step in range(steps):
        assert learning_rate(settings, step / steps) == pytest.approx(theirs.get_last_lr()[0], abs=0.02 * 0.04)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize(("schedule", "peak_at"), [("onecycle", 0.3), ("cosine", 0.05)])
def test_schedule_rises_to_the_peak_and_falls_to_almost_nothing(schedule: str, peak_at: float) -> None:
    settings = TrainSettings(lr=0.01, schedule=schedule)
    rates = [learning_rate(settings, i / 1000) for i in range(1001)]
    peak = round(1000 * peak_at)
    assert rates[peak] == max(rates) == pytest.approx(0.01)
    assert rates[0] == pytest.approx(0.01 / 25)
    assert rates[-1] < 1e-6
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def test_norms_biases_and_what_the_model_exempts_are_not_decayed() -> None:
    model = build_model("automix_vit_mini", num_classes=5, channels=1, image_size=(8, 8))
    decayed, plain = (group["params"] for group in parameter_groups([model], 0.1))
    names = {id(p): name for name, p in model.named_parameters()}
    assert sorted(names[id(p)] for p in [*decayed, *plain]) == sorted(names.values())
    assert {names[id(p)].split(".")[-1] for p in decayed} == {"weight"}
    assert all(p.ndim >= 2 for p in decayed)
    assert {"pos_embed", "cls_token", "norm.weight", "head.bias"} <= {names[id(p)] for p in plain}


def test_frozen_parameters_are_left_alone() -> None:
    layer = nn.Linear(2, 2)
    layer.weight.requires_grad_(False)
    decayed, plain = (group["params"] for group in parameter_groups([layer], 0.1))
    assert (len(decayed), len(plain)) == (0, 1)


@pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_optimizer_covers_all_modules_and_learns(name: str, kind: type[torch.optim.Optimizer]) -> None:
    modules = [nn.Linear(2, 1), nn.Linear(2, 1)]
    optimizer = build_optimizer(modules, TrainSettings(optimizer=name, lr=0.1, weight_decay=0.5))
    assert type(optimizer) is kind
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.5, 0.0]
    before = [layer.weight.clone() for layer in modules]
    set_learning_rate(optimizer, 0.2)
    sum(layer(torch.ones(1, 2)).square().sum() for layer in modules).backward()
    optimizer.step()
    assert all(not torch.equal(layer.weight, old) for layer, old in zip(modules, before, strict=True))
    assert {group["lr"] for group in optimizer.param_groups} == {0.2}
