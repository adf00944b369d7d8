"""Accuracy against cost: what a policy gains for the time that it takes."""

from __future__ import annotations

from plotly.graph_objects import Figure, Scatter

from automix.report.model import StudyReport, TrialRow
from automix.report.panel import NothingToShow, Picture, Table, View, safe
from automix.report.style import INK, SOFT, colours, figure
from automix.tracking.keys import VAL_LOGLOSS

__all__ = ["cost"]


def cost(report: StudyReport) -> View:
    """Draw the goal of the trials against their processor time per epoch, with the front of the best trade-offs."""
    trials = [trial for trial in report.complete if trial.overhead is not None]
    if not trials:
        raise NothingToShow("Cost is told relative to no mixing, and no trial without mixing has trained to the end.")
    made = figure(x="processor time, % over no mixing", y=report.axis)
    for method, colour in colours(report).items():
        _add(made, report, method, [trial for trial in trials if trial.method == method], colour)
    front = sorted((trial for trial in trials if trial.slot in report.front), key=_overhead)
    if front:
        made.add_trace(
            Scatter(
                x=[_overhead(trial) for trial in front],
                y=[report.level(trial) for trial in front],
                mode="lines",
                line={"color": SOFT, "width": 2, "dash": "dot", "shape": "hv"},
                name="front",
                hoverinfo="skip",
            )
        )
    made.add_vline(0, line={"color": INK, "width": 1, "dash": "dash"})
    caption = (
        "Nothing lies both above and left of the dotted front: its trials are the trade-offs to choose from. What is "
        "compared is processor time of the quickest epoch, which depends little on what else the machine did; a few "
        f"per cent are noise. {report.cost_note}"
    )
    alt = f"{report.goal.title} against processor time per epoch of {len(trials)} trials."
    return View(caption, [Picture(made, alt)], _table(report, trials))


def _overhead(trial: TrialRow) -> float:
    return 100 * (trial.overhead or 0.0)


def _add(made: Figure, report: StudyReport, method: str, trials: list[TrialRow], colour: str) -> None:
    if not trials:
        return
    made.add_trace(
        Scatter(
            x=[_overhead(trial) for trial in trials],
            y=[report.level(trial) for trial in trials],
            text=[f"{safe(trial.title)}<br>log-loss {_loss(trial)}" for trial in trials],
            mode="markers",
            name=safe(method),
            marker={
                "color": colour,
                "size": [11 if trial.arm else 8 for trial in trials],
                "symbol": ["diamond" if trial.arm else "circle" for trial in trials],
            },
            hovertemplate="%{text}<br>%{x:+.0f} % time: %{y:.4g}<extra></extra>",
        )
    )


def _loss(trial: TrialRow) -> str:
    return f"{trial.metrics[VAL_LOGLOSS]:.4f}" if VAL_LOGLOSS in trial.metrics else "unknown"


def _table(report: StudyReport, trials: list[TrialRow]) -> Table:
    rows = [
        [
            str(trial.slot),
            trial.title,
            f"{report.level(trial):.4g}",
            _loss(trial),
            f"{_overhead(trial):+.0f}",
            "yes" if trial.slot in report.front else "",
        ]
        for trial in trials
    ]
    return Table(["trial", "policy", report.axis, "log-loss", "time, %", "on the front"], rows)
