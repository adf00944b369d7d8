"""One parallel-coordinates panel per method: which settings went with which result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from plotly.colors import sample_colorscale
from plotly.graph_objects import Figure, Scatter

from automix.report.model import Axis, StudyReport, TrialRow
from automix.report.panel import NothingToShow, Picture, Table, View, safe
from automix.report.style import SOFT, figure

__all__ = ["parallel", "settings_of"]

_SCALE = "Viridis_r"
_ABSENT = -0.16
_FEWEST = 2
_WIDTH = 310
# What a parameter of the space is called that says which methods take part, not how one of them is set.
_CHOICES_OF_METHOD = ("mixer", "mixer2", "branches")


def parallel(report: StudyReport) -> View:
    """Draw a panel for each method that was tried with several settings."""
    groups = {name: [t for t in report.ranked if t.method == name and t.params] for name in report.methods}
    axes = {name: _axes(report, trials) for name, trials in groups.items()}
    drawn = [name for name, trials in groups.items() if len(trials) >= _FEWEST and axes[name]]
    if not drawn:
        raise NothingToShow("No method has been tried with two settings, so there is nothing to compare within one.")
    pictures = [
        Picture(
            _panel(report, groups[name], axes[name]),
            f"Settings and {report.goal.title} of {len(groups[name])} trials of {name}.",
            f"{name} ({len(groups[name])} trials)",
            min_width=_WIDTH,
        )
        for name in drawn
    ]
    left = sorted(set(report.methods) - set(drawn))
    rest = f" Tried with one setting only: {', '.join(left)}." if left else ""
    caption = (
        f"A line is a trial, the last axis is {report.axis}; the darker a line, the better, on one scale over all "
        f"panels. At the mark below an axis a setting does not apply. Dotted: ended early.{rest}"
    )
    return View(caption, pictures, _table(report, drawn, groups))


def settings_of(trial: TrialRow) -> dict[str, Any]:
    """Return the settings of a trial's method and of its policy, by the names that the first branch has.

    A space calls the settings of a second branch ``prob2.cutmix`` where those of the first are ``prob.cutmix``.
    """
    params = trial.params
    is_second = params.get("mixer2") == trial.method != params.get("mixer")
    tail = ("2." if is_second else ".") + trial.method
    own = {f"{name.removesuffix(tail)}.{trial.method}": v for name, v in params.items() if name.endswith(tail)}
    return {**own, **{k: v for k, v in params.items() if "." not in k and k not in _CHOICES_OF_METHOD}}


def _axes(report: StudyReport, trials: Sequence[TrialRow]) -> list[Axis]:
    """Name the parameters that differ among a method's trials, in the order of the space."""
    seen: dict[str, set[Any]] = {}
    for trial in trials:
        for name, value in settings_of(trial).items():
            seen.setdefault(name, set()).add(value)
    return [axis for axis in report.parameters if len(seen.get(axis.name, ())) > 1]


def _panel(report: StudyReport, trials: Sequence[TrialRow], axes: Sequence[Axis]) -> Figure:
    low, high = _range(report)
    last = Axis(report.goal.title, low, high)
    made = figure(height=330, legend=False)
    for trial in sorted(trials, key=lambda trial: -(trial.rank or math.inf)):
        result = report.level(trial)
        known = settings_of(trial)
        heights = [_height(axis, known.get(axis.name)) for axis in axes]
        if trial.rank:
            heights.append(_height(last, result))
        made.add_trace(
            Scatter(
                x=list(range(len(heights))),
                y=heights,
                mode="lines+markers",
                line={
                    "color": _colour(report, result, low, high),
                    "width": 3 if trial.rank == 1 else 1.6,
                    "dash": "dot" if trial.is_pruned else "solid",
                },
                marker={"size": 5},
                opacity=0.45 if trial.is_pruned else 0.9,
                hovertemplate=f"{_hover(trial, known, axes)}<br>{result:.4g}<extra></extra>",
            )
        )
    _add_axes(made, [*axes, last])
    return made


def _hover(trial: TrialRow, known: Mapping[str, Any], axes: Sequence[Axis]) -> str:
    values = [f"{_short(axis)} {_text(known[axis.name])}" for axis in axes if axis.name in known]
    return safe(f"trial {trial.slot}: {', '.join(values)}")


def _add_axes(made: Figure, axes: Sequence[Axis]) -> None:
    for x, axis in enumerate(axes):
        made.add_shape(type="line", x0=x, x1=x, y0=0, y1=1, line={"color": SOFT, "width": 1}, layer="below")
        ends = axis.choices if axis.choices else (axis.low, axis.high)
        for value in ends:
            y = _height(axis, value)
            side = "bottom" if y > 0.5 else "top"
            shift = {"xshift": 2, "xanchor": "left", "yanchor": "middle"} if axis.choices else {"yanchor": side}
            made.add_annotation(x=x, y=y, text=safe(_text(value)), showarrow=False, font={"size": 10}, **shift)
        made.add_annotation(x=x, y=_ABSENT, text="-", showarrow=False, font={"size": 10, "color": SOFT})
    made.update_xaxes(
        tickvals=list(range(len(axes))),
        ticktext=[safe(_short(axis)) for axis in axes],
        range=[-0.3, len(axes) - 0.7],
        showgrid=False,
        showline=False,
    )
    made.update_yaxes(visible=False, range=[_ABSENT - 0.06, 1.12])


def _short(axis: Axis) -> str:
    return axis.name.split(".", 1)[0]


def _height(axis: Axis, value: Any) -> float:
    """Place a value on an axis, from 0 to 1; what is not set lies below."""
    if value is None:
        return _ABSENT
    if axis.choices:
        return axis.choices.index(value) / max(1, len(axis.choices) - 1) if value in axis.choices else _ABSENT
    low, high, at = (math.log(float(x)) if axis.log else float(x) for x in (axis.low or 0.0, axis.high or 0.0, value))
    return (at - low) / (high - low) if high > low else 0.5


def _range(report: StudyReport) -> tuple[float, float]:
    values = [report.level(t) for t in report.complete or report.ranked]
    return min(values), max(values)


def _colour(report: StudyReport, value: float, low: float, high: float) -> str:
    share = min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.5
    return str(sample_colorscale(_SCALE, [share if report.goal.maximize else 1 - share])[0])


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _table(report: StudyReport, drawn: Sequence[str], groups: Mapping[str, Sequence[TrialRow]]) -> Table:
    rows = []
    for name in drawn:
        for trial in groups[name]:
            known = ", ".join(f"{key.split('.', 1)[0]} {_text(value)}" for key, value in settings_of(trial).items())
            result = report.level(trial)
            rows.append([name, str(trial.slot), known, f"{result:.4g}", trial.state])
    return Table(["method", "trial", "settings", report.axis, "state"], rows)
