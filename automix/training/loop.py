"""The training loop.

`train` goes from epoch to epoch: train, evaluate, report, save. `_train_epoch` goes from batch to batch: mix, predict,
learn. Everything random in an epoch depends on the seed and the epoch's number alone, so a training that was
interrupted between two epochs and resumed ends as one that was not.
"""

from __future__ import annotations

import gc
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from automix.data.dataset import DataSet
from automix.mixing import ArtifactStore
from automix.mixing.batch import MixedBatch
from automix.mixing.random import seed_of
from automix.policy.document import PolicyDocument
from automix.policy.mixer import PolicyMixer
from automix.registry import Registry
from automix.training.batches import Batches
from automix.training.checkpoint import CheckpointStore
from automix.training.device import choose_device, seeded
from automix.training.evaluate import Metric, evaluate, predict
from automix.training.failures import NonFiniteLoss, OutOfMemory
from automix.training.history import History
from automix.training.learner import Learner
from automix.training.metrics import top1
from automix.training.optim import learning_rate, set_learning_rate
from automix.training.result import Decision, EpochReport, Status, TrainResult
from automix.training.robustness import Robustness
from automix.training.settings import TrainSettings
from automix.training.setup import identify, make_card, make_mixer, resume

__all__ = ["train"]

_log = logging.getLogger(__name__)


def train(
    data: DataSet,
    document: PolicyDocument,
    settings: TrainSettings,
    *,
    registry: Registry,
    on_epoch: Callable[[EpochReport], Decision] | None = None,
    checkpoints: CheckpointStore | None = None,
    should_stop: Callable[[], bool] | None = None,
    artifacts: ArtifactStore | None = None,
    robust: bool = False,
) -> TrainResult:
    """Train a model with a policy, on the training images alone; judge it on the validation images.

    Args:
        data: images and labels. The test split is not looked at.
        document: the policy.
        settings: everything else.
        registry: where the policy's components and plugins' metrics are looked up.
        on_epoch: called after each epoch, before it is saved; what it returns decides how to go on. After an
            interruption it may see one epoch a second time, with equal metrics (apart from ``cost/``).
        checkpoints: where the state is kept; a training that is found there goes on after its last saved epoch.
        should_stop: asked after each epoch; True ends the training, to be resumed later.
        artifacts: where mixers with a `prepare` stage keep what they made.
        robust: also judge on corrupted validation images (`automix.training.robustness`), as ``val/robustness``; that
            takes five times as long as judging on clean ones.

    Raises:
        NonFiniteLoss: the training cannot be finished with these settings.
        OutOfMemory: likewise; not even with every mixed batch in two halves, which is tried once. Mixing and steps of
            the optimiser remain those of the whole batch; batch normalisation sees the halves.
        StaleAttempt: a newer attempt has taken over the checkpoints.
        StudyError: the checkpoints belong to another training.
        AutomixError: the policy, the model or the device does not fit.
    """
    notes: list[str] = []
    attempt = partial(
        _attempt,
        data,
        document,
        settings,
        registry=registry,
        on_epoch=on_epoch,
        checkpoints=checkpoints,
        should_stop=should_stop,
        artifacts=artifacts,
        robust=robust,
        notes=notes,
    )
    try:
        return attempt(n_parts=1)
    except torch.cuda.OutOfMemoryError as err:
        _note(notes, f"Out of memory; goes on with every batch in two halves. ({_first_line(err)})")
    # Here and not in the handler: while an exception is handled, the frames that raised it keep their tensors.
    gc.collect()
    torch.cuda.empty_cache()
    try:
        return attempt(n_parts=2)
    except torch.cuda.OutOfMemoryError as err:
        raise OutOfMemory(
            f"{settings.device!r} has too little memory for {settings.model!r} with batches of {settings.batch_size} "
            f"images of {data.image_size[0]} x {data.image_size[1]} px, also in two halves: take a smaller "
            f"`--batch-size`, `--image-size` or model. ({_first_line(err)})"
        ) from err


def _attempt(
    data: DataSet,
    document: PolicyDocument,
    settings: TrainSettings,
    *,
    registry: Registry,
    on_epoch: Callable[[EpochReport], Decision] | None,
    checkpoints: CheckpointStore | None,
    should_stop: Callable[[], bool] | None,
    artifacts: ArtifactStore | None,
    robust: bool,
    notes: list[str],
    n_parts: int,
) -> TrainResult:
    """Train from the last checkpoint to the end; what is out of the ordinary goes into ``notes``."""
    device = choose_device(settings.device)
    metrics = {name: registry.get("metric", name).obj for name in registry.names("metric")}
    identity = identify(data, document, settings)
    _log.info("training %s with policy %s on %s", settings.model, document.title(), device)
    mix = make_mixer(data, document, settings, registry, device, artifacts)
    batches = Batches.open(data, settings, mix, device)
    learner = Learner(data, settings, mix, device, n_parts)
    robustness = Robustness(data, data.splits["val"], settings, mix, device) if robust else None
    history = resume(checkpoints, learner, identity, partial(_note, notes))
    for epoch in range(len(history), settings.epochs):
        if should_stop is not None and should_stop():
            return _result("stopped", history, mix, learner)
        report = _run_epoch(learner, mix, batches, settings, epoch, metrics, robustness)
        report = replace(report, notes=tuple(notes))
        notes.clear()
        is_best = history.add(report)
        decision = "continue" if on_epoch is None else on_epoch(report)
        if decision == "prune":
            return _result("pruned", history, mix, learner)
        if checkpoints is not None:
            if is_best:
                checkpoints.save_best(learner.evaluated, make_card(data, settings, mix, report.metrics))
            state = {"learner": learner.state(), "history": history.state(), "identity": identity}
            checkpoints.save(state, report.epoch)
        if decision == "stop" and report.epoch < settings.epochs:
            return _result("stopped", history, mix, learner)
    return _result("complete", history, mix, learner)


