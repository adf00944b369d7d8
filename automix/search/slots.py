"""Handing out slots, once each, through crashes of everything.

Slots 0..N-1 are looked through in order, under the study's ask lock. Whoever gets the lock of an unsettled slot works
on it; a lock that is free means that nobody does. That one rule is the whole recovery: a slot that was never handed
out gets a proposal, one whose worker ended is adopted in its trial and goes on from its checkpoint.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from automix.search.folder import StudyFolder
from automix.search.ledger import Ledger, Proposal, SlotRecord
from automix.search.locks import HeldLock, is_locked, try_lock
from automix.storage import exclusive
from automix.training.failures import StaleAttempt

__all__ = ["MAX_CRASHES", "Desk", "Lease", "Propose", "settle_crash"]

MAX_CRASHES = 3

Propose = Callable[[int, Mapping[int, SlotRecord]], Proposal]
"""Returns the policy for a slot, given the slots handed out so far."""


@dataclass
class Lease:
    """The right to work on a slot, for as long as its lock is held and no newer attempt is noted in it."""

    record: SlotRecord
    lock: HeldLock

    def check(self) -> None:
        """Make sure that the slot is still ours.

        Raises:
            StaleAttempt: a newer attempt is noted; the slot's folder was replaced or copied meanwhile.
        """
        try:
            noted = self.lock.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            noted = ""
        if noted != _note(self.record):
            raise StaleAttempt(f"Slot {self.record.slot} has been taken over (noted: {noted!r}).")

    def release(self) -> None:
        """Let others have the slot, if it is not settled."""
        self.lock.release()


class Desk:
    """Hands out the slots of a study to the workers of this process.

    Args:
        folder: of the study.
        ledger: of the study.
        n_slots: slots 0 to ``n_slots - 1`` exist.
        propose: asked for a policy when a slot is handed out for the first time.
    """

    def __init__(self, folder: StudyFolder, ledger: Ledger, n_slots: int, propose: Propose) -> None:
        self._folder = folder
        self._ledger = ledger
        self._n_slots = n_slots
        self._propose = propose

    def take(self) -> Lease | None:
        """Return the first unsettled slot that nobody works on, or None where there is none at the moment."""
        with exclusive(self._folder.ask_lock):
            slots = self._ledger.slots()
            for slot in range(self._n_slots):
                if _is_settled(slot, slots):
                    continue
                lock = try_lock(self._folder.slot(slot) / "lock")
                if lock is None:
                    continue
                slots = self._ledger.slots()  # who had the lock may have settled the slot since we looked
                if not _is_settled(slot, slots):
                    return self._start(slot, slots, lock)
                lock.release()
        return None

    def is_done(self) -> bool:
        """Return whether every slot is settled."""
        slots = self._ledger.slots()
        return all(_is_settled(slot, slots) for slot in range(self._n_slots))

    def _start(self, slot: int, slots: Mapping[int, SlotRecord], lock: HeldLock) -> Lease:
        try:
            if slot in slots:
                record = self._ledger.adopt(slots[slot], worker=os.getpid())
            else:
                record = self._ledger.open(slot, self._propose(slot, slots), worker=os.getpid())
            lock.write_note(_note(record))
        except BaseException:
            lock.release()
            raise
        return Lease(record, lock)


def settle_crash(folder: StudyFolder, ledger: Ledger, worker: int, cause: str) -> SlotRecord | None:
    """Count the death of a worker on the slot it had; after three without an epoch in between the slot has failed.

    Args:
        folder: of the study.
        ledger: of the study.
        worker: process id of the dead worker.
        cause: how it ended, for the record.

    Returns:
        The slot it had, or None where it had none.
    """
    with exclusive(folder.ask_lock):
        for record in ledger.slots().values():
            if record.worker == worker and not record.is_settled and not is_locked(folder.slot(record.slot) / "lock"):
                if ledger.count_crash(record) < MAX_CRASHES:
                    return record
                return ledger.fail(record, f"Its worker died {MAX_CRASHES} times without finishing an epoch: {cause}")
    return None


def _is_settled(slot: int, slots: Mapping[int, SlotRecord]) -> bool:
    return slot in slots and slots[slot].is_settled


def _note(record: SlotRecord) -> str:
    return f"attempt {record.attempt}, process {record.worker}"
