"""What the result depended on: the method first, then the settings inside the winner's method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plotly.graph_objects import Bar, Figure, Scatter

from automix.report.model import StudyReport
from automix.report.panel import NothingToShow, Picture, Table, View, wrapped
from automix.report.style import ACCENT, INK, figure, translucent

if TYPE_CHECKING:
    from automix.search.importance import Share

__all__ = ["importance"]

_ROW, _AROUND = 30, 84


def importance(report: StudyReport) -> View:
    """Draw the share of the spread between methods, and the importance of the leader's settings."""
    found = report.importance
    if found is None:
        raise NothingToShow("Importance needs six trials of at least two methods that have trained to the end.")
    overall = f"Share of the spread over {found.n} trials that lies between methods"
    pictures = [Picture(_bars([found.method]), f"{100 * found.method.share:.0f} % between methods.", overall)]
    rest = ""
    if found.settings:
        within = f"Settings of {found.leader}, over {found.n_leader} trials"
        pictures.append(Picture(_bars(found.settings), f"Importance of the settings of {found.leader}.", within))
    else:
        rest = f" Too few trials of {found.leader} share settings that differ, so its settings cannot be ranked."
    rows = [[one.name, f"{100 * one.share:.1f}", f"{100 * one.chance:.1f}"] for one in (found.method, *found.settings)]
    caption = (
        "The black mark is what chance alone reaches in 1 of 20 cases (results shuffled among trials): a bar that does "
        "not pass it shows nothing. Settings are ranked by Optuna's PED-ANOVA: how the best trials differ from all. It "
        f"speaks of where the search looked, not of all that could be tried.{rest} {found.caveat}"
    )
    return View(caption, pictures, Table(["", "share, %", "by chance, %"], rows))


def _bars(shares: Sequence[Share]) -> Figure:
    ranked = list(reversed(shares))
    made = figure(x="%", height=_AROUND + _ROW * len(ranked), legend=False)
    rows = list(range(len(ranked)))
    made.add_trace(
        Bar(
            x=[100 * one.share for one in ranked],
            y=rows,
            orientation="h",
            width=0.6,
            marker={
                "color": [ACCENT if one.share > one.chance else translucent(ACCENT, 0.35) for one in ranked],
            },
            hovertemplate="%{x:.1f} %<extra></extra>",
        )
    )
    made.add_trace(
        Scatter(
            x=[100 * one.chance for one in ranked],
            y=rows,
            mode="markers",
            marker={"symbol": "line-ns", "size": 20, "line": {"width": 2, "color": INK}},
            hovertemplate="by chance: %{x:.1f} %<extra></extra>",
        )
    )
    names = [wrapped(one.name) for one in ranked]
    made.update_yaxes(tickvals=rows, ticktext=names, range=[-0.6, len(ranked) - 0.4])
    made.update_xaxes(rangemode="tozero")
    return made
