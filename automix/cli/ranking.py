"""How a ranking is printed, by ``search``, ``leaderboard`` and ``status``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automix.cli.context import print_table
from automix.cli.table import Column

if TYPE_CHECKING:
    from automix.search.leaderboard import LeaderboardRow

__all__ = ["print_ranking"]

_COLUMNS = (
    Column("rank", "rank", is_number=True),
    Column("policy", "policy", is_text=True),
    Column("top1", "val top-1 %", is_number=True),
    Column("delta", "to none", is_number=True),
    Column("logloss", "log-loss", is_number=True, spare=1),
    Column("ece", "ECE %", is_number=True, spare=3),
    Column("epochs", "epochs", is_number=True, spare=2),
    Column("speed", "images/s", is_number=True, spare=4),
    Column("state", "state"),
    Column("slot", "slot", is_number=True),
)


def print_ranking(rows: Sequence[LeaderboardRow], limit: int | None = None) -> None:
    """Print the ranking; shares in per cent, differences to no mixing at the same epoch in points."""
    print_table([_row(row) for row in rows[:limit]], _COLUMNS)


def _row(row: LeaderboardRow) -> dict[str, Any]:
    is_reference = row.arm == row.title == "none"
    name = row.title + (f" ({row.arm})" if row.arm and row.arm != row.title else "")
    logloss = row.metrics.get("val/logloss")
    return {
        "rank": row.rank,
        "policy": f"{name}: {row.error}" if row.error else name,
        "top1": _percent(row.metrics.get("val/top1")),
        "delta": None if row.delta_top1 is None or is_reference else f"{100 * row.delta_top1:+.2f}",
        "logloss": None if logloss is None else f"{logloss:.4f}",
        "ece": _percent(row.metrics.get("val/ece")),
        "epochs": row.epochs,
        "speed": None if row.images_per_s is None else round(row.images_per_s),
        "state": _state(row),
        "slot": row.slot,
    }


def _state(row: LeaderboardRow) -> str:
    if row.origin:
        return f"{row.state}, from {row.origin}"
    return row.state if row.copied_from is None else f"as slot {row.copied_from}"


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{100 * value:.2f}"
