"""What a live table or a second terminal shows of a search: read from storage, the same for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from automix.goal import ACCURACY, Goal
from automix.search.estimate import Estimator
from automix.search.ledger import SlotRecord, SlotState

__all__ = ["Progress", "eta_seconds", "progress_of"]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a search stands.

    Attributes:
        study: its name.
        n_trials: slots in all.
        n_epochs: of a whole trial.
        slots: those handed out, by number.
        eta_s: seconds until everything is done, as far as it is known what that is; None while nothing is known.
        elapsed_s: since this start of the search.
        notes: lines that should be shown now, once.
        goal: what trials are compared by.
    """

    study: str
    n_trials: int
    n_epochs: int
    slots: tuple[SlotRecord, ...]
    eta_s: float | None = None
    elapsed_s: float = 0.0
    notes: tuple[str, ...] = ()
    goal: Goal = ACCURACY

    def in_state(self, *states: SlotState) -> tuple[SlotRecord, ...]:
        """Return the slots in any of these states."""
        return tuple(slot for slot in self.slots if slot.state in states)

    @property
    def n_settled(self) -> int:
        """How many slots have a result, good or bad."""
        return sum(slot.is_settled for slot in self.slots)


def progress_of(
    study: str,
    slots: Mapping[int, SlotRecord],
    *,
    n_trials: int,
    n_epochs: int,
    n_workers: int,
    estimator: Estimator | None = None,
    elapsed_s: float = 0.0,
    notes: Sequence[str] = (),
    goal: Goal = ACCURACY,
) -> Progress:
    """Describe a search from the book of its slots.

    Args:
        study: its name.
        slots: from `Ledger.slots`.
        n_trials: slots in all.
        n_epochs: of a whole trial.
        n_workers: how many work at once.
        estimator: estimates the rest, trainings on fresh seeds included; without one it follows from epochs alone.
        elapsed_s: since this start.
        notes: lines to show.
        goal: of the study.
    """
    mine = tuple(slots[slot] for slot in sorted(slots) if slot < n_trials)
    left = n_trials * n_epochs - sum(n_epochs if slot.is_settled else len(slot.curve) for slot in mine)
    return Progress(
        study=study,
        n_trials=n_trials,
        n_epochs=n_epochs,
        slots=mine,
        eta_s=eta_seconds(mine, left, n_workers) if estimator is None else _eta(estimator, slots),
        elapsed_s=elapsed_s,
        notes=tuple(notes),
        goal=goal,
    )


def _eta(estimator: Estimator, slots: Mapping[int, SlotRecord]) -> float:
    return estimator.estimate(slots, is_running=bool(slots)).total.wall_s


def eta_seconds(slots: Sequence[SlotRecord], epochs_left: int, n_workers: int) -> float | None:
    """Estimate the time for the epochs that are left, from the typical epoch of the slots that have any.

    Returns:
        Seconds; None where no epoch is known.
    """
    known = [slot.seconds / len(slot.curve) for slot in slots if slot.curve and slot.copied_from is None]
    return epochs_left * median(known) / max(1, n_workers) if known else None
