"""A trained model as one file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from automix.errors import ArtifactError
from automix.training.export import ModelCard, load_model, save_model
from automix.training.models import build_model

CARD = ModelCard(
    model="automix_resnet8",
    classes=("cat", "dög"),
    channels=1,
    image_size=(8, 8),
    mean=(0.1,),
    std=(0.3,),
    input={"name": "between_class", "statistics": {"mean": [0.25]}},
    metrics={"val/top1": 0.75},
)


def build() -> nn.Module:
    return build_model(CARD.model, num_classes=2, channels=1, image_size=(8, 8), seed=3)


def test_loaded_model_predicts_as_the_saved_one(tmp_path: Path) -> None:
    model = build()
    images = torch.randn(16, 1, 8, 8)
    model(images)  # moves the running statistics
    save_model(tmp_path / "best.safetensors", model, CARD)
    loaded, card = load_model(tmp_path / "best.safetensors")
    assert card == CARD
    assert not loaded.training
    assert torch.equal(loaded(images), model.eval()(images))


def test_tied_weights_can_be_saved(tmp_path: Path) -> None:
    model = build()
    first, second = model.stages[0].conv1, model.stages[0].conv2
    second.weight = first.weight
    save_model(tmp_path / "m", model, CARD)
    loaded, _ = load_model(tmp_path / "m")
    assert torch.equal(loaded.stages[0].conv2.weight, first.weight)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such file"):
        load_model(tmp_path / "absent")


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello, this is no model")
    (tmp_path / "theirs").write_bytes(safetensors.torch.save({"w": torch.zeros(1)}))
    for name in ("text", "theirs"):
        with pytest.raises(ArtifactError, match=f"{name} but it is damaged or another's"):
            load_model(tmp_path / name)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    save_model(tmp_path / "m", build(), replace(CARD, classes=("a", "b", "c")))
    with pytest.raises(ArtifactError, match="are not those of a 'automix_resnet8'"):
        load_model(tmp_path / "m")
