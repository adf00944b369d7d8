"""The ranking and the trainings on fresh seeds as flat rows, for CSV and JSON."""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING, Any

from automix.policy import PolicyDocument
from automix.search.leaderboard import LeaderboardRow
from automix.search.ledger import SlotRecord
from automix.search.result import SearchResult
from automix.tracking import keys
from automix.verdict.scores import METRICS

if TYPE_CHECKING:
    from automix.confirming import Confirmation

__all__ = ["LEADERBOARD_METRICS", "confirm_rows", "csv_text", "leaderboard_row", "leaderboard_rows"]

LEADERBOARD_METRICS = (keys.VAL_TOP1, keys.VAL_BALANCED_TOP1, keys.VAL_LOGLOSS, keys.VAL_ECE)


def leaderboard_rows(result: SearchResult) -> list[dict[str, Any]]:
    """Return the ranking as flat rows, for CSV and JSON; see `leaderboard_row`."""
    return [leaderboard_row(row, result.slots[row.slot]) for row in result.leaderboard]


def confirm_rows(confirmation: Confirmation) -> list[dict[str, Any]]:
    """Return the trainings on fresh seeds as flat rows; what no test image was opened for is None there."""
    models = list(confirmation.models())
    rows: list[dict[str, Any]] = []
    for arm, rounds in confirmation.rounds.items():
        test = confirmation.verdict.arm(arm).test
        for i, (one, trained) in enumerate(rounds):
            rows.append(
                {
                    "arm": arm,
                    "policy": one.entrant.title,
                    "seed": one.seed,
                    keys.VAL_TOP1: trained.val_top1,
                    keys.VAL_LOGLOSS: trained.val_logloss,
                    **{f"test/{name}": test[name][i] if test else None for name in METRICS},
                    "temperature": trained.temperature,
                    "model": f"models/{models[len(rows)]}.safetensors",
                    "policy_key": one.entrant.key,
                }
            )
    return rows


def leaderboard_row(row: LeaderboardRow, slot: SlotRecord) -> dict[str, Any]:
    """Flatten one row: identity, metrics of the last epoch (shares, nats), cost."""
    return {
        "rank": row.rank,
        "policy": row.title,
        "state": row.state,
        "arm": row.arm,
        **{name: row.metrics.get(name) for name in LEADERBOARD_METRICS},
        "delta_top1": row.delta_top1,
        "delta_logloss": row.delta_logloss,
        "epochs": row.epochs,
        "images_per_s": row.images_per_s,
        "overhead": row.overhead,
        "slot": row.slot,
        "copied_from": row.copied_from,
        "origin": row.origin,
        "policy_key": row.policy_key,
        "method": _method(slot),
        "error": row.error,
    }


def csv_text(rows: list[dict[str, Any]]) -> str:
    """Write rows as CSV, with a head."""
    text = StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["rank"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _method(slot: SlotRecord) -> str:
    """Name the mixers of a slot's policy; an arm with many branches goes by its own name."""
    names = [branch.mixer.name for branch in PolicyDocument.from_dict(slot.proposal.policy).branches]
    return slot.proposal.arm if slot.proposal.arm and len(names) > 2 else "+".join(names)
