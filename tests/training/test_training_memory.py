"""Training on when something is short or broken: memory for a batch, a saved state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from automix.data import DataSet
from automix.policy import PolicyDocument, compile_policy
from automix.registry import Registry
from automix.training.checkpoint import CheckpointStore
from automix.training.failures import OutOfMemory
from automix.training.learner import Learner
from automix.training.loop import train
from automix.training.settings import TrainSettings

CUTMIX = PolicyDocument.of("cutmix")
SETTINGS = TrainSettings(model="automix_resnet8", epochs=3, batch_size=16, device="cpu", seed=5)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Give the model room for so many images at a time; returns the sizes of all batches that it was asked for."""
    forward = Learner.logits

    def give(most: int) -> list[int]:
        asked: list[int] = []

        def logits(self: Learner, images: Tensor) -> Tensor:
            asked.append(len(images))
            if len(images) > most:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nand more")
            return forward(self, images)

        monkeypatch.setattr(Learner, "logits", logits)
        return asked

    return give


def test_parts_of_a_mixed_batch_add_up_to_its_gradient(registry: Registry) -> None:
    document = CUTMIX.model_copy(update={"label_smoothing": 0.1})
    mix = compile_policy(document, registry, num_classes=3)
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(7, 1, 8, 8, generator=generator), torch.randint(3, (7,), generator=generator)
    step = mix.batch(images, labels, epoch=0, step=0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    whole = torch.autograd.grad(mix.criterion(step, model(step.mixed.images)), list(model.parameters()))
    parts = step.parts(2)
    assert [len(part.mixed.images) for part in parts] == [3, 4]
    loss = torch.zeros(())
    for part in parts:
        loss = loss + mix.criterion(part, model(part.mixed.images)) * (len(part.mixed.images) / 7)
    for ours, theirs in zip(torch.autograd.grad(loss, list(model.parameters())), whole, strict=True):
        torch.testing.assert_close(ours, theirs)
    shares = torch.cat([part.mixed.shares(4, 4) for part in parts])
    torch.testing.assert_close(shares, step.mixed.shares(4, 4))


def test_a_full_memory_splits_the_batch_once_and_that_is_told(
    digits: Callable[..., DataSet], registry: Registry, room: Callable[[int], list[int]]
) -> None:
    asked = room(8)
    result = train(digits(), CUTMIX, SETTINGS, registry=registry)
    assert asked == [16] + [8] * (2 * 4 * SETTINGS.epochs)
    assert result.status == "complete"
    assert [report.metrics["cost/batch_parts"] for report in result.curve] == [2.0] * 3
    notes = [report.notes for report in result.curve]
    assert notes[1:] == [(), ()]
    assert notes[0] == (
        "Out of memory; goes on with every batch in two halves. (CUDA out of memory. Tried to allocate 2 GiB)",
    )


def test_memory_that_is_too_small_for_halves_ends_the_training(
    digits: Callable[..., DataSet], registry: Registry, room: Callable[[int], list[int]]
) -> None:
    asked = room(4)
    with pytest.raises(OutOfMemory, match=r"batches of 16 images of 8 x 8 px, also in two halves: take a smaller"):
        train(digits(), CUTMIX, SETTINGS, registry=registry)
    assert asked == [16, 8]


def test_a_split_training_goes_on_split(
    digits: Callable[..., DataSet], registry: Registry, room: Callable[[int], list[int]], tmp_path: Path
) -> None:
    room(8)
    train(
        digits(), CUTMIX, SETTINGS, registry=registry, checkpoints=CheckpointStore(tmp_path), on_epoch=lambda _: "stop"
    )
    asked = room(16)
    result = train(digits(), CUTMIX, SETTINGS, registry=registry, checkpoints=CheckpointStore(tmp_path))
    assert set(asked) == {8}
    assert len(result.curve) == 3


def test_a_batch_that_a_mixers_own_loss_needs_whole_is_not_split(registry: Registry) -> None:
    mix = compile_policy(CUTMIX, registry, num_classes=3)
    step = mix.batch(torch.randn(8, 1, 8, 8), torch.arange(8) % 3, epoch=0, step=0)
    assert step.branch is not None
    mixer = type("WithLoss", (type(step.branch.mixer),), {"loss": lambda self, context: context.logits.sum()})
    object.__setattr__(step.branch, "mixer", mixer())
    assert step.branch.has_extra_loss
    assert step.parts(2) == [step]


def test_a_damaged_checkpoint_means_starting_again_which_is_told(
    digits: Callable[..., DataSet], registry: Registry, tmp_path: Path
) -> None:
    calm = train(digits(), CUTMIX, SETTINGS, registry=registry)
    train(
        digits(), CUTMIX, SETTINGS, registry=registry, checkpoints=CheckpointStore(tmp_path), on_epoch=lambda _: "stop"
    )
    saved = tmp_path / "state.pt"
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 1
    saved.write_bytes(content)
    result = train(digits(), CUTMIX, SETTINGS, registry=registry, checkpoints=CheckpointStore(tmp_path))
    assert result.curve[0].notes == (
        f"The checkpoint {saved} is damaged. The training starts again from its first epoch.",
    )
    assert [report.metrics["val/logloss"] for report in result.curve] == [
        report.metrics["val/logloss"] for report in calm.curve
    ]
