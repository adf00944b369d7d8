"""What a study leaves in the databases that outlive it: the memory over studies, and MLflow's view."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from automix.goal import goal_of
from automix.search.config import StudyConfig
from automix.search.folder import StudyFolder
from automix.search.ledger import SECONDS, Ledger, SlotState
from automix.search.projection import summary_of
from automix.search.protocol import PARENT_RUN
from automix.search.result import SearchResult
from automix.storage import Store, exclusive, optuna_storage
from automix.tracking import Tracker, keys

if TYPE_CHECKING:
    from automix.data import DataSet

__all__ = ["open_databases", "remember_results", "remember_verdict", "show_results"]


def open_databases(
    config: StudyConfig,
    folder: StudyFolder,
    tracker: Tracker,
    data: DataSet,
    announce: Callable[[str], None],
    parameters: Sequence[str],
) -> Ledger:
    """Make or migrate every database before a worker sees it, and bring the study into a state to go on from.

    Raises:
        StorageError: Optuna's database or automix's own cannot be used. MLflow's may fail.
    """
    ledger = Ledger(optuna_storage(folder.optuna_file), config.name, create=True, goal=goal_of(config.goal))
    with exclusive(folder.ask_lock):
        ledger.close_strays()
    tracker.ensure_store(announce)
    ledger.note(PARENT_RUN, tracker.parent_run(config.data_name, config.name))
    if parameters:
        tracker.prepare_view(config.data_name, config.name, parameters)
    with _store(folder) as store:
        store.remember_data(config.data_hash, name=config.data_name, meta_features=dict(data.fingerprint.meta))
        store.remember_study(config.name, data_hash=config.data_hash, config=json.loads(config.to_json()))
    return ledger


def remember_results(result: SearchResult) -> None:
    """Keep every settled slot, for searches to come."""
    with _store(result.folder) as store:
        for slot in result.slots.values():
            if slot.is_settled:
                store.remember_result(
                    result.study,
                    slot.slot,
                    policy_key=slot.proposal.key,
                    policy_title=slot.proposal.title,
                    policy=slot.document,
                    status=slot.state.value,
                    epochs=len(slot.curve),
                    metrics={name: value for name, value in slot.metrics.items() if name != SECONDS},
                )


def remember_verdict(result: SearchResult, verdict: Mapping[str, Any]) -> None:
    """Keep what the study's winner proved to be.

    Args:
        result: of the search.
        verdict: plain JSON values with at least "kind" (`automix.verdict`) and "policy_key", the winner's.
    """
    with _store(result.folder) as store:
        store.remember_verdict(result.study, verdict)


def show_results(tracker: Tracker, result: SearchResult) -> None:
    """Bring MLflow to the state of the book: what is known only now, and runs that a killed worker left open."""
    for row in result.leaderboard:
        slot = result.slots[row.slot]
        compared = {keys.DELTA_TOP1: row.delta_top1, keys.COST_OVERHEAD: row.overhead}
        state = slot.state.value if slot.is_settled else "stopped"
        known = {name: value for name, value in compared.items() if value is not None}
        # The worker may have been killed between the book and MLflow.
        tracker.finish(slot.run, state, {**(summary_of(slot) if slot.is_settled else {}), **known})
    states = {state.value: float(result.n_in(state)) for state in SlotState}
    counts = {f"trials/{name}": count for name, count in states.items() if count}
    best = {} if result.best is None else {keys.BEST_TOP1: result.best.metrics[keys.VAL_TOP1]}
    tracker.finish(result.parent_run, "complete" if result.is_complete else "stopped", {**counts, **best})


@contextmanager
def _store(folder: StudyFolder) -> Iterator[Store]:
    store = Store(folder.work / "automix.db")
    try:
        yield store
    finally:
        store.close()
