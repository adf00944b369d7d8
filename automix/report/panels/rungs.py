"""How well an early result tells the end: rank correlation by the share of the budget spent."""

from __future__ import annotations

from plotly.graph_objects import Figure, Scatter

from automix.goal import GOALS
from automix.report.model import StudyReport
from automix.report.panel import NothingToShow, Picture, Table, View, safe
from automix.report.style import ACCENT, INK, figure, translucent

__all__ = ["rungs"]

_COLOURS = (ACCENT, "#e08a3c", "#7d6bb0")
_TITLES = {goal.metric: goal.title for goal in GOALS.values()}


def rungs(report: StudyReport) -> View:
    """Draw Spearman's correlation between a metric at an epoch and the goal at the end."""
    if not report.rungs:
        raise NothingToShow(
            "Too few trials have trained to the end to tell whether early results rank policies as late ones do."
        )
    made = figure(x="share of the epochs, %", y="rank correlation")
    for metric, colour in zip(dict.fromkeys(one.metric for one in report.rungs), _COLOURS, strict=False):
        _add(made, report, metric, colour)
    made.add_hline(0, line={"color": INK, "width": 1, "dash": "dash"})
    n = max(one.n for one in report.rungs)
    caption = (
        f"1: an epoch ranks the {n} trials that trained to the end exactly as the last epoch does; 0: it says nothing. "
        f"Band: 95 % interval."
    )
    alt = f"Rank correlation of early results with the last epoch, over {n} trials."
    rows = [
        [
            _title(one.metric),
            str(one.epoch),
            f"{100 * one.share:.0f}",
            f"{one.spearman:.2f}",
            f"{one.low:.2f} to {one.high:.2f}",
            str(one.n),
        ]
        for one in report.rungs
    ]
    return View(
        caption, [Picture(made, alt)], Table(["by", "epoch", "share, %", "correlation", "95 %", "trials"], rows)
    )


def _add(made: Figure, report: StudyReport, metric: str, colour: str) -> None:
    own = [one for one in report.rungs if one.metric == metric]
    shares = [100 * one.share for one in own]
    made.add_trace(
        Scatter(
            x=[*shares, *reversed(shares)],
            y=[one.high for one in own] + [one.low for one in reversed(own)],
            fill="toself",
            fillcolor=translucent(colour, 0.13),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            legendgroup=metric,
            showlegend=False,
        )
    )
    made.add_trace(
        Scatter(
            x=shares,
            y=[one.spearman for one in own],
            customdata=[one.epoch for one in own],
            mode="lines+markers",
            line={"color": colour, "width": 2},
            name=safe(_title(metric)),
            legendgroup=metric,
            hovertemplate=f"{safe(_title(metric))} at epoch %{{customdata}}: %{{y:.2f}}<extra></extra>",
        )
    )


def _title(metric: str) -> str:
    return _TITLES.get(metric, metric.rpartition("/")[2])
