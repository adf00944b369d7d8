"""The book of a study: what became of each slot, kept in Optuna's storage, which is the truth.

A slot has a trial. Everything about it that cannot be said in Optuna's terms (slot, policy, curve, error) stands in
the trial's user attributes. A trial is created in one transaction, complete with its slot, policy and parameters: a
process that is killed leaves either all of it or nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from automix.errors import StudyError
from automix.goal import ACCURACY, Goal
from automix.policy import PolicyDocument

__all__ = ["SECONDS", "Ledger", "Proposal", "SlotRecord", "SlotState", "policy_of", "quiet_optuna"]

SECONDS = "seconds"
"""In a row of a curve: how long the epoch took, evaluation included."""

_SLOT = "slot"
_ARM = "arm"
_POLICY = "policy"
_KEY = "policy_key"
_TITLE = "title"
_LEASE = "lease"
_CURVE = "curve"
_ERROR = "error"
_TRACEBACK = "traceback"
_COPIED_FROM = "copied_from"
_FITTED = "fitted"
_RUN = "mlflow_run"
_NOTES = "notes"
_REASON = "reason"
_ORIGIN = "origin"
_RUNS = "mlflow_runs"


class SlotState(Enum):
    """What became of a slot."""

    RUNNING = "running"
    """Being trained, or left behind by a worker that ended; the slot's lock tells which."""
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    """It raised, and the error is recorded."""
    LOST = "lost"
    """Failed without a recorded error: something from outside ended it. It is run again."""


