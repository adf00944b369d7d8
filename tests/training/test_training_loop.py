"""The training loop: it learns, it resumes exactly, it says what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from timm.models import register_model
from torch import Tensor, nn
from torch.nn import functional as F

from automix.data import DataSet
from automix.errors import ModelError, PolicyError, StudyError
from automix.mixing import (
    ArtifactStore,
    Batch,
    Card,
    KeepPlan,
    LossContext,
    MixedBatch,
    Mixer,
    ModelInfo,
    PrepareContext,
)
from automix.policy import PolicyDocument
from automix.registry import Entry, Registry
from automix.training.checkpoint import CheckpointStore
from automix.training.export import load_model
from automix.training.failures import NonFiniteLoss, OutOfMemory, StaleAttempt
from automix.training.learner import Learner
from automix.training.loop import _hit_weight, train
from automix.training.nets import ResNet8
from automix.training.result import Decision, EpochReport, TrainResult
from automix.training.settings import TrainSettings

NONE = PolicyDocument.of("none")
CUTMIX = PolicyDocument.of("cutmix")
SETTINGS = TrainSettings(model="automix_resnet8", epochs=3, batch_size=16, device="cpu", seed=5)


class DropoutNet(ResNet8):
    """A network that draws random numbers while it trains."""

    def forward(self, images: Tensor) -> Tensor:
        features = F.dropout(self.forward_features(images), 0.3, self.training)
        return self.forward_head(features)


@register_model
def automix_test_dropout(**kwargs: Any) -> nn.Module:
    return DropoutNet(in_chans=kwargs["in_chans"], num_classes=kwargs["num_classes"])


class TeachingMixer(Mixer):
    """Mixes nothing, but brings a module, a loss of its own and a stage of preparation."""

    name = "teaching"
    card: ClassVar[Card] = Card(title="Teaching", summary="For tests.")

    def draw(self, batch: Batch, generator: torch.Generator) -> KeepPlan:
        return KeepPlan(n=len(batch))

    def prepare(self, context: PrepareContext) -> None:
        def count() -> Mapping[str, Tensor]:
            return {"n": torch.tensor(sum(len(images) for images, _, _ in context.batches()))}

        self.n_seen = int(context.keep("count", {}, count)["n"])

    def extra_modules(self, info: ModelInfo) -> Mapping[str, nn.Module]:
        return {"head": nn.Linear(info.num_classes, 1)}

    def loss(self, context: LossContext) -> Tensor:
        return context.extra["head"](context.clean_logits()).square().mean()


class MemoryStore(ArtifactStore):
    def __init__(self) -> None:
        self.kept: dict[str, Mapping[str, Tensor]] = {}

    def tensors(self, key: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        return self.kept.setdefault(key, make())


def comparable(report: EpochReport) -> dict[str, float]:
    return {name: value for name, value in report.metrics.items() if not name.startswith("cost/")}


def assert_same(one: TrainResult, other: TrainResult) -> None:
    assert [comparable(report) for report in one.curve] == [comparable(report) for report in other.curve]
    assert one.best_epoch == other.best_epoch
    ours, theirs = one.model.state_dict(), other.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_training_learns_digits(digits: Callable[..., DataSet], registry: Registry) -> None:
    data = digits(n_train=300, n_val=200)
    result = train(data, NONE, replace(SETTINGS, epochs=6), registry=registry)
    losses = [report.metrics["train/loss"] for report in result.curve]
    assert result.status == "complete"
    assert losses[-1] < 0.5 * losses[0]
    assert result.last["val/top1"] > 0.7
    assert result.last["train/mixed_top1"] > 0.7
    assert result.best["val/top1"] == max(report.metrics["val/top1"] for report in result.curve)
    assert (result.epochs_done, result.curve[-1].epoch, result.curve[-1].n_epochs) == (6, 6, 6)


def test_every_epoch_reports_all_metrics(digits: Callable[..., DataSet], registry: Registry) -> None:
    registry.add(Entry("share_of_zero", "metric", lambda probs, labels: float(np.mean(labels == 0))))
    seen: list[EpochReport] = []

    def on_epoch(report: EpochReport) -> Decision:
        seen.append(report)
        return "continue"

    result = train(digits(), CUTMIX, SETTINGS, registry=registry, on_epoch=on_epoch)
    assert tuple(seen) == result.curve
    expected = "val/top1 val/balanced_top1 val/logloss val/ece val/share_of_zero train/loss train/mixed_top1 "
    expected += "train/clean_top1 lr cost/epoch_s cost/cpu_s cost/img_s"
    assert all(set(report.metrics) == set(expected.split()) for report in seen)
    assert all(np.isfinite(list(report.metrics.values())).all() for report in seen)


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        replace(SETTINGS, ema=0.9, optimizer="sgd", schedule="cosine", lr=0.05),
        replace(SETTINGS, model="automix_test_dropout"),
        replace(SETTINGS, model="automix_vit_mini", ema=0.95),
    ],
    ids=["plain", "ema-sgd", "dropout", "vit-ema"],
)
def test_interrupted_training_ends_as_one_that_was_not(
    digits: Callable[..., DataSet], registry: Registry, tmp_path: Path, settings: TrainSettings
) -> None:
    settings = replace(settings, epochs=6)
    whole = train(digits(), CUTMIX, settings, registry=registry)

    def killed_in_epoch_4(report: EpochReport) -> Decision:
        torch.rand(1)  # what others draw meanwhile must not matter
        if report.epoch == 4:
            raise KeyboardInterrupt
        return "continue"

    with pytest.raises(KeyboardInterrupt):
        train(
            digits(),
            CUTMIX,
            settings,
            registry=registry,
            checkpoints=CheckpointStore(tmp_path),
            on_epoch=killed_in_epoch_4,
        )
    seen: list[int] = []
    resumed = train(
        digits(),
        CUTMIX,
        settings,
        registry=registry,
        checkpoints=CheckpointStore(tmp_path, attempt=1),
        on_epoch=lambda report: seen.append(report.epoch) or "continue",
    )
    assert seen == [4, 5, 6]
    assert_same(resumed, whole)
    again = train(digits(), CUTMIX, settings, registry=registry, checkpoints=CheckpointStore(tmp_path, attempt=2))
    assert_same(again, whole)


def test_stop_can_be_resumed_and_prune_ends(digits: Callable[..., DataSet], registry: Registry, tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    stopped = train(digits(), NONE, SETTINGS, registry=registry, checkpoints=store, on_epoch=lambda report: "stop")
    assert (stopped.status, stopped.epochs_done) == ("stopped", 1)
    waiting = train(digits(), NONE, SETTINGS, registry=registry, checkpoints=store, should_stop=lambda: True)
    assert (waiting.status, waiting.epochs_done) == ("stopped", 1)
    pruned = train(digits(), NONE, SETTINGS, registry=registry, checkpoints=store, on_epoch=lambda report: "prune")
    assert (pruned.status, pruned.epochs_done) == ("pruned", 2)


def test_stop_after_the_last_epoch_is_complete(digits: Callable[..., DataSet], registry: Registry) -> None:
    settings = replace(SETTINGS, epochs=1)
    assert train(digits(), NONE, settings, registry=registry, on_epoch=lambda report: "stop").status == "complete"


def test_best_epoch_is_kept_as_a_model(digits: Callable[..., DataSet], registry: Registry, tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    result = train(digits(n_train=128), NONE, replace(SETTINGS, ema=0.9), registry=registry, checkpoints=store)
    model, card = load_model(store.best_path)
    assert card.metrics == {name: value for name, value in result.best.items() if name.startswith("val/")}
    assert (card.model, card.input, len(card.classes)) == ("automix_resnet8", {"name": "standard"}, 10)
    if result.best_epoch == 3:
        ours = result.model.state_dict()
        assert all(torch.equal(value, ours[name]) for name, value in model.state_dict().items())


def test_checkpoint_of_another_training_is_refused(
    digits: Callable[..., DataSet], registry: Registry, tmp_path: Path
) -> None:
    store = CheckpointStore(tmp_path)
    train(digits(), NONE, SETTINGS, registry=registry, checkpoints=store)
    with pytest.raises(StudyError, match="belongs to a training with other lr, policy"):
        train(digits(), CUTMIX, replace(SETTINGS, lr=0.01), registry=registry, checkpoints=store)


def test_superseded_attempt_stops_without_writing(
    digits: Callable[..., DataSet], registry: Registry, tmp_path: Path
) -> None:
    newer = CheckpointStore(tmp_path, attempt=8)

    def superseded(report: EpochReport) -> Decision:
        newer.save({"by": "newer"}, epoch=9)
        return "continue"

    with pytest.raises(StaleAttempt):
        train(
            digits(),
            NONE,
            SETTINGS,
            registry=registry,
            checkpoints=CheckpointStore(tmp_path, attempt=7),
            on_epoch=superseded,
        )
    assert newer.load() == {"epoch": 9, "by": "newer"}


def test_policies_that_never_mix_train_alike(digits: Callable[..., DataSet], registry: Registry) -> None:
    never = PolicyDocument.of("cutmix", prob=0.0, prob_unit="batch")
    assert_same(train(digits(), never, SETTINGS, registry=registry), train(digits(), NONE, SETTINGS, registry=registry))


def test_seed_decides_and_the_global_generator_does_not(digits: Callable[..., DataSet], registry: Registry) -> None:
    torch.manual_seed(1)
    one = train(digits(), CUTMIX, SETTINGS, registry=registry)
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    two = train(digits(), CUTMIX, SETTINGS, registry=registry)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert_same(one, two)
    other = train(digits(), CUTMIX, replace(SETTINGS, seed=6), registry=registry)
    assert other.last["train/loss"] != one.last["train/loss"]


def test_loss_that_is_not_finite_is_one_clear_line(digits: Callable[..., DataSet], registry: Registry) -> None:
    wild = replace(SETTINGS, optimizer="sgd", lr=1e25)
    with pytest.raises(NonFiniteLoss, match=r"The loss became \w+ in epoch 1 of 3 with `lr` 1e\+25: take a smaller"):
        train(digits(), NONE, wild, registry=registry)


def test_full_gpu_says_what_to_make_smaller(
    digits: Callable[..., DataSet], registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Learner, images: Tensor) -> Tensor:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Learner, "logits", full)
    with pytest.raises(
        OutOfMemory, match=r"'automix_resnet8' with batches of 16 images of 8 x 8 px, also in two halves"
    ):
        train(digits(), NONE, SETTINGS, registry=registry)


def test_model_that_does_not_fit_is_found_before_training(digits: Callable[..., DataSet], registry: Registry) -> None:
    with pytest.raises(ModelError, match="does not work on images of 8 x 8 px"):
        train(digits(), NONE, replace(SETTINGS, model="vit_tiny_patch16_224"), registry=registry)


def test_one_image_too_many_for_full_batches_does_no_harm(digits: Callable[..., DataSet], registry: Registry) -> None:
    result = train(digits(n_train=33), CUTMIX, SETTINGS, registry=registry)
    assert np.isfinite(result.last["train/loss"])


def test_hit_weight_is_the_label_weight_of_the_predicted_class() -> None:
    labels = torch.tensor([0, 1, 1])
    sources = torch.tensor([[0, 1], [1, 2], [2, 0]])
    weights = torch.tensor([[0.7, 0.3], [0.6, 0.4], [0.8, 0.2]])
    mixed = MixedBatch(images=torch.zeros(3, 1, 1, 1), sources=sources, weights=weights)
    logits = torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    # Row 0 predicts 1, which weighs 0.3; row 1 predicts 1, the class of both sources; row 2 predicts neither.
    assert float(_hit_weight(logits, labels, mixed)) == pytest.approx(0.3 + 1.0 + 0.0)


def test_input_treatment_is_fitted_and_used_in_evaluation(
    digits: Callable[..., DataSet], registry: Registry, tmp_path: Path
) -> None:
    policy = PolicyDocument.of("between_class", variant="bc_plus")
    store = CheckpointStore(tmp_path)
    result = train(digits(), policy, SETTINGS, registry=registry, checkpoints=store)
    assert result.document.input is not None
    assert result.document.input.params["statistics"]
    _, card = load_model(store.best_path)
    assert card.input == result.document.input.model_dump()


def test_extra_loss_and_modules_are_trained_and_saved(
    digits: Callable[..., DataSet], registry: Registry, tmp_path: Path
) -> None:
    registry.add(Entry("teaching", "mixer", TeachingMixer))
    store, artifacts = CheckpointStore(tmp_path), MemoryStore()
    policy = PolicyDocument.of("teaching")
    train(digits(), policy, SETTINGS, registry=registry, checkpoints=store, artifacts=artifacts)
    ((key, kept),) = artifacts.kept.items()
    assert key.startswith("count-")
    assert kept == {"n": torch.tensor(64)}
    state = store.load()
    assert state is not None
    assert set(state["learner"]["extra"]) == {"head.weight", "head.bias"}
    decayed, plain = state["learner"]["optimizer"]["param_groups"]
    n_model = len(list(ResNet8(1, 10).parameters()))
    assert len(decayed["params"]) + len(plain["params"]) == n_model + 2


def test_mixer_that_must_be_prepared_asks_for_a_store(digits: Callable[..., DataSet], registry: Registry) -> None:
    registry.add(Entry("teaching", "mixer", TeachingMixer))
    with pytest.raises(PolicyError, match="'count' must be prepared on training images: pass `artifacts`"):
        train(digits(), PolicyDocument.of("teaching"), SETTINGS, registry=registry)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("model", ["automix_resnet8", "automix_vit_mini"])
def test_gpu_in_bfloat16_agrees_with_the_cpu(
    digits: Callable[..., DataSet], registry: Registry, tmp_path: Path, model: str
) -> None:
    data = digits(n_train=640, n_val=400)
    settings = replace(SETTINGS, model=model, epochs=6, batch_size=32, lr=2e-3, ema=0.9)
    cpu = train(data, CUTMIX, settings, registry=registry)
    gpu = train(
        data, CUTMIX, replace(settings, device="cuda"), registry=registry, checkpoints=CheckpointStore(tmp_path)
    )
    assert next(gpu.model.parameters()).is_cuda
    assert gpu.curve[0].metrics["train/loss"] == pytest.approx(cpu.curve[0].metrics["train/loss"], rel=0.05)
    assert gpu.last["val/top1"] == pytest.approx(cpu.last["val/top1"], abs=0.06)
    again = train(
        data, CUTMIX, replace(settings, device="cuda"), registry=registry, checkpoints=CheckpointStore(tmp_path)
    )
    assert comparable(again.curve[-1]) == comparable(gpu.curve[-1])
