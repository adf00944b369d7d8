"""What a search hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automix.goal import ACCURACY, Goal
from automix.search.cost import ZERO, Cost
from automix.search.fidelity import RungCorrelation, rung_correlations
from automix.search.folder import StudyFolder
from automix.search.leaderboard import LeaderboardRow
from automix.search.ledger import SlotRecord, SlotState
from automix.search.supervisor import Ending
from automix.verdict import Verdict

__all__ = ["SINGLE_SEED", "SearchResult"]

SINGLE_SEED = (
    "One seed per policy: this ranks policies, it does not prove a gain. Small differences may be chance; "
    "training again on fresh seeds tells."
)


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search found.

    Attributes:
        study: its name.
        goal: what is ranked by.
        n_epochs: of a whole trial.
        ending: why it came to its end.
        leaderboard: every slot, best first.
        slots: the same in full, by number.
        best: the slot that leads; None where none trained to the end.
        folder: the study's files.
        out: folder for results.
        parent_run: the study's MLflow run; None where MLflow failed.
        time_s: of this start.
        problems: what went wrong beside the trials (MLflow, plugins), one line each.
        spent: what the workers cost in this start.
        note: what the ranking is worth.
        warnings: where trials or the verdict speak of another regime than the training that is meant.
        verdict: what may be claimed; None where none was asked for, or it has not been come to yet.
    """

    study: str
    goal: Goal = ACCURACY
    n_epochs: int
    ending: Ending
    leaderboard: tuple[LeaderboardRow, ...]
    slots: Mapping[int, SlotRecord]
    best: SlotRecord | None
    folder: StudyFolder
    out: Path
    parent_run: str | None
    time_s: float
    problems: tuple[str, ...] = ()
    spent: Cost = ZERO
    note: str = SINGLE_SEED
    warnings: tuple[str, ...] = ()
    verdict: Verdict | None = None

    @property
    def document(self) -> Mapping[str, Any] | None:
        """The leading policy as plain data, with fitted statistics; None where none trained to the end."""
        return None if self.best is None else self.best.document

    @property
    def best_checkpoint(self) -> Path | None:
        """The model that was trained with the leading policy; None where there is none."""
        if self.best is None:
            return None
        owner = self.best.slot if self.best.copied_from is None else self.best.copied_from
        path = self.folder.checkpoint(owner) / "best.safetensors"
        return path if path.exists() else None

    @property
    def rungs(self) -> tuple[RungCorrelation, ...]:
        """How well the order of the trials after each epoch foretold their order at the end."""
        return rung_correlations(self.slots.values(), self.goal, self.n_epochs)

    @property
    def is_complete(self) -> bool:
        """Whether every trial is done."""
        return self.ending is Ending.COMPLETE

    def n_in(self, state: SlotState) -> int:
        """Count the slots in a state."""
        return sum(slot.state is state for slot in self.slots.values())