_STATES = {
    TrialState.RUNNING: SlotState.RUNNING,
    TrialState.WAITING: SlotState.LOST,
    TrialState.COMPLETE: SlotState.COMPLETE,
    TrialState.PRUNED: SlotState.PRUNED,
}


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A policy for a slot.

    Attributes:
        policy: the policy document as plain data.
        key: equal for equal policies.
        title: short, for people.
        arm: name of the reference arm; empty where the sampler proposed it.
        params: what the policy is in the search space; empty where it lies outside.
        distributions: of ``params``.
    """

    policy: Mapping[str, Any]
    key: str
    title: str
    arm: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SlotRecord:
    """What is known about a slot from its latest trial.

    Attributes:
        slot: the slot's number, its identity.
        trial: number of its latest trial.
        proposal: the policy.
        state: see `SlotState`.
        attempt: how often it was started, from 1.
        worker: process id of the worker that started it last.
        session: the start of the search that this worker belongs to.
        started: Unix time when it was started, in seconds.
        curve: metrics of its finished epochs, and under `SECONDS` their time.
        error: what it raised; empty where it did not.
        copied_from: the slot with an equal policy whose result this is; None where it was trained.
        fitted: the policy with the statistics that were fitted in training; None where there are none.
        run: id of its MLflow run; None where there is none.
        crashes: how often in a row a worker died on it without finishing an epoch, as of the last start.
        origin: the study and slot that the result was taken over from; empty where this study has trained it.
        notes: what was out of the ordinary, for people.
    """

    slot: int
    trial: int
    proposal: Proposal
    state: SlotState
    attempt: int = 1
    worker: int = 0
    session: str = ""
    started: float = 0.0
    curve: tuple[Mapping[str, float], ...] = ()
    error: str = ""
    copied_from: int | None = None
    fitted: Mapping[str, Any] | None = None
    run: str | None = None
    crashes: int = 0
    origin: str = ""
    notes: tuple[str, ...] = ()

    @property
    def document(self) -> Mapping[str, Any]:
        """The policy as it should be used: with fitted statistics, if there are any."""
        return self.fitted or self.proposal.policy

    @property
    def is_mixing(self) -> bool:
        """Whether the policy mixes at all."""
        return PolicyDocument.from_dict(self.proposal.policy).is_mixing

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing left to do."""
        return self.state in (SlotState.COMPLETE, SlotState.PRUNED, SlotState.FAILED)

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics of the last finished epoch; empty before the first."""
        return self.curve[-1] if self.curve else {}

    @property
    def seconds(self) -> float:
        """Time spent in finished epochs."""
        return sum(row[SECONDS] for row in self.curve)


class Ledger:
    """Reads and writes the slots of one study.

    Args:
        storage: an Optuna storage (`automix.storage.optuna_storage`).
        study: name of the study.
        create: make it where it is missing.
        goal: what Optuna's values are made of, turned so that more is better: Optuna's direction is always "maximize".

    Raises:
        StudyError: there is no such study and ``create`` is False.
    """

    def __init__(self, storage: BaseStorage, study: str, *, create: bool = False, goal: Goal = ACCURACY) -> None:
        with quiet_optuna():
            try:
                self._study = (
                    optuna.create_study(storage=storage, study_name=study, direction="maximize", load_if_exists=True)
                    if create
                    else optuna.load_study(storage=storage, study_name=study)
                )
            except KeyError as err:
                raise StudyError(
                    f"There is no study {study!r} in this work folder. `automix search` makes one."
                ) from err
        self._storage = storage
        self._goal = goal
        self._study_id = storage.get_study_id_from_name(study)

    @property
    def study(self) -> optuna.Study:
        """The study as Optuna sees it, for reading."""
        return self._study

    def note(self, name: str, value: Any) -> None:
        """Keep a fact about the whole study; ``value`` must be plain JSON."""
        self._study.set_user_attr(name, value)

    def noted(self, name: str) -> Any:
        """Return a fact kept with `note`, or None."""
        return self._study.user_attrs.get(name)

    def trials(self) -> list[FrozenTrial]:
        """Return all trials as stored; they must not be changed."""
        return self._study.get_trials(deepcopy=False)

    def lessons(self) -> list[FrozenTrial]:
        """Return all trials as a sampler should see them: what failed counts as the worst of those that finished.

        Samplers pass over failed trials, and would propose again and again what diverges or needs too much memory.
        """
        trials = self.trials()
        values = [trial.value for trial in trials if trial.state is TrialState.COMPLETE and trial.value is not None]
        if not values:
            return trials
        return [_as_worst(trial, min(values)) if _has_failed(trial) else trial for trial in trials]

    def slots(self) -> dict[int, SlotRecord]:
        """Return the latest record of each slot that was handed out."""
        known = [_record(trial) for trial in self.trials() if _SLOT in trial.user_attrs]
        records = {record.slot: record for record in known}  # trials come by number: the latest one stays
        runs = self.noted(_RUNS) or {}
        return {slot: replace(one, run=runs.get(str(slot), one.run)) for slot, one in records.items()}

    def open(self, slot: int, proposal: Proposal, *, worker: int, session: str = "") -> SlotRecord:
        """Hand out a slot: create its trial, running."""
        record = SlotRecord(slot=slot, trial=-1, proposal=proposal, state=SlotState.RUNNING)
        return self._create(replace(record, worker=worker, session=session, started=time.time()))

    def adopt(self, record: SlotRecord, *, worker: int, session: str = "") -> SlotRecord:
        """Go on with a slot whose worker ended: in its trial where that still runs, else in a new one.

        A worker that was there in the same session has died. One of an earlier session may have been killed with all
        others, so that is not held against the slot.
        """
        mine = replace(
            record,
            attempt=record.attempt + 1,
            worker=worker,
            session=session,
            started=time.time(),
            state=SlotState.RUNNING,
            crashes=record.crashes + 1 if record.session == session else 0,
        )
        if record.state is SlotState.LOST:
            return self._create(mine)
        self._set(mine, **{_LEASE: _lease(mine)})
        return mine

    def add_epochs(self, record: SlotRecord, curve: Sequence[Mapping[str, float]]) -> SlotRecord:
        """Write the curve so far, and to Optuna what it does not know of it yet."""
        self._set(record, **{_CURVE: [dict(row) for row in curve]})
        # The epoch that the book knew last may be one that a killed worker did not get to report.
        for epoch in range(max(1, len(record.curve)), len(curve) + 1):
            self._storage.set_trial_intermediate_value(self._id(record), epoch, self._value(curve[:epoch]))
        return replace(record, curve=tuple(curve))

    def add_notes(self, record: SlotRecord, notes: Sequence[str]) -> SlotRecord:
        """Keep what was out of the ordinary; what is known already is not repeated."""
        known = (*record.notes, *(note for note in notes if note not in record.notes))
        if known != record.notes:
            self._set(record, **{_NOTES: list(known)})
        return replace(record, notes=known)

    def remember_run(self, record: SlotRecord, run: str | None) -> SlotRecord:
        """Keep the id of the slot's MLflow run."""
        if run != record.run:
            self._set(record, **{_RUN: run})
        return replace(record, run=run)

    def remember_fitted(self, record: SlotRecord, fitted: Mapping[str, Any] | None) -> SlotRecord:
        """Keep the policy with its fitted statistics."""
        if fitted != record.fitted:
            self._set(record, **{_FITTED: fitted})
        return replace(record, fitted=fitted)

    def complete(self, record: SlotRecord, *, copied_from: int | None = None) -> SlotRecord:
        """Close a slot that trained to the end; its value is what it reached of the goal."""
        return self._close(record, SlotState.COMPLETE, copied_from)

    def prune(self, record: SlotRecord, *, copied_from: int | None = None) -> SlotRecord:
        """Close a slot that was ended early; that is not a failure."""
        return self._close(record, SlotState.PRUNED, copied_from)

    def fail(self, record: SlotRecord, error: str, traceback: str = "") -> SlotRecord:
        """Close a slot that raised, with what it raised."""
        self._set(record, **{_ERROR: error, _TRACEBACK: traceback})
        self._study.tell(record.trial, state=TrialState.FAIL)
        return replace(record, state=SlotState.FAILED, error=error)

    def take_over(self, record: SlotRecord) -> SlotRecord:
        """Write a settled slot of another study, its ``origin``, as one of this study, in one transaction."""
        return self._create(record)

    def replace_runs(self, runs: Mapping[int, str | None]) -> None:
        """Note other MLflow runs for slots; Optuna lets nobody change a trial that has ended."""
        self.note(_RUNS, {str(slot): run for slot, run in runs.items()})

    def close_strays(self) -> int:
        """Close unfinished trials that no slot has: somebody made them outside automix. Return how many."""
        strays = [t for t in self.trials() if _SLOT not in t.user_attrs and not t.state.is_finished()]
        for trial in strays:
            trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, trial.number)
            self._storage.set_trial_user_attr(trial_id, _REASON, "unfinished and without a slot; closed by automix")
            self._storage.set_trial_state_values(trial_id, TrialState.FAIL)
        return len(strays)

    def _create(self, record: SlotRecord) -> SlotRecord:
        proposal = record.proposal
        attributes = {
            _SLOT: record.slot,
            _ARM: proposal.arm,
            _POLICY: dict(proposal.policy),
            _KEY: proposal.key,
            _TITLE: proposal.title,
            _LEASE: _lease(record),
            _CURVE: [dict(row) for row in record.curve],
            _RUN: record.run,
            _NOTES: list(record.notes),
            **({_ORIGIN: record.origin, _FITTED: record.fitted} if record.origin else {}),
        }
        is_complete = record.state is SlotState.COMPLETE
        trial = create_trial(
            state=next(state for state, name in _STATES.items() if name is record.state),
            value=self._value(record.curve) if is_complete else None,
            params=dict(proposal.params),
            distributions=dict(proposal.distributions),
            user_attrs=attributes,
            intermediate_values={i: self._value(record.curve[:i]) for i in range(1, len(record.curve) + 1)},
        )
        trial_id = self._storage.create_new_trial(self._study_id, template_trial=trial)
        number = self._storage.get_trial(trial_id).number
        return replace(record, trial=number)

    def _close(self, record: SlotRecord, state: SlotState, copied_from: int | None) -> SlotRecord:
        if copied_from is not None:
            self._set(record, **{_COPIED_FROM: copied_from})
        if state is SlotState.COMPLETE:
            self._study.tell(record.trial, self._value(record.curve))
        else:
            self._study.tell(record.trial, state=TrialState.PRUNED)
        return replace(record, state=state, copied_from=copied_from)

    def _value(self, curve: Sequence[Mapping[str, float]]) -> float:
        return self._goal.sort_key(self._goal.value(curve))

    def _set(self, record: SlotRecord, **attributes: Any) -> None:
        for name, value in attributes.items():
            self._storage.set_trial_user_attr(self._id(record), name, value)

    def _id(self, record: SlotRecord) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, record.trial)


