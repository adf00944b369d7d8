"""Training with guides: equal for equal seeds, also when it was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from automix.artifacts import FolderStore
from automix.data import DataSet
from automix.errors import ModelError
from automix.policy import PolicyDocument
from automix.registry import Registry
from automix.training.checkpoint import CheckpointStore
from automix.training.loop import train
from automix.training.settings import TrainSettings

VIT = TrainSettings(model="automix_vit_mini", epochs=2, batch_size=16, device="cpu", seed=5, lr=1e-3)
# A network that was just born may look at nothing in particular.
UNGUIDED = pytest.mark.filterwarnings("ignore:tdattenmix found maps in which nothing stands out")


def policy(**guide: object) -> PolicyDocument:
    branch = {"mixer": {"name": "tdattenmix"}, "guide": guide}
    return PolicyDocument.from_dict({"schema": "automix.policy/1", "branches": [branch]})


@UNGUIDED
@pytest.mark.parametrize(
    "guide",
    [{"name": "self_attention"}, {"name": "top_down", "direction": "self"}, {"name": "top_down", "epochs": 1}],
    ids=lambda guide: "-".join(map(str, guide.values())),
)
def test_an_interrupted_training_comes_to_the_same_weights(
    digits: Callable[..., DataSet], registry: Registry, tmp_path: Path, guide: dict[str, object]
) -> None:
    data = digits(n_train=48)
    whole = train(data, policy(**guide), VIT, registry=registry, artifacts=FolderStore.of(tmp_path))
    checkpoints = CheckpointStore(tmp_path / "trial")
    for _ in range(2):  # stopped after the first epoch, then taken up with a network from the store
        part = train(
            data,
            policy(**guide),
            VIT,
            registry=registry,
            artifacts=FolderStore.of(tmp_path),
            checkpoints=checkpoints,
            on_epoch=lambda report: "stop",
        )
    assert (part.status, part.epochs_done) == ("complete", 2)
    ours, theirs = part.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    state = checkpoints.load()
    assert state is not None
    assert set(state["learner"]["extra"]) == {"token_head.weight", "token_head.bias"}


def test_a_guide_that_the_model_cannot_serve_is_refused_before_the_first_step(
    digits: Callable[..., DataSet], registry: Registry
) -> None:
    settings = TrainSettings(model="automix_resnet8", epochs=1, batch_size=16, device="cpu")
    with pytest.raises(ModelError, match="'self_attention' of this policy needs"):
        train(digits(), policy(name="self_attention"), settings, registry=registry)
