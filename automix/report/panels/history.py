"""The search over time: each trial in its order, the best so far, and how much of that may be chance."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from plotly.graph_objects import Figure, Scatter

from automix.report.model import StudyReport, TrialRow, shown
from automix.report.panel import NothingToShow, Picture, Table, View, safe
from automix.report.style import INK, SOFT, colours, figure, translucent

__all__ = ["history"]

_REACH = 2.0
_MARKS = "Trials in the order of the search; diamonds: references, hollow: ended early, dashed: no mixing."


def history(report: StudyReport) -> View:
    """Draw the goal of each trial by slot, with the best so far and a band of noise around no mixing."""
    trials = sorted(report.ranked, key=lambda trial: trial.slot)
    if not trials:
        raise NothingToShow("No trial has finished an epoch yet.")
    none = report.arm("none")
    made = figure(x="trial", y=report.axis)
    if none is not None:
        _add_reference(made, report, none)
    _add_trials(made, report, trials)
    found = _best_so_far(report, trials)
    made.add_trace(
        Scatter(
            x=[slot for slot, _ in found],
            y=[value for _, value in found],
            mode="lines",
            line={"color": SOFT, "width": 2, "shape": "hv"},
            name="best so far",
            hoverinfo="skip",
        )
    )
    alt = f"{report.goal.title} of {len(trials)} trials in the order of the search, with the best so far."
    return View(_caption(report, none), [Picture(made, alt)], _table(report, trials))


def _caption(report: StudyReport, none: TrialRow | None) -> str:
    if none is None:
        return "Trials in the order of the search; hollow: ended early. None has been trained without mixing."
    if report.noise is None:
        return f"{_MARKS} How far {report.goal.title} varies by chance is not known for this study."
    width = report.goal.change(_REACH * report.noise.sd, signed=False)
    return (
        f"{_MARKS} Grey band: {_REACH:g} standard deviations of a single training to either side "
        f"({width}; {report.noise.source}). A single trial inside it cannot be told from no "
        "mixing, and the best of many trials lies above it by chance now and then."
    )


def _add_reference(made: Figure, report: StudyReport, none: TrialRow) -> None:
    level = report.level(none)
    if report.noise is not None:
        reach = shown(report.goal, _REACH * report.noise.sd)
        made.add_hrect(level - reach, level + reach, fillcolor=translucent(SOFT, 0.14), line_width=0, layer="below")
    made.add_hline(level, line={"color": INK, "width": 1, "dash": "dash"})


def _add_trials(made: Figure, report: StudyReport, trials: list[TrialRow]) -> None:
    for method, colour in colours(report).items():
        own = [trial for trial in trials if trial.method == method]
        if own:
            made.add_trace(
                Scatter(
                    x=[trial.slot for trial in own],
                    y=[report.level(trial) for trial in own],
                    text=[safe(trial.title) for trial in own],
                    mode="markers",
                    name=safe(method),
                    marker={
                        "size": [11 if trial.arm else 8 for trial in own],
                        "symbol": [_symbol(trial) for trial in own],
                        "color": colour,
                        "line": {"color": colour, "width": 1},
                    },
                    hovertemplate="%{text}<br>trial %{x}: %{y:.4g}<extra></extra>",
                )
            )


def _symbol(trial: TrialRow) -> str:
    return ("diamond" if trial.arm else "circle") + ("-open" if trial.is_pruned else "")


def _best_so_far(report: StudyReport, trials: list[TrialRow]) -> list[tuple[int, float]]:
    done = [trial for trial in trials if trial.rank]
    pick: Callable[[float, float], float] = max if report.goal.maximize else min
    values = accumulate((report.level(trial) for trial in done), pick)
    steps = list(zip((trial.slot for trial in done), values, strict=True))
    return [*steps, (trials[-1].slot, steps[-1][1])] if steps else []


def _table(report: StudyReport, trials: list[TrialRow]) -> Table:
    rows, before = [], None
    by_slot = {trial.slot: trial for trial in trials}
    for slot, value in _best_so_far(report, trials):
        if value != before:
            rows.append([str(slot), by_slot[slot].title, f"{value:.4g}"])
        before = value
    return Table(["trial", "new best", report.axis], rows)
