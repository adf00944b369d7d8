"""The policy that a search hands back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automix.outputs.tables import LEADERBOARD_METRICS
from automix.planning import SearchPlan
from automix.policy import PolicyDocument
from automix.search.result import SearchResult
from automix.summary import headline
from automix.verdict import record

if TYPE_CHECKING:
    from automix.confirming import Confirmation

__all__ = ["best_policy", "with_origin"]


def best_policy(plan: SearchPlan, result: SearchResult, confirmation: Confirmation | None) -> PolicyDocument | None:
    """Return the policy to train with, and what a reader must know about where it comes from.

    Without a verdict it is the leading one; with one it is the winner if that is shown to help, else no mixing.
    """
    if confirmation is not None:
        return with_origin(plan, result, confirmation.document(confirmation.recommended), record(confirmation.verdict))
    if result.document is None or result.best is None:
        return None
    row = result.leaderboard[0]
    metrics = {name: round(float(row.metrics[name]), 6) for name in LEADERBOARD_METRICS if name in row.metrics}
    kind = {"kind": "single-seed ranking", "note": f"{headline(result, len(plan.data.splits['val']))} {result.note}"}
    verdict: dict[str, Any] = {**kind, **metrics}
    if row.delta_top1 is not None:
        verdict["delta_top1_to_no_mixing"] = round(row.delta_top1, 6)
    return with_origin(plan, result, PolicyDocument.from_dict(result.document), verdict)


def with_origin(
    plan: SearchPlan, result: SearchResult, document: PolicyDocument, verdict: Mapping[str, Any]
) -> PolicyDocument:
    """Write into a policy where it was found, what was measured and how it was trained."""
    slots = [slot for slot, record in result.slots.items() if record.proposal.key == document.key()]
    found_by = {
        "study": result.study,
        "data": plan.data.name,
        "content_hash": plan.data.fingerprint.content_hash,
        "trials": len(result.slots),
        **({"slot": min(slots)} if slots else {}),
        "versions": dict(plan.config.versions),
    }
    fields = {
        "classes": plan.data.classes,
        "found_by": found_by,
        "verdict": dict(verdict),
        "trained_with": plan.settings.to_dict(),
    }
    return document.model_copy(update=fields)
