"""How a ranking is printed, by ``search``, ``leaderboard`` and ``status``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from automix.cli.context import print_table

if TYPE_CHECKING:
    from automix.search.leaderboard import LeaderboardRow

__all__ = ["print_ranking"]


def print_ranking(rows: Sequence[LeaderboardRow], limit: int | None = None) -> None:
    """Print the ranking; shares in per cent, differences to no mixing in points."""
    print_table([_row(row) for row in rows[:limit]])


def _row(row: LeaderboardRow) -> dict[str, Any]:
    name = row.title + (f" ({row.arm})" if row.arm and row.arm != row.title else "")
    return {
        "rank": row.rank,
        "policy": name if not row.error else f"{name}: {row.error}",
        "val top-1 %": _percent(row.metrics.get("val/top1")),
        "to none": None if row.delta_top1 is None else f"{100 * row.delta_top1:+.2f}",
        "log-loss": row.metrics.get("val/logloss"),
        "ECE %": _percent(row.metrics.get("val/ece")),
        "epochs": row.epochs,
        "img/s": None if row.images_per_s is None else round(row.images_per_s),
        "overhead %": None if row.overhead is None else f"{100 * row.overhead:+.0f}",
        "state": row.state if row.copied_from is None else f"as slot {row.copied_from}",
        "slot": row.slot,
    }


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{100 * value:.2f}"
