"""Arms of one seed differ by their policy alone: same initial weights, same images in the same order."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from automix.data import open_data
from automix.manager import build_host
from automix.policy import PolicyDocument
from automix.training.loop import train
from automix.training.settings import TrainSettings


@pytest.mark.parametrize("mixer", ["mixup", "cutmix"])
def test_policy_that_never_mixes_ends_with_the_very_weights_of_no_mixing(mixer: str, tmp_path: Path) -> None:
    registry, data = build_host().registry, open_data("digits", work=tmp_path, limit=100).without_test()
    idle = PolicyDocument.from_dict(
        {"schema": "automix.policy/1", "branches": [{"mixer": {"name": mixer, "prob": 0.0}}]}
    )
    settings = TrainSettings(epochs=2, device="cpu", seed=5)
    none, paired = (
        train(data, document, settings, registry=registry).model.state_dict()
        for document in (PolicyDocument.of("none"), idle)
    )
    other = train(data, idle, TrainSettings(epochs=2, device="cpu", seed=6), registry=registry).model.state_dict()
    assert all(torch.equal(none[name], paired[name]) for name in none)
    assert not all(torch.equal(none[name], other[name]) for name in none)
