"""Plots of a study, as SVG text for the report and PNG for MLflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO, StringIO
from itertools import accumulate
from statistics import mean

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from automix.report.model import StudyReport, TrialRow
from automix.verdict import Difference

__all__ = ["PLOTS", "draw_png", "draw_svg", "fresh_seeds"]

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
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def draw_svg(report: StudyReport, plot: Callable[[Axes, StudyReport], None]) -> str:
    """Draw one plot as an SVG element; the same study gives the same text."""
    text = StringIO()
    with rc_context({"svg.hashsalt": plot.__name__}):  # of the ids inside, which are random otherwise
        _figure(report, plot).savefig(text, format="svg", metadata=_NO_METADATA)
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


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


def methods_of(report: StudyReport) -> list[str]:
    """Return the methods that have a result, best first."""
    return list(dict.fromkeys(trial.method for trial in _ranked(report)))


def _ranked(report: StudyReport) -> list[TrialRow]:
    return [trial for trial in report.trials if report.metric in trial.metrics and trial.state != "failed"]


def _colours(report: StudyReport) -> dict[str, str]:
    methods = sorted(set(methods_of(report)) - {"none"})
    return {"none": _NONE_COLOUR, **{name: _PALETTE[i % len(_PALETTE)] for i, name in enumerate(methods)}}


def by_method(axes: Axes, report: StudyReport) -> None:
    """Each trial's validation accuracy by method; the line is no mixing."""
    methods, colours = methods_of(report)[::-1], _colours(report)
    for trial in _ranked(report):
        colour = colours[trial.method]
        axes.scatter(
            100 * trial.metrics[report.metric],
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
    axes.set_xlabel("validation top-1, % (diamond: reference, hollow: pruned)")
    axes.grid(axis="x", alpha=0.25)


def history(axes: Axes, report: StudyReport) -> None:
    """Validation accuracy in the order of the slots, with the best so far."""
    colours = _colours(report)
    trials = sorted(_ranked(report), key=lambda trial: trial.slot)
    for trial in trials:
        filled = colours[trial.method] if trial.state != "pruned" else "none"
        value = 100 * trial.metrics[report.metric]
        axes.scatter(trial.slot, value, s=34, color=filled, edgecolors=colours[trial.method], zorder=3)
    done = [trial for trial in trials if trial.state != "pruned"]
    best = list(accumulate((100 * trial.metrics[report.metric] for trial in done), max))
    axes.step([trial.slot for trial in done], best, where="post", color="#555555", lw=1, label="best so far")
    _no_mixing_line(axes, report, vertical=False)
    for name in methods_of(report):
        axes.scatter([], [], s=34, color=colours[name], label=name)
    _legend(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("slot (hollow: pruned)")
    axes.set_ylabel("validation top-1, %")


def curves_top1(axes: Axes, report: StudyReport) -> None:
    """Validation accuracy by epoch; pruned trials faded."""
    _curves(axes, report, lambda point: 100 * point.top1)
    axes.set_ylabel("validation top-1, %")


def curves_logloss(axes: Axes, report: StudyReport) -> None:
    """Validation log-loss by epoch; pruned trials faded."""
    _curves(axes, report, lambda point: point.logloss)
    axes.set_ylabel("validation log-loss, nats")


def fresh_seeds(axes: Axes, report: StudyReport) -> None:
    """Each arm of the verdict: a dot per seed, and the winner's gain as an interval around no mixing's mean."""
    if report.verdict is None:
        return
    arms = report.verdict.arms[::-1]
    for row, arm in enumerate(arms):
        colour = _NONE_COLOUR if arm.name == "none" else _PALETTE[0]
        shown = arm.test.get("top1", ())
        axes.scatter(
            [100 * x for x in arm.val_top1], [row + 0.14] * len(arm.val_top1), s=26, color="none", edgecolors=colour
        )
        axes.scatter([100 * x for x in shown], [row - 0.14] * len(shown), s=30, color=colour, zorder=3)
        if arm.name == report.verdict.winner and report.verdict.gain is not None:
            _gain(axes, report.verdict.gain, 100 * mean(report.verdict.arm("none").test["top1"]), row - 0.32)
    axes.set_yticks(range(len(arms)), [arm.title for arm in arms], fontsize=9)
    axes.set_xlabel("top-1, %; hollow: validation, filled: test\nbar: no mixing plus the gain's 97 % interval")
    axes.grid(axis="x", alpha=0.25)


def _gain(axes: Axes, gain: Difference, none: float, row: float) -> None:
    """Draw where the winner's accuracy lies if no mixing's mean is taken as known."""
    axes.axvline(none, color=_NONE_COLOUR, lw=1, ls="--")
    axes.plot([none + 100 * gain.low, none + 100 * gain.high], [row, row], color=_PALETTE[3], lw=3)
    axes.scatter([none + 100 * gain.mean], [row], color=_PALETTE[3], s=36, zorder=4)


def _curves(axes: Axes, report: StudyReport, value: Callable[..., float]) -> None:
    colours = _colours(report)
    named: set[str] = set()
    for trial in _ranked(report):
        is_first = trial.method not in named
        named.add(trial.method)
        axes.plot(
            [point.epoch for point in trial.curve],
            [value(point) for point in trial.curve],
            color=colours[trial.method],
            alpha=0.25 if trial.state == "pruned" else 0.8,
            lw=1.8 if trial.rank == 1 or trial.method == "none" else 0.9,
            label=trial.method if is_first else None,
        )
    axes.set_xlabel("epoch (pale: pruned)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(axes)


def _legend(axes: Axes) -> None:
    """Put the legend beside the plot, where it hides nothing."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _no_mixing_line(axes: Axes, report: StudyReport, *, vertical: bool) -> None:
    value = next((100 * t.metrics[report.metric] for t in _ranked(report) if t.method == "none"), None)
    if value is not None:
        draw = axes.axvline if vertical else axes.axhline
        draw(value, color=_NONE_COLOUR, lw=1, ls="--", label=None if vertical else "no mixing")


PLOTS: Sequence[tuple[str, str, Callable[[Axes, StudyReport], None]]] = (
    ("by_method", "Every trial by method", by_method),
    ("history", "The search over time", history),
    ("curves_top1", "Accuracy by epoch", curves_top1),
    ("curves_logloss", "Log-loss by epoch", curves_logloss),
)
