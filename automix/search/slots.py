"""Handing out slots, once each, through crashes of everything.

Slots 0..N-1 are looked through in order, under the study's ask lock. Whoever gets the lock of an unsettled slot works
on it; a lock that is free means that nobody does. That one rule is the whole recovery: a slot that was never handed
out gets a proposal, one whose worker ended is adopted in its trial and goes on from its checkpoint.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from automix.search.folder import StudyFolder
from automix.search.ledger import Ledger, Proposal, SlotRecord
from automix.search.locks import HeldLock, try_lock
from automix.storage import exclusive
from automix.training.failures import StaleAttempt

__all__ = ["MAX_CRASHES", "Desk", "Lease", "Propose", "died_too_often"]

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
        session: names this start of the search; empty for a worker that was started by hand.
    """

    def __init__(
        self, folder: StudyFolder, ledger: Ledger, n_slots: int, propose: Propose, *, session: str = ""
    ) -> None:
        self._folder = folder
        self._ledger = ledger
        self._n_slots = n_slots
        self._propose = propose
        self._session = session

    def take(self) -> Lease | None:
        """Return the first unsettled slot that nobody works on, or None where there is none at the moment."""
        with exclusive(self._folder.ask_lock):
            slots = self._ledger.slots()
            for slot in range(self._n_slots):
                lock = None if _is_settled(slot, slots) else try_lock(self._folder.slot_lock(slot))
                if lock is None:
                    continue
                with ExitStack() as held:
                    held.enter_context(lock)
                    record = self._start(slot)
                    if not record.is_settled:
                        lock.write_note(_note(record))
                        held.pop_all()  # the lease keeps the lock
                        return Lease(record, lock)
        return None

    def is_done(self) -> bool:
        """Return whether every slot is settled."""
        slots = self._ledger.slots()
        return all(_is_settled(slot, slots) for slot in range(self._n_slots))

    def _start(self, slot: int) -> SlotRecord:
        """Bring a slot whose lock we have into the book as ours, or return it settled."""
        slots = self._ledger.slots()  # who had the lock may have settled the slot since we looked
        known = slots.get(slot)
        if known is None:
            proposal = self._propose(slot, slots)
            return self._ledger.open(slot, proposal, worker=os.getpid(), session=self._session)
        if known.is_settled:
            return known
        mine = self._ledger.adopt(known, worker=os.getpid(), session=self._session)
        if mine.crashes < MAX_CRASHES:
            return mine
        return self._ledger.fail(mine, died_too_often())


def died_too_often() -> str:
    """Say why something is not tried again."""
    return (
        f"Its worker died {MAX_CRASHES} times without finishing an epoch. Memory may have run out (a smaller "
        f"--batch-size or fewer --workers help), or it stood still until it was ended; the workers' logs say more."
    )


def _is_settled(slot: int, slots: Mapping[int, SlotRecord]) -> bool:
    return slot in slots and slots[slot].is_settled


def _note(record: SlotRecord) -> str:
    return f"attempt {record.attempt}, process {record.worker}"
