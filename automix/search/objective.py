"""One slot, from its policy to its result in the book. What a trial raises is recorded and ends nothing else."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from optuna.exceptions import StorageInternalError

from automix.errors import AutomixError, StorageError
from automix.goal import ACCURACY, Goal
from automix.hookspecs import EpochFinished, TrialFailed, TrialFinished, TrialStarted
from automix.policy import PolicyDocument
from automix.search.folder import StudyFolder
from automix.search.ledger import SECONDS, Ledger, SlotRecord, SlotState
from automix.search.projection import begin_run, metrics_of, summary_of
from automix.search.pruning import Peer, is_due, should_prune
from automix.search.slots import Lease
from automix.storage.files import disk_errors
from automix.training.failures import StaleAttempt

if TYPE_CHECKING:
    from automix.manager import PluginHost
    from automix.tracking import Tracker
    from automix.training.result import Decision, EpochReport, TrainResult

__all__ = ["Objective", "Outcome", "Train"]

_log = logging.getLogger(__name__)
_TRACEBACK_LINES = 25

Outcome = Literal["settled", "stopped", "lost", "broken"]
"""The slot has its result; it was told to stop; another worker has the slot; this process can do no more work."""


class Train(Protocol):
    """Trains one policy; made by `automix.search.bench.open_bench`."""

    def __call__(
        self,
        document: PolicyDocument,
        *,
        on_epoch: Callable[[EpochReport], Decision],
        folder: Path,
        attempt: int,
    ) -> TrainResult:
        """Train, telling every epoch; go on from what an earlier attempt saved in ``folder``."""


@dataclass(frozen=True)
class Objective:
    """Runs the slots of a study.

    Attributes:
        study: its name.
        folder: where its files lie.
        ledger: the truth.
        train: trains a policy.
        tracker: shows what happens.
        parent_run: the study's MLflow run.
        host: told about the moments of a trial.
        should_stop: asked after every epoch.
        goal: what trials are pruned by.
    """

    study: str
    folder: StudyFolder
    ledger: Ledger
    train: Train
    tracker: Tracker
    parent_run: str | None
    host: PluginHost
    should_stop: Callable[[], bool]
    goal: Goal = ACCURACY

    def run(self, lease: Lease) -> Outcome:
        """Train a slot, or copy the result of an equal policy, and settle it."""
        try:
            with disk_errors():
                return self._settle_or_stop(lease)
        except StaleAttempt as err:
            _log.info("%s", err)
            return "lost"
        except (StorageError, StorageInternalError):
            raise  # the disk or a database, not this trial: it goes on when there is room again
        except (Exception, SystemExit) as err:  # noqa: BLE001  what a method, model or driver raises is this trial's own
            self._fail(lease, err)
            return "broken" if _is_fatal_for_process(err) else "settled"

    def _settle_or_stop(self, lease: Lease) -> Outcome:
        twin = self._twin_of(lease.record)
        if twin is None:
            return self._train(lease)
        self._copy(lease, twin)
        return "settled"

    def _train(self, lease: Lease) -> Outcome:
        self._begin(lease)
        document = PolicyDocument.from_dict(lease.record.proposal.policy)
        result = self.train(
            document,
            on_epoch=lambda report: self._epoch(lease, report),
            folder=self.folder.checkpoint(lease.record.slot),
            attempt=lease.record.attempt,
        )
        lease.check()
        lease.record = self.ledger.add_epochs(lease.record, [_row(report) for report in result.curve])
        if result.status == "stopped":
            return "stopped"
        if result.document != document:
            lease.record = self.ledger.remember_fitted(lease.record, result.document.to_dict())
        self._settle(lease, pruned=result.status == "pruned")
        return "settled"

    def _begin(self, lease: Lease) -> None:
        record = lease.record
        run = begin_run(self.tracker, self.parent_run, record)
        lease.record = self.ledger.remember_run(record, run)
        policy = record.proposal.policy
        self._tell(
            "automix_trial_started",
            TrialStarted(study=self.study, slot=record.slot, trial_number=record.trial, policy=policy),
        )

    def _epoch(self, lease: Lease, report: EpochReport) -> Decision:
        lease.check()
        record = lease.record
        # A repeated epoch replaces its row; rows after it are repeated next.
        curve = [*record.curve[: report.epoch - 1], _row(report)]
        lease.record = record = self.ledger.add_notes(self.ledger.add_epochs(record, curve), report.notes)
        self.tracker.epoch(record.run, report.metrics, report.epoch)
        self._tell(
            "automix_epoch_finished",
            EpochFinished(
                study=self.study,
                slot=record.slot,
                epoch=report.epoch,
                n_epochs=report.n_epochs,
                metrics=report.metrics,
            ),
        )
        if self._should_prune(record, report.n_epochs):
            return "prune"
        return "stop" if self.should_stop() and report.epoch < report.n_epochs else "continue"

    def _settle(self, lease: Lease, *, pruned: bool, copied_from: int | None = None) -> None:
        close = self.ledger.prune if pruned else self.ledger.complete
        lease.record = record = close(lease.record, copied_from=copied_from)
        self.folder.discard_state(record.slot)
        self.tracker.finish(record.run, record.state.value, summary_of(record))
        self._tell(
            "automix_trial_finished",
            TrialFinished(
                study=self.study,
                slot=record.slot,
                trial_number=record.trial,
                status="pruned" if pruned else "complete",
                metrics=metrics_of(record.metrics),
                time_s=record.seconds,
            ),
        )

    def _twin_of(self, record: SlotRecord) -> SlotRecord | None:
        """Find a settled slot with an equal policy; a reference arm takes no pruned one for its result."""
        usable = {SlotState.COMPLETE} if record.proposal.arm else {SlotState.COMPLETE, SlotState.PRUNED}
        for other in self.ledger.slots().values():
            is_equal = other.proposal.key == record.proposal.key and other.slot != record.slot
            if is_equal and other.state in usable and other.copied_from is None:
                return other
        return None

    def _copy(self, lease: Lease, twin: SlotRecord) -> None:
        """Take over the result: init, data order and streams are the same for all trials of a study."""
        self._begin(lease)
        lease.record = self.ledger.remember_fitted(self.ledger.add_epochs(lease.record, twin.curve), twin.fitted)
        self.tracker.sync_slot(lease.record.run, [metrics_of(row) for row in twin.curve])
        self._settle(lease, pruned=twin.state is SlotState.PRUNED, copied_from=twin.slot)

    def _fail(self, lease: Lease, err: BaseException) -> None:
        error = str(err) if isinstance(err, AutomixError) else f"{type(err).__name__}: {err}"
        _log.error("Slot %d failed: %s", lease.record.slot, error, exc_info=err)
        tail = "".join(traceback.format_exception(err)).splitlines()[-_TRACEBACK_LINES:]
        lease.record = record = self.ledger.fail(lease.record, error, "\n".join(tail))
        self.folder.discard_state(record.slot)
        self.tracker.finish(record.run, record.state.value)
        self._tell(
            "automix_trial_failed",
            TrialFailed(study=self.study, slot=record.slot, trial_number=record.trial, error=error),
        )

    def _should_prune(self, record: SlotRecord, n_epochs: int) -> bool:
        if record.proposal.arm or not is_due(len(record.curve), n_epochs):
            return False
        return should_prune(record.curve, self._peers(), n_epochs, is_mixing=record.is_mixing, goal=self.goal)

    def _peers(self) -> list[Peer]:
        ended = {SlotState.COMPLETE, SlotState.PRUNED}
        slots = [s for s in self.ledger.slots().values() if s.state in ended and s.copied_from is None]
        return [Peer(slot.curve, slot.is_mixing, slot.state is SlotState.COMPLETE) for slot in slots]

    def _tell(self, moment: str, event: object) -> None:
        for problem in self.host.notify(moment, event):
            _log.warning("%s", problem)


def _row(report: EpochReport) -> dict[str, float]:
    return {**report.metrics, SECONDS: report.seconds}


def _is_fatal_for_process(err: BaseException) -> bool:
    """Whether the device is unusable for this process from now on: CUDA answers every further call with the error."""
    return "CUDA error" in str(err) or "device-side assert" in str(err)
