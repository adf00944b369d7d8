"""A slot as MLflow shows it: which of its facts are parameters, tags and metrics.

MLflow is a projection of the book: what the book says of a slot can be shown again at any time (`show_slot`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automix.policy.yamlfile import dump_yaml
from automix.search.ledger import SECONDS, SlotRecord
from automix.tracking import keys

if TYPE_CHECKING:
    from automix.tracking import Tracker

__all__ = ["begin_run", "metrics_of", "show_slot", "summary_of"]

_MAX_NAMED = 3


def begin_run(tracker: Tracker, parent: str | None, record: SlotRecord) -> str | None:
    """Open the run of a slot, with its policy and the epochs it has; return its id."""
    proposal = record.proposal
    method = _method(proposal.policy)
    origin = {keys.ORIGIN: record.origin} if record.origin else {}
    tags = {keys.ARM: proposal.arm or "sampler", keys.POLICY_KEY: proposal.key, keys.METHOD: method, **origin}
    params = {keys.MIXER: method, **_shown(proposal.params)}
    run = tracker.slot_run(parent, record.slot, proposal.title, params, tags)
    tracker.text(run, keys.POLICY_FILE, dump_yaml(proposal.policy))
    tracker.sync_slot(run, [metrics_of(row) for row in record.curve])
    return run


def show_slot(tracker: Tracker, parent: str | None, record: SlotRecord) -> str | None:
    """Show a slot as the book has it, from its run's beginning to its end; return the run's id."""
    run = begin_run(tracker, parent, record)
    tracker.finish(run, record.state.value if record.is_settled else "stopped", summary_of(record))
    return run


def metrics_of(row: Mapping[str, float]) -> dict[str, float]:
    """Return what MLflow shows of an epoch."""
    return {name: value for name, value in row.items() if name != SECONDS}


def summary_of(record: SlotRecord) -> dict[str, float]:
    """Return what MLflow shows of a settled slot beside its curve: best epoch and cost; nothing without a curve."""
    if not record.curve:
        return {}
    best = max(record.curve, key=lambda row: (row[keys.VAL_TOP1], -row[keys.VAL_LOGLOSS]))
    values = {"best/" + name.replace("/", "_"): value for name, value in best.items() if name.startswith("val/")}
    epoch = record.curve.index(best) + 1
    return {**values, keys.BEST_EPOCH: float(epoch), keys.COST_TOTAL_S: record.seconds}


def _method(policy: Mapping[str, Any]) -> str:
    """Name the mixers of a policy: one, two or three by name, more by their number."""
    names = sorted({branch["mixer"]["name"] for branch in policy["branches"]})
    return "+".join(names) if len(names) <= _MAX_NAMED else f"{len(names)} mixers"


def _shown(params: Mapping[str, object]) -> dict[str, object]:
    """Round what a person will read in a table."""
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in params.items()}
