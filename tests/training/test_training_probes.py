"""Policies that look into the model, in the trainer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from automix.data.dataset import DataSet
from automix.errors import ModelError
from automix.policy import PolicyDocument
from automix.registry import Registry
from automix.training.loop import train
from automix.training.settings import TrainSettings

SETTINGS = TrainSettings(model="automix_vit_mini", epochs=2, batch_size=16, device="cpu", seed=3)


def policy(rule: str) -> PolicyDocument:
    branch = {"mixer": {"name": "cutmix"}, "labels": {"name": rule}}
    return PolicyDocument.from_dict({"schema": "automix.policy/1", "name": rule, "branches": [branch]})


@pytest.mark.parametrize("rule", ["transmix", "tl_align"])
def test_a_rule_that_follows_attention_trains_and_can_be_repeated(
    digits: Callable[..., DataSet], registry: Registry, rule: str
) -> None:
    one, other = (train(digits(), policy(rule), SETTINGS, registry=registry) for _ in range(2))
    assert one.status == "complete"
    losses: list[Any] = [[report.metrics["train/loss"] for report in result.curve] for result in (one, other)]
    assert losses[0] == losses[1]
    area = train(digits(), policy("area"), SETTINGS, registry=registry)
    assert losses[0] != [report.metrics["train/loss"] for report in area.curve]
    ours, theirs = one.model.state_dict(), area.model.state_dict()
    assert not all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_model_without_attention_is_refused_before_the_first_step(
    digits: Callable[..., DataSet], registry: Registry
) -> None:
    seen: list[Any] = []
    settings = replace(SETTINGS, model="automix_resnet8")
    with pytest.raises(ModelError, match=r"'tl_align' of this policy needs the attention of every block"):
        train(digits(), policy("tl_align"), settings, registry=registry, on_epoch=seen.append)
    assert not seen
