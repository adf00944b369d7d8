"""Noticing who stands still: a driver that hangs, a file system that went away, a process that somebody suspended.

Time counts only while we look. A machine that slept, or a search that was suspended as a whole, wakes up with nobody
overdue.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from automix.search.folder import StudyFolder
from automix.search.ledger import SlotRecord, SlotState
from automix.search.locks import is_locked

__all__ = ["MIN_PATIENCE_S", "Watchdog", "patience_s", "signs_of"]

MIN_PATIENCE_S = 600.0
_TRIALS = 10
_LONGEST_LOOK_S = 5.0


def patience_s(trial_s: float) -> float:
    """Return how long somebody may stand still, in seconds.

    Args:
        trial_s: what a whole trial is estimated to take; 0 where nothing is known.

    Returns:
        The time of ten trials, but at least ten minutes; an hour where nothing is known. An epoch takes a small part
        of that, and so should what a method prepares before its first one.
    """
    return max(MIN_PATIENCE_S, _TRIALS * trial_s) if trial_s else 6 * MIN_PATIENCE_S


class Watchdog:
    """Counts for how long each of those it watches has shown the same sign."""

    def __init__(self) -> None:
        self._looked = time.monotonic()
        self._still: dict[int, tuple[object, float]] = {}

    def overdue(self, signs: Mapping[int, object], patience_s: float) -> list[int]:
        """Look once; return those that have stood still for longer than ``patience_s``; for them it begins anew.

        Args:
            signs: by number, something that changes whenever one gets on. Who is missing is forgotten.
            patience_s: in seconds.
        """
        now = time.monotonic()
        passed_s, self._looked = min(now - self._looked, _LONGEST_LOOK_S), now
        before = self._still
        self._still = {
            name: (sign, before[name][1] + passed_s if name in before and before[name][0] == sign else 0.0)
            for name, sign in signs.items()
        }
        late = [name for name, (_, still_s) in self._still.items() if still_s > patience_s]
        for name in late:
            del self._still[name]
        return late


def signs_of(
    pids: Mapping[int, int], slots: Mapping[int, SlotRecord], folder: StudyFolder, n_slots: int
) -> dict[int, object]:
    """Say how far each worker of a search is.

    Args:
        pids: process ids by the worker's number.
        slots: of the study.
        folder: of the study.
        n_slots: of the study.

    Returns:
        By the worker's number: slot, attempt and epoch. One without a slot stands still where a slot is free that it
        could take; where there is none it waits, which is all right.
    """
    at_work = {s.worker: (s.slot, s.attempt, len(s.curve)) for s in slots.values() if s.state is SlotState.RUNNING}
    if all(pid in at_work for pid in pids.values()):
        return {worker: at_work[pid] for worker, pid in pids.items()}
    open_slots = (i for i in range(n_slots) if not (i in slots and slots[i].is_settled))
    is_work_left = any(not is_locked(folder.slot_lock(i)) for i in open_slots)
    idle: object = None if is_work_left else time.monotonic()
    return {worker: at_work.get(pid, idle) for worker, pid in pids.items()}