def policy_of(trial: FrozenTrial) -> Mapping[str, Any] | None:
    """Return the policy document of a trial as plain data; None where the trial was made outside automix."""
    policy: Mapping[str, Any] | None = trial.user_attrs.get(_POLICY)
    return policy


def _has_failed(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.FAIL and _ERROR in trial.user_attrs and policy_of(trial) is not None


def _as_worst(trial: FrozenTrial, value: float) -> FrozenTrial:
    seen = copy(trial)
    seen.state, seen.value, seen.intermediate_values = TrialState.COMPLETE, value, {}
    return seen


def _lease(record: SlotRecord) -> dict[str, Any]:
    return {
        "attempt": record.attempt,
        "worker": record.worker,
        "session": record.session,
        "started": record.started,
        "epochs": len(record.curve),
        "crashes": record.crashes,
    }


def _record(trial: FrozenTrial) -> SlotRecord:
    known = trial.user_attrs
    proposal = Proposal(
        policy=known[_POLICY],
        key=known[_KEY],
        title=known[_TITLE],
        arm=known[_ARM],
        params=trial.params,
        distributions=trial.distributions,
    )
    # A worker killed between writing an error and closing the trial has not failed: it is run again.
    error = known.get(_ERROR, "") if trial.state is TrialState.FAIL else ""
    curve = tuple(known[_CURVE])
    lease = known[_LEASE]
    return SlotRecord(
        slot=known[_SLOT],
        trial=trial.number,
        proposal=proposal,
        state=_STATES.get(trial.state, SlotState.FAILED if error else SlotState.LOST),
        attempt=lease["attempt"],
        worker=lease["worker"],
        session=lease["session"],
        started=lease["started"],
        curve=curve,
        error=error,
        copied_from=known.get(_COPIED_FROM),
        fitted=known.get(_FITTED),
        run=known[_RUN],
        notes=tuple(known.get(_NOTES, ())),
        origin=known.get(_ORIGIN, ""),
        crashes=lease["crashes"] if lease["epochs"] == len(curve) else 0,
    )


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from announcing every study on the terminal while the block runs; warnings come through."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
