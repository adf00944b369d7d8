"""The goal against cost: what a policy gains for the time that it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plotly.graph_objects import Figure, Scatter

from automix.report.model import StudyReport, TrialRow, shown
from automix.report.panel import NothingToShow, Picture, Table, View, safe
from automix.report.style import INK, SOFT, colours, figure
from automix.tracking.keys import VAL_LOGLOSS

if TYPE_CHECKING:
    from automix.search.pareto import ParetoPoint

__all__ = ["cost"]


def cost(report: StudyReport) -> View:
    """Draw what trials reached against their processor time, with the front of the best trade-offs."""
    none = report.arm("none")
    reference = next((point.second for point in report.costs if none is not None and point.slot == none.slot), 0.0)
    if not reference:
        raise NothingToShow("Cost is told relative to no mixing, and no trial without mixing has trained to the end.")
    trials = {trial.slot: trial for trial in report.complete}
    made = figure(x="processor time, % over no mixing", y=report.axis)
    for method, colour in colours(report).items():
        own = [point for point in report.costs if trials[point.slot].method == method]
        if own:
            _add(made, report, method, own, trials, reference, colour)
    front = sorted((point for point in report.costs if point.is_best), key=lambda point: point.second)
    made.add_trace(
        Scatter(
            x=[_over(point, reference) for point in front],
            y=[shown(report.goal, point.first) for point in front],
            mode="lines",
            line={"color": SOFT, "width": 2, "dash": "dot", "shape": "hv"},
            name="front",
            hoverinfo="skip",
        )
    )
    made.add_vline(0, line={"color": INK, "width": 1, "dash": "dash"})
    caption = (
        f"No trial beats those on the dotted front in both {report.goal.title} and cost: they are what to choose "
        "from. Cost is processor time per epoch, median over epochs; a few per cent are noise. "
        f"{report.cost_note}"
    )
    alt = f"{report.goal.title} against processor time per epoch of {len(report.costs)} trials."
    return View(caption, [Picture(made, alt)], _table(report, trials, reference))


def _over(point: ParetoPoint, reference: float) -> float:
    """Return the cost over that of no mixing, in per cent."""
    return 100 * (point.second / reference - 1)


def _add(
    made: Figure,
    report: StudyReport,
    method: str,
    points: list[ParetoPoint],
    trials: dict[int, TrialRow],
    reference: float,
    colour: str,
) -> None:
    arms = [bool(trials[point.slot].arm) for point in points]
    made.add_trace(
        Scatter(
            x=[_over(point, reference) for point in points],
            y=[shown(report.goal, point.first) for point in points],
            text=[f"{safe(point.title)}<br>log-loss {_loss(trials[point.slot])}" for point in points],
            mode="markers",
            name=safe(method),
            marker={
                "color": colour,
                "size": [11 if is_arm else 8 for is_arm in arms],
                "symbol": ["diamond" if is_arm else "circle" for is_arm in arms],
            },
            hovertemplate="%{text}<br>%{x:+.0f} % time: %{y:.4g}<extra></extra>",
        )
    )


def _loss(trial: TrialRow) -> str:
    return f"{trial.metrics[VAL_LOGLOSS]:.4f}" if VAL_LOGLOSS in trial.metrics else "unknown"


def _table(report: StudyReport, trials: dict[int, TrialRow], reference: float) -> Table:
    rows = [
        [
            str(point.slot),
            point.title,
            report.goal.text(point.first),
            _loss(trials[point.slot]),
            f"{_over(point, reference):+.0f}",
            "yes" if point.is_best else "",
        ]
        for point in report.costs
    ]
    return Table(["trial", "policy", report.goal.title, "log-loss", "time, %", "on the front"], rows)
