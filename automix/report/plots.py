"""Plots of a study as PNG, for MLflow, whose run page shows pictures; the report draws its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from automix.goal import ACCURACY, GOALS, Goal
from automix.report.model import StudyReport, axis_title, shown

__all__ = ["PLOTS", "draw_png"]

_PALETTE = (
    "#3b6ea8",
    "#e08a3c",
    "#4f9d69",
    "#b5485d",
    "#7d6bb0",
    "#8c6d46",
    "#d277a5",
    "#6f7d8c",
    "#b0a53a",
    "#3fa7b5",
)
_NONE_COLOUR = "black"


def draw_png(report: StudyReport, plot: Callable[[Axes, StudyReport], None]) -> bytes:
    """Draw one plot as a PNG file."""
    buffer = BytesIO()
    _figure(report, plot).savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _figure(report: StudyReport, plot: Callable[[Axes, StudyReport], None]) -> Figure:
    figure = Figure(figsize=(6.0, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)
    plot(axes, report)
    return figure


def _colours(report: StudyReport) -> dict[str, str]:
    methods = sorted(set(report.methods) - {"none"})
    return {"none": _NONE_COLOUR, **{name: _PALETTE[i % len(_PALETTE)] for i, name in enumerate(methods)}}


def by_method(axes: Axes, report: StudyReport) -> None:
    """The goal of each trial by method; the line is no mixing."""
    methods, colours = report.methods[::-1], _colours(report)
    for trial in report.ranked:
        colour = colours[trial.method]
        axes.scatter(
            report.level(trial),
            methods.index(trial.method),
            s=60 if trial.arm else 38,
            marker="D" if trial.arm else "o",
            color=colour if trial.state != "pruned" else "none",
            edgecolors=colour,
            alpha=0.85,
            zorder=3,
        )
    _no_mixing_line(axes, report, vertical=True)
    axes.set_yticks(range(len(methods)), methods, fontsize=9)
    axes.set_xlabel(f"{report.axis} (diamond: reference, hollow: pruned)")
    axes.grid(axis="x", alpha=0.25)


def history(axes: Axes, report: StudyReport) -> None:
    """The goal in the order of the slots, with the best so far."""
    colours = _colours(report)
    trials = sorted(report.ranked, key=lambda trial: trial.slot)
    for trial in trials:
        filled = colours[trial.method] if trial.state != "pruned" else "none"
        value = report.level(trial)
        axes.scatter(trial.slot, value, s=34, color=filled, edgecolors=colours[trial.method], zorder=3)
    done = [trial for trial in trials if trial.state != "pruned"]
    best = list(accumulate((report.level(trial) for trial in done), max if report.goal.maximize else min))
    axes.step([trial.slot for trial in done], best, where="post", color="#555555", lw=1, label="best so far")
    _no_mixing_line(axes, report, vertical=False)
    for name in report.methods:
        axes.scatter([], [], s=34, color=colours[name], label=name)
    _legend(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial (hollow: pruned)")
    axes.set_ylabel(report.axis)


def curves_top1(axes: Axes, report: StudyReport) -> None:
    """Validation accuracy by epoch; pruned trials faded."""
    _curves(axes, report, ACCURACY)


def curves_logloss(axes: Axes, report: StudyReport) -> None:
    """Validation log-loss by epoch; pruned trials faded."""
    _curves(axes, report, GOALS["log_loss"])


def _curves(axes: Axes, report: StudyReport, goal: Goal) -> None:
    colours = _colours(report)
    named: set[str] = set()
    for trial in report.ranked:
        is_first = trial.method not in named
        named.add(trial.method)
        axes.plot(
            range(1, trial.epochs + 1),
            [shown(goal, value) for value in trial.curves[goal.metric]],
            color=colours[trial.method],
            alpha=0.25 if trial.state == "pruned" else 0.8,
            lw=1.8 if trial.rank == 1 or trial.method == "none" else 0.9,
            label=trial.method if is_first else None,
        )
    axes.set_xlabel("epoch (pale: pruned)")
    axes.set_ylabel(axis_title(goal))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(axes)


def _legend(axes: Axes) -> None:
    """Put the legend beside the plot, where it hides nothing."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _no_mixing_line(axes: Axes, report: StudyReport, *, vertical: bool) -> None:
    value = next((report.level(t) for t in report.ranked if t.method == "none"), None)
    if value is not None:
        draw = axes.axvline if vertical else axes.axhline
        draw(value, color=_NONE_COLOUR, lw=1, ls="--", label=None if vertical else "no mixing")


PLOTS: Sequence[tuple[str, str, Callable[[Axes, StudyReport], None]]] = (
    ("by_method", "Every trial by method", by_method),
    ("history", "The search over time", history),
    ("curves_top1", "Accuracy by epoch", curves_top1),
    ("curves_logloss", "Log-loss by epoch", curves_logloss),
)
