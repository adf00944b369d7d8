"""What a search leaves in its results folder, for people and for the trainer that comes next."""

from __future__ import annotations

from automix.outputs.export import export_results
from automix.outputs.folder import Outputs
from automix.outputs.sheet import method_sheet
from automix.outputs.tables import LEADERBOARD_METRICS, confirm_rows, leaderboard_row, leaderboard_rows

__all__ = [
    "LEADERBOARD_METRICS",
    "Outputs",
    "confirm_rows",
    "export_results",
    "leaderboard_row",
    "leaderboard_rows",
    "method_sheet",
]
