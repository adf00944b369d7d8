"""Learning curves by method, in accuracy and in log-loss; what was ended early is faded."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from plotly.graph_objects import Figure, Scatter

from automix.goal import ACCURACY, GOALS, Goal
from automix.report.model import StudyReport, TrialRow, axis_title, shown
from automix.report.panel import NothingToShow, Picture, Table, View, safe
from automix.report.style import colours, figure, translucent

__all__ = ["curves"]

_LOG_LOSS = GOALS["log_loss"]


def curves(report: StudyReport) -> View:
    """Draw the validation curves of all trials, a colour for each method."""
    trials = [trial for trial in report.ranked if trial.epochs]
    if not trials:
        raise NothingToShow("No trial has finished an epoch yet.")
    goals = dict.fromkeys((ACCURACY, _LOG_LOSS, report.goal))
    pictures = [
        Picture(
            _curves(report, trials, goal), f"{goal.title} by epoch of {len(trials)} trials.", goal.title.capitalize()
        )
        for goal in goals
    ]
    caption = (
        "Faded: ended early. Thick: the leader and no mixing. Mixing learns more slowly at first and is ahead late if "
        "at all, most of all in accuracy. Touch a name below a plot to hide or show a method."
    )
    return View(caption, pictures, _table(trials))


def _curves(report: StudyReport, trials: list[TrialRow], goal: Goal) -> Figure:
    made = figure(x="epoch", y=axis_title(goal), height=460)
    for method, colour in colours(report).items():
        named = False
        for is_faded in (False, True):
            own = [trial for trial in trials if trial.method == method and trial.is_pruned == is_faded]
            plain = [trial for trial in own if not _stands_out(trial)]
            named = _add(made, plain, goal, method, translucent(colour, 0.22 if is_faded else 0.6), 1.2, named)
        thick = [trial for trial in trials if trial.method == method and _stands_out(trial)]
        _add(made, thick, goal, method, colour, 3.0, named)
    return made


def _stands_out(trial: TrialRow) -> bool:
    return trial.rank == 1 or trial.arm == "none"


def _add(made: Figure, trials: list[TrialRow], goal: Goal, method: str, colour: str, width: float, named: bool) -> bool:
    """Add curves as one trace with gaps between them; say whether the method is in the legend."""
    if not trials:
        return named
    epochs, values, slots = (_joined(part) for part in zip(*(_points(trial, goal) for trial in trials), strict=True))
    made.add_trace(
        Scatter(
            x=epochs,
            y=values,
            customdata=slots,
            mode="lines",
            line={"color": colour, "width": width},
            connectgaps=False,
            name=safe(method),
            legendgroup=safe(method),
            showlegend=not named,
            hovertemplate=f"{safe(method)}, trial %{{customdata}}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
        )
    )
    return True


def _points(trial: TrialRow, goal: Goal) -> tuple[list[float], list[float], list[float]]:
    values = [shown(goal, value) for value in trial.curves.get(goal.metric, ())]
    n = len(values)
    return [*range(1, n + 1), math.nan], [*values, math.nan], [trial.slot] * (n + 1)


def _joined(parts: Iterable[list[float]]) -> np.ndarray:
    """Join number lists; as float32, which the page holds in a compact form."""
    return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])


def _table(trials: list[TrialRow]) -> Table:
    rows = []
    for trial in trials:
        of = {goal: trial.curves.get(goal.metric, ()) for goal in (ACCURACY, _LOG_LOSS)}
        half = (trial.epochs - 1) // 2
        early, late = ([f"{shown(goal, v[i]):.4g}" if v else "" for goal, v in of.items()] for i in (half, -1))
        rows.append([str(trial.slot), trial.title, str(trial.epochs), early[0], late[0], early[1], late[1]])
    head = ["trial", "policy", "epochs", "accuracy at half, %", "at the end", "log-loss at half", "at the end"]
    return Table(head, rows)
