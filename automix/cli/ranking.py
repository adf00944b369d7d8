"""How a ranking is printed, by ``search``, ``leaderboard`` and ``status``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automix.cli.context import print_table
from automix.cli.table import Column

if TYPE_CHECKING:
    from automix.goal import Goal
    from automix.search.leaderboard import LeaderboardRow

__all__ = ["print_ranking"]

_METRICS = (
    Column("val/top1", "val top-1 %", is_number=True, spare=1),
    Column("val/logloss", "log-loss", is_number=True, spare=2),
    Column("val/ece", "ECE %", is_number=True, spare=4),
    Column("cost/img_s", "images/s", is_number=True, spare=5),
)


def print_ranking(rows: Sequence[LeaderboardRow], goal: Goal, limit: int | None = None) -> None:
    """Print the ranking by a goal; differences to no mixing at the same epoch in its unit, shares in per cent."""
    print_table([_row(row, goal) for row in rows[:limit]], _columns(goal))


def _columns(goal: Goal) -> list[Column]:
    """Put the goal first, under the name that its metric has here if it has one."""
    names = {column.key: column.title for column in _METRICS}
    own_name = f"{goal.title} {goal.value_unit}".rstrip()
    return [
        Column("rank", "rank", is_number=True),
        Column("policy", "policy", is_text=True),
        Column(goal.metric, names.get(goal.metric, own_name), is_number=True),
        Column("delta", "to none", is_number=True),
        *(column for column in _METRICS if column.key != goal.metric),
        Column("epochs", "epochs", is_number=True, spare=3),
        Column("state", "state"),
        Column("slot", "slot", is_number=True),
    ]


def _row(row: LeaderboardRow, goal: Goal) -> dict[str, Any]:
    is_reference = row.arm == row.title == "none"
    name = row.title + (f" ({row.arm})" if row.arm and row.arm != row.title else "")
    logloss = row.metrics.get("val/logloss")
    return {
        "rank": row.rank,
        "policy": f"{name}: {row.error}" if row.error else name,
        goal.metric: None if row.value is None else goal.text(row.value, with_unit=False),
        "delta": None if row.delta is None or is_reference else goal.change(row.delta, with_unit=False),
        "val/top1": _percent(row.metrics.get("val/top1")),
        "val/logloss": None if logloss is None else f"{logloss:.4f}",
        "val/ece": _percent(row.metrics.get("val/ece")),
        "cost/img_s": None if row.images_per_s is None else round(row.images_per_s),
        "epochs": row.epochs,
        "state": _state(row),
        "slot": row.slot,
    }


def _state(row: LeaderboardRow) -> str:
    if row.origin:
        return f"{row.state}, from {row.origin}"
    return row.state if row.copied_from is None else f"as slot {row.copied_from}"


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{100 * value:.2f}"
