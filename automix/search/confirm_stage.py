"""The confirm stage: workers that train the best policies and the references again, and who watches over them."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from statistics import median

from automix.errors import StudyError
from automix.search.folder import StopMode, StudyFolder
from automix.search.interrupts import Interrupts
from automix.search.launch import DeadWorker, Fleet, Machine
from automix.search.locks import holder_of
from automix.search.protocol import EXIT_REFUSED
from automix.search.rounds import Confirmed, ConfirmPlan, Round, note_of
from automix.search.slots import MAX_CRASHES
from automix.search.watchdog import Watchdog, patience_s

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
        _Stage(rounds, folder, machine, fleet, announce, expected_s).run(interrupts)
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


class _Stage:
    """Starts workers, replaces those that die or stand still, passes on that they shall stop, tells what is done."""

    def __init__(
        self,
        rounds: Sequence[Round],
        folder: StudyFolder,
        machine: Machine,
        fleet: Fleet,
        announce: Callable[[str], None],
        expected_s: float | None,
    ) -> None:
        self._rounds = rounds
        self._folder = folder
        self._machine = machine
        self._fleet = fleet
        self._announce = announce
        self._patience_s = patience_s(expected_s or 0.0)
        self._watchdog = Watchdog()
        self._told = {one.path for one in rounds if one.result() is not None}
        self._is_stopping = False
        self._crashes = 0
        self._reached: tuple[object, ...] = ()

    def run(self, interrupts: Interrupts) -> None:
        """Watch until no worker is left."""
        try:
            self._fleet.start_all()
            while len(self._fleet):
                time.sleep(_POLL_S)
                self._heed(interrupts)
                self._end_those_that_stand_still()
                for dead in self._fleet.reap():
                    self._replace(dead)
                self._tell()
        finally:
            self._fleet.kill()
        self._tell()

    def _heed(self, interrupts: Interrupts) -> None:
        if interrupts.count > 1:
            self._fleet.kill()
        elif interrupts.count and not self._is_stopping:
            self._is_stopping = True
            self._folder.request_stop(StopMode.AFTER_EPOCH)
            self._announce("Stopping after the epochs in progress; the same command goes on from there.")

    def _end_those_that_stand_still(self) -> None:
        held = {holder_of(one.lock_file): one.progress() for one in self._rounds if one.result() is None}
        signs = {worker: held.get(note_of(pid), time.monotonic()) for worker, pid in self._fleet.pids().items()}
        for worker in self._watchdog.overdue(signs, self._patience_s):
            self._fleet.kill_one(worker)
            self._announce(f"Worker {worker} has not moved for {self._patience_s:.0f} s and is ended.")

    def _replace(self, dead: DeadWorker) -> None:
        if dead.code == 0:
            return
        if dead.code == EXIT_REFUSED:
            raise StudyError(f"Worker {dead.worker} cannot go on: {self._fleet.last_words(dead.worker)}")
        # A policy that kills its workers fails after three; these do not even get to one.
        now = tuple(one.progress() for one in self._rounds)
        self._crashes, self._reached = (self._crashes + 1 if now == self._reached else 1), now
        words = self._fleet.last_words(dead.worker)
        if self._crashes > MAX_CRASHES:
            log = str(self._folder.worker_log(dead.worker))
            raise StudyError(f"Workers die in training on fresh seeds ({dead.cause()}): {words} More is in {log!r}.")
        self._announce(f"Worker {dead.worker} died ({dead.cause()}) and is replaced; it last said: {words}")
        if not self._is_stopping:
            self._fleet.start(dead.worker)

    def _tell(self) -> None:
        """Announce the trainings that have finished since the last call."""
        for one in self._rounds:
            result = None if one.path in self._told else one.result()
            if result is None:
                continue
            self._told.add(one.path)
            n_done, n_all = len(self._told), len(self._rounds)
            left = "" if n_done == n_all else f"; {_left(self._rounds, self._machine)}"
            self._announce(f"[{n_done}/{n_all}] {_line(one, result)}{left}")


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
