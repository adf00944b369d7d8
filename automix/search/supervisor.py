"""Watching over the workers of a search until the last one has left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import Enum
from statistics import median

from automix.errors import StudyError
from automix.goal import goal_of
from automix.search.config import StudyConfig
from automix.search.estimate import Estimator
from automix.search.folder import StopMode, StudyFolder
from automix.search.interrupts import Interrupts
from automix.search.launch import DeadWorker, Fleet
from automix.search.ledger import Ledger, SlotRecord, SlotState
from automix.search.left_behind import EarlierWorkers
from automix.search.progress import Progress, progress_of
from automix.search.protocol import EXIT_REFUSED, EXIT_REPLACE
from automix.search.slots import MAX_CRASHES
from automix.search.watchdog import Watchdog, patience_s, signs_of

__all__ = ["Ending", "Listener", "Supervisor"]

_log = logging.getLogger(__name__)

Listener = Callable[[Progress], None]

_POLL_S = 0.5


class Ending(Enum):
    """Why a search came to its end."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    """It was told to stop; the same command goes on."""
    BUDGET = "budget"
    """The time did not hold another trial; the same command goes on."""


class Supervisor:
    """Starts workers, replaces those that die, passes on that a search shall stop, and tells how it stands.

    Args:
        config: of the study.
        folder: of the study, whose lock the caller holds.
        ledger: of the study.
        fleet: the workers, not started yet.
        listener: told how the search stands, several times a second. What it raises is logged and ends nothing.
        budget_s: seconds after which no trial should end; None for no limit.
        estimator: tells what a trial will take.
    """

    def __init__(
        self,
        config: StudyConfig,
        folder: StudyFolder,
        ledger: Ledger,
        fleet: Fleet,
        listener: Listener | None = None,
        *,
        budget_s: float | None = None,
        estimator: Estimator | None = None,
    ) -> None:
        self._config = config
        self._folder = folder
        self._ledger = ledger
        self._fleet = fleet
        self._listener = listener or (lambda _: None)
        self._n_workers = 0
        self._begun = time.monotonic()
        self._budget_s = budget_s
        self._estimator = estimator
        self._stopping: StopMode | None = None
        self._crashes = 0
        self._reached = (0, 0)
        self._notes: list[str] = []
        self._told: frozenset[str] = frozenset()
        self._watchdog = Watchdog()

    def run(self, interrupts: Interrupts) -> Ending:
        """Start the workers and watch until none is left.

        Raises:
            StudyError: the workers cannot work; the message holds what the last one said. Nothing is lost.
        """
        self._told = _notes_of(self._ledger.slots())
        try:
            self._await_earlier(interrupts)
            if not interrupts.count:
                self._fleet.start_all()
            self._n_workers = len(self._fleet)
            while len(self._fleet):
                slots = self._ledger.slots()
                self._pass_on_notes(slots)
                self._heed(interrupts)
                self._mind_budget(slots)
                self._end_those_that_stand_still(slots)
                for dead in self._fleet.reap():
                    self._replace(dead, slots)
                self._show(slots)
                time.sleep(_POLL_S)
        finally:
            self._fleet.kill()
        slots = self._ledger.slots()
        self._pass_on_notes(slots)
        self._show(slots)
        return self._ending(slots)

    def _await_earlier(self, interrupts: Interrupts) -> None:
        """Let workers whose supervisor was killed save and leave: with them, more would work than were asked for."""
        earlier = EarlierWorkers(self._folder, self._config.n_trials)
        while not interrupts.count:
            slots = self._ledger.slots()
            is_over = earlier.are_gone(slots, patience_s(self._trial_s(slots)))
            self._notes.extend(earlier.notes())
            if is_over:
                return
            self._show(slots)
            time.sleep(_POLL_S)

    def _end_those_that_stand_still(self, slots: dict[int, SlotRecord]) -> None:
        limit_s = patience_s(self._trial_s(slots))
        signs = signs_of(self._fleet.pids(), slots, self._folder, self._config.n_trials)
        for worker in self._watchdog.overdue(signs, limit_s):
            self._fleet.kill_one(worker)
            self._notes.append(
                f"Worker {worker} has not moved for {limit_s:.0f} s and is ended; what it was at is taken up again."
            )

    def _pass_on_notes(self, slots: dict[int, SlotRecord]) -> None:
        """Tell what trials say of themselves since this start."""
        now = _notes_of(slots)
        self._notes.extend(sorted(now - self._told))
        self._told = now

    def _heed(self, interrupts: Interrupts) -> None:
        if interrupts.count > 1:
            self._fleet.kill()
        if interrupts.count and self._stopping is not StopMode.AFTER_EPOCH:
            self._stop(StopMode.AFTER_EPOCH)
            self._notes.append(
                "Stopping after the epochs in progress; the same command goes on from there. "
                "Once more (Ctrl-C) stops at once."
            )

    def _mind_budget(self, slots: dict[int, SlotRecord]) -> None:
        # The first slot is handed out in any case.
        if self._budget_s is None or self._stopping is not None or not slots:
            return
        left_s = self._budget_s - (time.monotonic() - self._begun)
        if left_s < self._trial_s(slots):
            self._stop(StopMode.AFTER_SLOT)
            self._notes.append("The budget holds no further trial; those in progress are finished.")

    def _stop(self, mode: StopMode) -> None:
        self._stopping = mode
        self._folder.request_stop(mode)

    def _trial_s(self, slots: dict[int, SlotRecord]) -> float:
        if self._estimator is not None:
            return self._estimator.estimate(slots).trial.wall_s
        known = [s.seconds for s in slots.values() if s.state is SlotState.COMPLETE and s.copied_from is None]
        return median(known) if known else 0.0

    def _replace(self, dead: DeadWorker, slots: dict[int, SlotRecord]) -> None:
        """Start another worker in place of one that did not leave because there was nothing more to do."""
        if dead.code == 0:
            return
        if dead.code == EXIT_REFUSED:
            raise StudyError(f"Worker {dead.worker} cannot go on: {self._fleet.last_words(dead.worker)}")
        if dead.code != EXIT_REPLACE:
            self._count_crash(dead, slots)
        if self._stopping is None:
            self._fleet.start(dead.worker)

    def _count_crash(self, dead: DeadWorker, slots: dict[int, SlotRecord]) -> None:
        """Go on after a crash, unless crashes are all that happens.

        A slot that kills its workers fails after three (`automix.search.slots`), and every worker may have one of those
        in hand; when more die while no epoch is finished, they do not even get to a slot.
        """
        words = self._fleet.last_words(dead.worker)
        self._notes.append(f"Worker {dead.worker} died ({dead.cause()}) and is replaced; it last said: {words}")
        reached = sum(slot.is_settled for slot in slots.values()), sum(len(slot.curve) for slot in slots.values())
        self._crashes = self._crashes + 1 if reached == self._reached else 1
        self._reached = reached
        if self._crashes > MAX_CRASHES * self._n_workers:
            log = self._folder.worker_log(dead.worker)
            raise StudyError(f"Workers die and nothing gets done ({dead.cause()}): {words} More is in {str(log)!r}.")

    def _show(self, slots: dict[int, SlotRecord]) -> None:
        progress = progress_of(
            self._config.name,
            slots,
            n_trials=self._config.n_trials,
            n_epochs=self._config.n_epochs,
            n_workers=self._n_workers,
            estimator=self._estimator,
            elapsed_s=time.monotonic() - self._begun,
            notes=self._notes,
            goal=goal_of(self._config.goal),
        )
        self._notes = []
        try:
            self._listener(progress)
        except Exception:  # noqa: BLE001  a display that fails (a closed terminal) must not end a search
            _log.warning("The display of the search raised; the search goes on.", exc_info=True)

    def _ending(self, slots: dict[int, SlotRecord]) -> Ending:
        if all(slot in slots and slots[slot].is_settled for slot in range(self._config.n_trials)):
            return Ending.COMPLETE
        return Ending.BUDGET if self._stopping is StopMode.AFTER_SLOT else Ending.STOPPED


def _notes_of(slots: dict[int, SlotRecord]) -> frozenset[str]:
    return frozenset(f"Slot {slot.slot}: {note}" for slot in slots.values() for note in slot.notes)
