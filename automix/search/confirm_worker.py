"""A worker of the confirm stage: one process that trains policy after policy on fresh seeds until none is left.

It is given data without test images, ends as a worker of the search does (`automix.search.worker`), and may be killed:
its training goes on from the last checkpoint.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from automix.artifacts import FolderStore
from automix.data import load_data
from automix.errors import AutomixError, StorageError
from automix.goal import ACCURACY, GOALS, Goal, goal_of
from automix.manager import build_host
from automix.mixing import ArtifactStore
from automix.policy import PolicyDocument, compile_policy
from automix.search.config import StudyConfig, load_config
from automix.search.folder import StudyFolder
from automix.search.locks import try_lock
from automix.search.protocol import ENV_SESSION, EXIT_REFUSED
from automix.search.rounds import Confirmed, ConfirmPlan, Round, note_of
from automix.search.slots import MAX_CRASHES, died_too_often
from automix.search.stopping import StopFlag
from automix.storage.files import disk_errors
from automix.training.batches import evaluation_loader
from automix.training.checkpoint import CheckpointStore
from automix.training.device import autocast, choose_device
from automix.training.evaluate import predict
from automix.training.export import save_model
from automix.training.loop import train
from automix.training.robustness import Robustness
from automix.training.settings import TrainSettings
from automix.training.setup import make_card
from automix.verdict.calibration import fit_temperature

if TYPE_CHECKING:
    from automix.data import DataSet
    from automix.registry import Registry
    from automix.training.result import TrainResult

__all__ = ["OpenRounds", "TrainRound", "confirm_main", "open_rounds", "settle_round", "train_round"]

_log = logging.getLogger(__name__)
_PAUSE_S = 0.5

TrainRound = Callable[[Round, Callable[[], bool]], Confirmed | None]
"""Trains a policy on a seed and keeps the model; asks after each epoch whether to stop, and returns None if it did."""
OpenRounds = Callable[[StudyConfig, StudyFolder], TrainRound]


def open_rounds(config: StudyConfig, folder: StudyFolder) -> TrainRound:
    """Open data and plugins of a study in this process, for any number of trainings.

    Raises:
        ArtifactError: the decoded data are missing or damaged.
    """
    data = load_data(config.data_key, folder.work).without_test()
    settings = TrainSettings.from_dict(config.settings)
    return partial(
        train_round,
        data=data,
        settings=settings,
        registry=build_host().registry,
        artifacts=FolderStore.of(folder.work),
        goal=goal_of(config.goal),
    )


def confirm_main(work: Path, study: str, worker: int, *, open_rounds: OpenRounds = open_rounds) -> int:
    """Train what the plan of the confirm stage names until all of it is done or the study is told to stop.

    Args:
        work: the work folder.
        study: name of the study.
        worker: number of this worker, for its log.
        open_rounds: makes what it trains with.

    Returns:
        The exit code of the process.
    """
    stop = StopFlag.install()
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s confirm worker {worker} %(levelname)s %(message)s")
    folder = StudyFolder(work, study)

    def should_stop() -> bool:
        return stop.is_set() or folder.stop_requested() is not None

    try:
        train_one = open_rounds(load_config(folder), folder)
        rounds = ConfirmPlan.load(folder).rounds(folder)
        while not should_stop() and any(one.result() is None for one in rounds):
            if not any(_take(one, train_one, should_stop) for one in rounds):
                time.sleep(_PAUSE_S)  # others work on the last ones; one of them may be left behind
    except AutomixError as err:
        _log.exception("This worker cannot go on.")
        print(" ".join(str(err).split()), file=sys.stderr, flush=True)  # noqa: T201  the last line of the log, which the supervisor shows
        return EXIT_REFUSED
    return 0


def _take(one: Round, train_one: TrainRound, should_stop: Callable[[], bool]) -> bool:
    """Train a policy on a seed if that is to be done and nobody does it; returns whether it was ours."""
    if should_stop() or one.result() is not None:
        return False
    lock = try_lock(one.lock_file, note_of(os.getpid()))
    if lock is None:
        return False
    with lock:
        if one.result() is None and one.begin(os.environ.get(ENV_SESSION, "")) >= MAX_CRASHES:
            one.settle(Confirmed(error=died_too_often()))
        if one.result() is None:
            settle_round(one, train_one, should_stop)
    return True


def settle_round(one: Round, train_one: TrainRound, should_stop: Callable[[], bool]) -> None:
    """Train a policy on a fresh seed; what the training raises is its result.

    Args:
        one: what to train.
        train_one: how.
        should_stop: asked after every epoch; a training that was stopped goes on when it is taken up again.

    Raises:
        StorageError: the disk is full or cannot be written.
    """
    try:
        with disk_errors():
            result = train_one(one, should_stop)
    except StorageError:
        raise
    except Exception as err:  # noqa: BLE001  whatever a method, model or driver raises belongs to this policy alone
        _log.exception("%s failed on seed %d", one.entrant.title, one.seed)
        result = Confirmed(error=str(err) if isinstance(err, AutomixError) else f"{type(err).__name__}: {err}")
    if result is not None:
        one.settle(result)
        one.discard_state()


def train_round(
    one: Round,
    should_stop: Callable[[], bool],
    *,
    data: DataSet,
    settings: TrainSettings,
    registry: Registry,
    artifacts: ArtifactStore | None = None,
    goal: Goal = ACCURACY,
) -> Confirmed | None:
    """Train a policy on a fresh seed, keep the model as it is after the last epoch, and judge it on validation.

    Args:
        one: what to train.
        should_stop: asked after every epoch.
        data: of the search.
        settings: of the search; the seed is replaced.
        registry: where policies are looked up.
        artifacts: what policies need besides numbers.
        goal: of the study.
    """
    result = train(
        data,
        PolicyDocument.from_dict(one.entrant.policy),
        replace(settings, seed=one.seed),
        registry=registry,
        checkpoints=CheckpointStore(one.checkpoint),
        should_stop=should_stop,
        artifacts=artifacts,
    )
    return _keep(one, data, settings, registry, result, goal) if result.status == "complete" else None


def _keep(
    one: Round, data: DataSet, settings: TrainSettings, registry: Registry, result: TrainResult, goal: Goal
) -> Confirmed:
    """Keep the model as it is after the last epoch, and judge it on validation."""
    device = choose_device(settings.device)
    mix = compile_policy(
        result.document, registry, num_classes=data.num_classes, task=data.task, normalization=(data.mean, data.std)
    )
    save_model(one.model_file, result.model, make_card(data, settings, mix, result.last))
    in_precision = partial(autocast, device, settings.amp)
    probs, labels = predict(
        result.model, evaluation_loader(data, data.splits["val"], settings, mix, device), autocast=in_precision
    )
    metrics = {name: value for name, value in result.last.items() if name.startswith("val/")}
    if goal == GOALS["robustness"]:
        corrupted = Robustness(data, data.splits["val"], settings, mix, device)
        metrics[goal.metric] = float(corrupted.recognised(result.model, autocast=in_precision).mean())
    else:
        metrics[goal.metric] = goal.value([report.metrics for report in result.curve])
    return Confirmed(
        metrics=metrics,
        temperature=fit_temperature(probs, labels),
        policy=result.document.to_dict(),
        seconds=result.seconds,
    )


if __name__ == "__main__":
    raise SystemExit(confirm_main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
