"""A search from its plan to its ranking."""

from __future__ import annotations

import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from automix.errors import StorageError, StudyError
from automix.hookspecs import SearchFinished, SearchStarted
from automix.search.bench import study_space
from automix.search.config import StudyConfig, save_config, settled_config
from automix.search.cost import Meter
from automix.search.estimate import Estimator
from automix.search.folder import StudyFolder, replace_text
from automix.search.interrupts import Interrupts
from automix.search.launch import Fleet, Machine, worker_command
from automix.search.ledger import Ledger, SlotRecord, SlotState
from automix.search.left_behind import tidy
from automix.search.locks import HeldLock, try_lock
from automix.search.memory import open_databases, remember_results, show_results
from automix.search.protocol import PARENT_RUN
from automix.search.reading import result_of
from automix.search.result import SearchResult
from automix.search.successor import take_over
from automix.search.supervisor import Ending, Listener, Supervisor
from automix.storage import optuna_errors
from automix.tracking import Tracker, artifact_root, tracking_uri

if TYPE_CHECKING:
    from automix.data import DataSet
    from automix.manager import PluginHost

__all__ = ["run_search", "study_lock"]

_log = logging.getLogger(__name__)
_MARKER = "automix.json"

Export = Callable[[SearchResult], Path | None]
"""Writes results to ``out`` while the study is still locked; returns the policy file."""


@optuna_errors()
def run_search(
    asked: StudyConfig,
    *,
    work: Path,
    host: PluginHost,
    data: DataSet,
    machine: Machine,
    budget_s: float | None = None,
    estimator: Estimator | None = None,
    listener: Listener | None = None,
    announce: Callable[[str], None] = _log.info,
    export: Export | None = None,
    tracker: Tracker | None = None,
    parameters: Sequence[str] = (),
    command: Sequence[str] | None = None,
) -> SearchResult:
    """Run a study, or go on with it, until its trials are done or it is told to stop.

    Ctrl-C, SIGTERM and SIGHUP stop it after the epochs in progress; called again with the same arguments it goes on.

    Args:
        asked: the study. One of that name that exists must agree with it, apart from the number of trials.
        work: the work folder.
        host: told when the search starts and ends.
        data: for the memory over studies.
        machine: workers, and what they share.
        budget_s: seconds that this start may take.
        estimator: tells what the rest will cost.
        listener: told several times a second how the search stands.
        announce: told one line before something that takes long.
        export: writes the results.
        tracker: shows the study; the MLflow store in the work folder by default.
        parameters: names of the searched parameters, for MLflow's comparison.
        command: of a worker, to which its number is added; `automix worker` by default.

    Raises:
        StudyError: it runs already, differs from the one of that name, its workers cannot work, or every trial failed.
        StorageError: a database cannot be used.
    """
    folder = StudyFolder(work.absolute(), asked.name)
    begun = time.monotonic()
    with study_lock(folder):
        config = settled_config(folder, asked)
        _claim_out(Path(config.out), config)
        save_config(folder, config)
        folder.clear_stop()
        tracker = tracker or Tracker(tracking_uri(folder.work), artifact_root(folder.work))
        ledger = open_databases(config, folder, tracker, data, announce, parameters)
        if config.inherited:
            space = study_space(config, host.registry)
            take_over(config, folder, ledger, space, tracker, ledger.noted(PARENT_RUN))
        problems = host.notify("automix_search_started", _started(config, folder))
        machine = machine.for_slots(_n_open(config, ledger))
        fleet = Fleet(
            folder, command or worker_command(folder), machine.environments(os.environ, os.getpid(), uuid.uuid4().hex)
        )
        supervisor = Supervisor(config, folder, ledger, fleet, listener, budget_s=budget_s, estimator=estimator)
        meter = Meter()
        with Interrupts() as interrupts, meter.running():
            ending = supervisor.run(interrupts)
        result = result_of(config, folder, ledger, ending, time.monotonic() - begun, [*problems, *tracker.problems])
        result = replace(result, spent=meter.cost)
        tidy(folder, result.slots.values())
        remember_results(result)
        show_results(tracker, result)
        policy = None if export is None else export(result)
        for problem in host.notify("automix_search_finished", _finished(result, policy)):
            _log.warning("%s", problem)
    _check_any_success(result)
    return result


def study_lock(folder: StudyFolder) -> HeldLock:
    """Take the lock of a study, which is held while anything about it changes.

    Raises:
        StudyError: another process has it.
    """
    lock = try_lock(folder.lock_file, f"process {os.getpid()}")
    if lock is None:
        holder = folder.lock_file.read_text(encoding="utf-8") or "another process"
        raise StudyError(
            f"Study {folder.name!r} is running already ({holder}). "
            f"Look at it with `automix status`, or start another one with --name."
        )
    return lock


def _claim_out(out: Path, config: StudyConfig) -> None:
    """Mark the folder for results as this study's.

    Raises:
        StudyError: it holds the results of another study, or cannot take any.
    """
    marker = out / _MARKER
    mine = {"study": config.name, "study_id": config.study_id}
    try:
        if not marker.exists():
            replace_text(marker, json.dumps(mine) + "\n")
        known = json.loads(marker.read_text(encoding="utf-8"))
    except (ValueError, OSError, StorageError) as err:
        raise StudyError(
            f"The folder {str(out)!r} cannot take results ({err}). Choose another one with --out."
        ) from err
    if known != mine:
        raise StudyError(
            f"The folder {str(out)!r} holds the results of another study, {known.get('study')!r}. "
            f"Choose another folder with --out."
        )


def _n_open(config: StudyConfig, ledger: Ledger) -> int:
    slots = ledger.slots()
    return sum(slot not in slots or not slots[slot].is_settled for slot in range(config.n_trials))


def _check_any_success(result: SearchResult) -> None:
    failed = [slot for slot in result.slots.values() if slot.state is SlotState.FAILED]
    if result.best is None and failed and result.ending is Ending.COMPLETE:
        raise StudyError(_all_failed(result, failed))


def _all_failed(result: SearchResult, failed: Sequence[SlotRecord]) -> str:
    return (
        f"No trial of study {result.study!r} trained to the end: {len(failed)} of {len(result.slots)} failed. "
        f"The first one said: {failed[0].error} The whole story is in {str(result.folder.worker_log(0))!r}."
    )


def _started(config: StudyConfig, folder: StudyFolder) -> SearchStarted:
    return SearchStarted(
        study=config.name, data=config.data_name, n_trials=config.n_trials, work=folder.work, out=Path(config.out)
    )


def _finished(result: SearchResult, policy: Path | None) -> SearchFinished:
    return SearchFinished(
        study=result.study,
        n_complete=result.n_in(SlotState.COMPLETE),
        n_pruned=result.n_in(SlotState.PRUNED),
        n_failed=result.n_in(SlotState.FAILED),
        policy=policy,
        time_s=result.time_s,
    )
