"""A worker of the confirm stage: one process that trains policy after policy on fresh seeds until none is left.

It is given data without test images, ends as a worker of the search does (`automix.search.worker`), and may be killed:
its training goes on from the last checkpoint.
"""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from automix.data import load_data
from automix.errors import AutomixError, StorageError
from automix.manager import build_host
from automix.policy import PolicyDocument, compile_policy
from automix.search.config import load_config
from automix.search.folder import StudyFolder
from automix.search.locks import try_lock
from automix.search.protocol import EXIT_REFUSED
from automix.search.rounds import Confirmed, ConfirmPlan, Round
from automix.search.stopping import StopFlag
from automix.training.batches import evaluation_loader
from automix.training.checkpoint import CheckpointStore
from automix.training.device import autocast, choose_device
from automix.training.evaluate import predict
from automix.training.export import save_model
from automix.training.loop import train
from automix.training.metrics import log_loss, top1
from automix.training.settings import TrainSettings
from automix.training.setup import make_card
from automix.verdict.calibration import fit_temperature

if TYPE_CHECKING:
    from automix.data import DataSet
    from automix.registry import Registry
    from automix.training.result import TrainResult

__all__ = ["confirm_main", "train_round"]

_log = logging.getLogger(__name__)
_PAUSE_S = 0.5


def confirm_main(work: Path, study: str, worker: int) -> int:
    """Train what the plan of the confirm stage names until all of it is done or the study is told to stop.

    Args:
        work: the work folder.
        study: name of the study.
        worker: number of this worker, for its log.

    Returns:
        The exit code of the process.
    """
    stop = StopFlag.install()
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s confirm worker {worker} %(levelname)s %(message)s")
    folder = StudyFolder(work, study)

    def should_stop() -> bool:
        return stop.is_set() or folder.stop_requested() is not None

    try:
        config = load_config(folder)
        data = load_data(config.data_key, folder.work).without_test()
        settings, registry = TrainSettings.from_dict(config.settings), build_host().registry
        rounds = ConfirmPlan.load(folder).rounds(folder)
        while not should_stop() and any(one.result() is None for one in rounds):
            if not any(_take(one, data, settings, registry, should_stop) for one in rounds):
                time.sleep(_PAUSE_S)  # others work on the last ones; one of them may be left behind
    except AutomixError as err:
        _log.exception("This worker cannot go on.")
        print(" ".join(str(err).split()), file=sys.stderr, flush=True)  # noqa: T201  the last line of the log, which the supervisor shows
        return EXIT_REFUSED
    return 0


def _take(
    one: Round, data: DataSet, settings: TrainSettings, registry: Registry, should_stop: Callable[[], bool]
) -> bool:
    """Train a policy on a seed if that is to be done and nobody does it; returns whether it was ours."""
    if should_stop() or one.result() is not None:
        return False
    lock = try_lock(one.lock_file)
    if lock is None:
        return False
    with lock:
        if one.result() is None:
            train_round(one, data, settings, registry, should_stop)
    return True


def train_round(
    one: Round, data: DataSet, settings: TrainSettings, registry: Registry, should_stop: Callable[[], bool]
) -> None:
    """Train a policy on a fresh seed and keep the model; what the training raises is its result.

    Args:
        one: what to train.
        data: of the search.
        settings: of the search; the seed is replaced.
        registry: where policies are looked up.
        should_stop: asked after every epoch; a training that was stopped goes on when it is taken up again.

    Raises:
        StorageError: the disk is full or cannot be written.
    """
    document = PolicyDocument.from_dict(one.entrant.policy)
    try:
        result = train(
            data,
            document,
            replace(settings, seed=one.seed),
            registry=registry,
            checkpoints=CheckpointStore(one.checkpoint),
            should_stop=should_stop,
        )
    except StorageError:
        raise
    except Exception as err:  # noqa: BLE001  whatever a method, model or driver raises belongs to this policy alone
        _log.exception("%s failed on seed %d", one.entrant.title, one.seed)
        one.settle(Confirmed(error=str(err) if isinstance(err, AutomixError) else f"{type(err).__name__}: {err}"))
        return
    if result.status != "complete":
        return
    one.settle(_keep(one, data, settings, registry, result))
    shutil.rmtree(one.checkpoint)


def _keep(one: Round, data: DataSet, settings: TrainSettings, registry: Registry, result: TrainResult) -> Confirmed:
    """Keep the model as it is after the last epoch, and judge it on validation."""
    device = choose_device(settings.device)
    mix = compile_policy(
        result.document, registry, num_classes=data.num_classes, task=data.task, normalization=(data.mean, data.std)
    )
    save_model(one.model_file, result.model, make_card(data, settings, mix, result.last))
    val = evaluation_loader(data, data.splits["val"], settings, mix, device)
    probs, labels = predict(result.model, val, autocast=lambda: autocast(device, settings.amp))
    return Confirmed(
        val_top1=top1(probs, labels),
        val_logloss=log_loss(probs, labels),
        temperature=fit_temperature(probs, labels),
        policy=result.document.to_dict(),
        seconds=result.seconds,
    )


if __name__ == "__main__":
    raise SystemExit(confirm_main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
