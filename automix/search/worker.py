"""A worker: one process that trains slot after slot of a study until none is left.

It talks to the databases and the study's folder only. It ignores Ctrl-C, which reaches every process of a terminal:
the supervisor says when to stop, and a worker whose supervisor is gone saves after the epoch in progress and leaves.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from optuna.exceptions import StorageInternalError

from automix.errors import AutomixError
from automix.goal import goal_of
from automix.policy import PolicyDocument
from automix.search.bench import Bench, OpenBench, open_bench
from automix.search.config import StudyConfig, load_config
from automix.search.folder import StopMode, StudyFolder
from automix.search.ledger import Ledger, Proposal, SlotRecord
from automix.search.objective import Objective
from automix.search.protocol import ENV_SESSION, EXIT_REFUSED, EXIT_REPLACE, PARENT_RUN
from automix.search.sampler import arm_proposal, sampled_proposal
from automix.search.slots import Desk
from automix.search.stopping import StopFlag
from automix.storage import optuna_storage

__all__ = ["worker_main"]

_log = logging.getLogger(__name__)
_PAUSE_S = 0.5


def worker_main(study: str, work: Path, worker: int, *, open_bench: OpenBench = open_bench) -> int:
    """Train slots until none is left or the study is told to stop.

    Args:
        study: name of the study.
        work: the work folder.
        worker: number of this worker, for its log.
        open_bench: makes what it works with.

    Returns:
        The exit code of the process.
    """
    stop = StopFlag.install()
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s worker {worker} %(levelname)s %(message)s")
    try:
        folder = StudyFolder(work, study)
        config = load_config(folder)
        bench = open_bench(config, folder)
        ledger = Ledger(optuna_storage(folder.optuna_file), study, goal=goal_of(config.goal))
        return _work(config, folder, bench, ledger, stop)
    except (AutomixError, StorageInternalError) as err:
        _log.exception("This worker cannot go on.")
        print(" ".join(str(err).split()), file=sys.stderr, flush=True)  # noqa: T201  the last line of the log, which the supervisor shows
        return EXIT_REFUSED


def _work(config: StudyConfig, folder: StudyFolder, bench: Bench, ledger: Ledger, stop: StopFlag) -> int:
    session = os.environ.get(ENV_SESSION, "")
    desk = Desk(folder, ledger, config.n_trials, _proposer(config, bench, ledger), session=session)
    objective = Objective(
        study=config.name,
        folder=folder,
        ledger=ledger,
        train=bench.train,
        tracker=bench.tracker,
        parent_run=ledger.noted(PARENT_RUN),
        host=bench.host,
        should_stop=lambda: stop.is_set() or folder.stop_requested() is StopMode.AFTER_EPOCH,
        goal=goal_of(config.goal),
    )
    while not (stop.is_set() or folder.stop_requested()):
        lease = desk.take()
        if lease is None:
            if desk.is_done():
                return 0
            time.sleep(_PAUSE_S)  # others work on the last slots; one of them may be left behind
            continue
        if stop.is_set():  # while a proposal was thought out; another start may have begun
            lease.release()
            break
        try:
            outcome = objective.run(lease)
        finally:
            lease.release()
        if outcome == "broken":
            return EXIT_REPLACE
    _log.info("Told to stop; `automix search` starts the study again.")
    return 0


def _proposer(config: StudyConfig, bench: Bench, ledger: Ledger) -> Callable[[int, Mapping[int, SlotRecord]], Proposal]:
    def propose(slot: int, slots: Mapping[int, SlotRecord]) -> Proposal:
        if slot < len(config.arms):
            arm = config.arms[slot]
            return arm_proposal(arm.name, PolicyDocument.from_dict(arm.policy), bench.space)
        return sampled_proposal(
            ledger.lessons(),
            bench.space,
            seed=config.seed,
            slot=slot,
            n_startup_trials=config.n_startup_trials,
            known_keys={record.proposal.key for record in slots.values()},
        )

    return propose
