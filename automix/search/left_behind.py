"""What a start of a search finds of an earlier one that was killed: workers that still save, and files nobody needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from automix.search.folder import StudyFolder
from automix.search.ledger import SlotRecord
from automix.search.locks import holder_of, is_locked
from automix.search.watchdog import Watchdog
from automix.storage.files import remove_leftovers

__all__ = ["EarlierWorkers", "tidy"]


class EarlierWorkers:
    """Workers of an earlier start, looked at before any of this one is started.

    They notice that their supervisor is gone, save after the epoch in progress and leave. One that somebody started by
    hand has no supervisor and stays: it is not counted.

    Args:
        folder: of the study.
        n_slots: of the study.
    """

    def __init__(self, folder: StudyFolder, n_slots: int) -> None:
        self._folder = folder
        self._n_slots = n_slots
        self._watchdog = Watchdog()
        self._is_told = False
        self._notes: list[str] = []

    def are_gone(self, slots: Mapping[int, SlotRecord], patience_s: float) -> bool:
        """Look once; return whether there is nobody left to wait for.

        Args:
            slots: from the ledger, read just now.
            patience_s: after which one that does not move is not waited for any longer.
        """
        held = [slot for slot in range(self._n_slots) if self._is_held(slot, slots.get(slot))]
        signs = {slot: len(slots[slot].curve) if slot in slots else 0 for slot in held}
        if stuck := self._watchdog.overdue(signs, patience_s):
            holder = holder_of(self._folder.slot_lock(stuck[0]))
            self._notes.append(
                f"A worker of an earlier start ({holder}) holds slot {stuck[0]} and does not move. The search goes on "
                f"without it; the slot is taken up again once that process is ended."
            )
            return True
        if held and not self._is_told:
            self._is_told = True
            self._notes.append("Workers of an earlier start save after the epoch in progress; waiting for them.")
        return not held

    def notes(self) -> list[str]:
        """Return what the user should be told, once."""
        told, self._notes = self._notes, []
        return told

    def _is_held(self, slot: int, record: SlotRecord | None) -> bool:
        is_nobodys_child = record is not None and not record.session
        is_open = record is None or not record.is_settled
        return is_open and not is_nobodys_child and is_locked(self._folder.slot_lock(slot))


def tidy(folder: StudyFolder, slots: Iterable[SlotRecord]) -> None:
    """Remove what settled slots would go on from: a worker may be killed between the one and the other."""
    for record in slots:
        if record.is_settled:
            folder.discard_state(record.slot)
    remove_leftovers(folder.path)
