"""Every trial by method: which methods were tried how often, and what they reached."""

from __future__ import annotations

from statistics import median

from plotly.graph_objects import Scatter

from automix.report.model import StudyReport, TrialRow
from automix.report.panel import NothingToShow, Picture, Table, View, safe, wrapped
from automix.report.style import INK, colours, figure

__all__ = ["methods"]

_ROW, _AROUND = 30, 84


def methods(report: StudyReport) -> View:
    """Draw the goal of each trial in its method's row."""
    if not report.ranked:
        raise NothingToShow("No trial has finished an epoch yet.")
    names, palette = report.methods[::-1], colours(report)
    made = figure(x=report.axis, height=_AROUND + _ROW * len(names), legend=False)
    for row, name in enumerate(names):
        own = _of(report, name)
        made.add_trace(
            Scatter(
                x=[report.level(trial) for trial in own],
                y=[row + _spread(i) for i in range(len(own))],
                text=[safe(trial.title) for trial in own],
                mode="markers",
                marker={
                    "size": [11 if trial.arm else 8 for trial in own],
                    "symbol": [
                        ("diamond" if trial.arm else "circle") + ("-open" if trial.is_pruned else "") for trial in own
                    ],
                    "color": palette[name],
                    "opacity": 0.8,
                    "line": {"color": palette[name], "width": 1},
                },
                hovertemplate="%{text}: %{x:.4g}<extra></extra>",
            )
        )
    made.update_yaxes(
        tickvals=list(range(len(names))), ticktext=[wrapped(name) for name in names], range=[-0.6, len(names) - 0.4]
    )
    none = report.arm("none")
    if none is not None:
        level = report.level(none)
        made.add_vline(level, line={"color": INK, "width": 1, "dash": "dash"})
    alt = f"{report.goal.title} of each trial, a row for each of {len(names)} methods."
    caption = (
        "Diamonds: published settings and other references. Hollow: ended early. Dashed: no mixing. A policy that "
        "combines methods stands in the row of the one that it mixes with most."
    )
    return View(caption, [Picture(made, alt)], _table(report))


def _of(report: StudyReport, method: str) -> list[TrialRow]:
    return [trial for trial in report.ranked if trial.method == method]


def _spread(i: int) -> float:
    """Move points of a row apart, the same in every drawing; the golden ratio never repeats."""
    return ((i * 0.618034) % 1.0 - 0.5) * 0.45 if i else 0.0


def _table(report: StudyReport) -> Table:
    rows = []
    for name in report.methods:
        own = _of(report, name)
        done = [report.level(trial) for trial in own if trial.rank]
        best = max(done, key=report.goal.sort_key, default=0.0)
        reached = [f"{best:.4g}", f"{median(done):.4g}"] if done else ["", ""]
        rows.append([name, str(len(own)), str(sum(trial.is_pruned for trial in own)), *reached])
    return Table(["method", "trials", "ended early", f"best {report.axis}", "median"], rows)