def _note(notes: list[str], note: str) -> None:
    _log.warning("%s", note)
    notes.append(note)


def _first_line(err: BaseException) -> str:
    return str(err).strip().partition("\n")[0]


def _run_epoch(
    learner: Learner,
    mix: PolicyMixer,
    batches: Batches,
    settings: TrainSettings,
    epoch: int,
    metrics: Mapping[str, Metric],
    robustness: Robustness | None,
) -> EpochReport:
    """Train one epoch and judge the model."""
    start, cpu_start = time.perf_counter(), time.process_time()
    # Dropout and drop-path draw from torch's global generators.
    with seeded(seed_of(settings.seed, epoch, "network"), learner.device):
        loss, mixed_top1, n_images = _train_epoch(learner, mix, batches, settings, epoch)
    trained_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    if not math.isfinite(loss):
        raise NonFiniteLoss(
            f"The loss became {loss} in epoch {epoch + 1} of {settings.epochs} with `lr` {settings.lr:g}: "
            "take a smaller `--lr`."
        )
    val = evaluate(learner.evaluated, batches.val, autocast=learner.autocast, extra=metrics)
    if robustness is not None:
        val["robustness"] = float(robustness.recognised(learner.evaluated, autocast=learner.autocast).mean())
    clean_top1 = top1(*predict(learner.evaluated, batches.probe, autocast=learner.autocast))
    values = {
        **{f"val/{name}": value for name, value in val.items()},
        "train/loss": loss,
        "train/mixed_top1": mixed_top1,
        "train/clean_top1": clean_top1,
        "lr": learner.optimizer.param_groups[0]["lr"],
        "cost/epoch_s": trained_s,
        "cost/cpu_s": cpu_s,
        "cost/img_s": n_images / trained_s,
        **({"cost/batch_parts": float(learner.n_parts)} if learner.n_parts > 1 else {}),
    }
    return EpochReport(
        epoch=epoch + 1,
        n_epochs=settings.epochs,
        metrics=values,
        seconds=time.perf_counter() - start,
        images_per_s=n_images / trained_s,
    )


def _train_epoch(
    learner: Learner, mix: PolicyMixer, batches: Batches, settings: TrainSettings, epoch: int
) -> tuple[float, float, int]:
    """Go once over the training images; returns mean loss, mean hit weight and the number of images."""
    learner.model.train()
    learner.extra.train()
    n_steps = len(batches.train)
    # Summed up on the device: reading a number per step would make the GPU wait for Python and back.
    loss_sum, hit_sum = (torch.zeros((), dtype=torch.float64, device=learner.device) for _ in range(2))
    n_images = n_rows = 0
    for step, (images, labels, index) in enumerate(batches.train.epoch(epoch)):
        done = epoch * n_steps + step
        progress = done / (n_steps * settings.epochs)
        set_learning_rate(learner.optimizer, learning_rate(settings, progress))
        mix.set_progress(progress)
        with learner.autocast():
            mixing = mix.batch(
                images,
                labels,
                epoch=epoch,
                step=step,
                index=index,
                prepared=True,
                model=learner.model,
                maps=batches.maps.at(epoch, step, index),
            )
        for part in mixing.parts(learner.n_parts):
            with learner.autocast():
                with part.watching():
                    logits = learner.logits(part.mixed.images)
                loss = mix.criterion(part, logits)
            rows = len(logits)
            learner.add_gradient(loss * (rows / len(mixing.mixed.sources)))
            loss_sum += loss.detach() * rows
            hit_sum += _hit_weight(logits.detach(), labels, part.mixed)
            n_rows += rows
        learner.update(done)
        n_images += len(images)
    return float(loss_sum) / n_rows, float(hit_sum) / n_rows, n_images


def _hit_weight(logits: Tensor, labels: Tensor, mixed: MixedBatch) -> Tensor:
    """Sum over rows of the weight of those sources whose class is predicted; an unmixed row counts 0 or 1."""
    is_hit = labels[mixed.sources] == logits.argmax(dim=1, keepdim=True)
    return (is_hit * mixed.weights).sum()


def _result(status: Status, history: History, mix: PolicyMixer, learner: Learner) -> TrainResult:
    return TrainResult(
        status=status,
        curve=tuple(history.curve),
        best_epoch=history.best_epoch,
        document=mix.document,
        model=learner.evaluated.eval(),
    )
