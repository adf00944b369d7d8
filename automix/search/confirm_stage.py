"""The confirm stage: workers that train the best policies and the references again, and who watches over them."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from automix.errors import StudyError
from automix.search.folder import StopMode, StudyFolder
from automix.search.interrupts import Interrupts
from automix.search.launch import Fleet, Machine
from automix.search.protocol import EXIT_REFUSED
from automix.search.rounds import Confirmed, ConfirmPlan, Round
from automix.search.slots import MAX_CRASHES

__all__ = ["confirm_command", "run_confirm_stage"]

_POLL_S = 0.3


def run_confirm_stage(
    plan: ConfirmPlan,
    folder: StudyFolder,
    machine: Machine,
    announce: Callable[[str], None],
    *,
    expected_s: float | None = None,
    command: Sequence[str] | None = None,
) -> bool:
    """Train what is still missing, as many at a time as the search does.

    Args:
        plan: policies and seeds.
        folder: of the study, whose lock the caller holds.
        machine: workers, and what they share.
        announce: told at the start and after each training.
        expected_s: what a training took in the search.
        command: of a worker, to which its number is added.

    Returns:
        Whether all of it is done; False where Ctrl-C, SIGTERM or SIGHUP stopped it.

    Raises:
        StudyError: the workers cannot work; nothing is lost.
    """
    rounds = plan.rounds(folder)
    _tidy(rounds)
    missing = [one for one in rounds if one.result() is None]
    if not missing:
        return True
    plan.save(folder)
    folder.clear_stop()
    machine = machine.for_slots(len(missing))
    environments = machine.environments(os.environ, os.getpid(), uuid.uuid4().hex)
    fleet = Fleet(folder, command or confirm_command(folder), environments)
    n_policies = len(plan.entrants)
    announce(
        f"Training {n_policies} policies again on {len(plan.seeds)} fresh seeds: {_left(rounds, machine, expected_s)}."
    )
    with Interrupts() as interrupts:
        _watch(_Watch(rounds, folder, machine, fleet, announce, interrupts))
    _tidy(rounds)
    return all(one.result() is not None for one in rounds)


def _tidy(rounds: Sequence[Round]) -> None:
    """Remove what a worker that was killed after its last word left behind."""
    for one in rounds:
        if one.result() is not None:
            one.discard_state()


def confirm_command(folder: StudyFolder) -> list[str]:
    """Return the command line of a worker of this stage, to which its number is added."""
    return [sys.executable, "-m", "automix.search.confirm_worker", str(folder.work.absolute()), folder.name]


@dataclass(frozen=True)
class _Watch:
    rounds: Sequence[Round]
    folder: StudyFolder
    machine: Machine
    fleet: Fleet
    announce: Callable[[str], None]
    interrupts: Interrupts


def _watch(watch: _Watch) -> None:
    told = {one.path for one in watch.rounds if one.result() is not None}
    crashes, is_stopping = 0, False
    reached: tuple[object, ...] = ()
    try:
        watch.fleet.start_all()
        while len(watch.fleet):
            time.sleep(_POLL_S)
            if watch.interrupts.count > 1:
                watch.fleet.kill()
            elif watch.interrupts.count and not is_stopping:
                is_stopping = True
                watch.folder.request_stop(StopMode.AFTER_EPOCH)
                watch.announce("Stopping after the epochs in progress; the same command goes on from there.")
            for dead in watch.fleet.reap():
                if dead.code == EXIT_REFUSED:
                    raise StudyError(f"Worker {dead.worker} cannot go on: {watch.fleet.last_words(dead.worker)}")
                if dead.code == 0:
                    continue
                # A policy that kills its workers fails after three; these do not even get to one.
                now = tuple(one.progress() for one in watch.rounds)
                crashes, reached = (crashes + 1 if now == reached else 1), now
                if crashes > MAX_CRASHES:
                    words, log = watch.fleet.last_words(dead.worker), watch.folder.worker_log(dead.worker)
                    raise StudyError(
                        f"Workers die in training on fresh seeds ({dead.cause()}): {words} More is in {str(log)!r}."
                    )
                if not is_stopping:
                    watch.fleet.start(dead.worker)
            _tell(watch, told)
    finally:
        watch.fleet.kill()
    _tell(watch, told)


def _tell(watch: _Watch, told: set[Path]) -> None:
    """Announce the trainings that have finished since the last call."""
    for one in watch.rounds:
        result = None if one.path in told else one.result()
        if result is None:
            continue
        told.add(one.path)
        left = "" if len(told) == len(watch.rounds) else f"; {_left(watch.rounds, watch.machine)}"
        watch.announce(f"[{len(told)}/{len(watch.rounds)}] {_line(one, result)}{left}")


def _line(one: Round, result: Confirmed) -> str:
    if result.error:
        return f"{one.entrant.title} failed: {result.error}"
    return f"{one.entrant.title}: {100 * result.val_top1:.2f} % of the validation images"


def _left(rounds: Sequence[Round], machine: Machine, expected_s: float | None = None) -> str:
    """Say how much is to be done and how long it may take."""
    results = [one.result() for one in rounds]
    known = [result.seconds for result in results if result is not None and result.seconds]
    n_left = sum(result is None for result in results)
    each_s = median(known) if known else expected_s
    text = f"{n_left} trainings left" if known else f"{n_left} trainings"
    if each_s is None:
        return text
    total_s = each_s * n_left / machine.n_workers
    return f"{text}, about {total_s:.0f} s" if total_s < 120 else f"{text}, about {total_s / 60:.0f} min"
