"""What people look at: contact sheets, plots and one offline HTML report."""

from __future__ import annotations

from automix.report.contact_sheet import contact_sheet
from automix.report.html import render_report
from automix.report.model import Axis, Noise, StudyReport, TrialRow
from automix.report.pairs import Pairs, choose_pairs

__all__ = [
    "Axis",
    "Noise",
    "Pairs",
    "StudyReport",
    "TrialRow",
    "choose_pairs",
    "contact_sheet",
    "render_report",
]
