"""The winner's gain class by class: a mean can hide that some classes pay for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plotly.graph_objects import Bar, Figure

from automix.report.model import StudyReport
from automix.report.panel import NothingToShow, Picture, Table, View, points, wrapped
from automix.report.style import BAD, GOOD, INK, figure

if TYPE_CHECKING:
    from automix.verdict.classes import ClassGain

__all__ = ["classes"]

_MOST = 40
_ROW, _AROUND = 24, 80
# A class with less than half as many training images as the median class is in the tail.
_TAIL = 0.5


def classes(report: StudyReport) -> View:
    """Draw the difference in test accuracy to no mixing for each class, sorted."""
    found, verdict = sorted(report.classes, key=lambda one: one.gain.mean), report.verdict
    if verdict is None or not found:
        raise NothingToShow(
            "There is no verdict in which a policy that mixes was compared with no mixing on the test images."
        )
    shown = found if len(found) <= _MOST else [*found[: _MOST // 2], *found[-_MOST // 2 :]]
    middle = sorted(one.n_train for one in found)[len(found) // 2]
    tail = {one.name for one in found if one.n_train < _TAIL * middle}
    excluding = sum(one.gain.is_above or one.gain.is_below for one in found)
    level = found[0].gain.level
    title = verdict.arm(report.classes[0].arm).title
    caption = (
        f"Accuracy of {title} minus that of no mixing, with {100 * level:.4g} % intervals. {excluding} of {len(found)} "
        f"exclude zero; about {(1 - level) * len(found):.1f} would by chance alone."
    )
    caption += " Hatched: classes with few training images." if tail else ""
    caption += f" Only the {_MOST} outermost of {len(found)} classes are drawn." if len(shown) < len(found) else ""
    rows = [
        [
            one.name,
            str(one.n_train),
            str(one.n_test),
            f"{100 * one.reference:.1f}",
            f"{100 * one.accuracy:.1f}",
            points(one.gain.mean),
            f"{points(one.gain.low)} to {points(one.gain.high)}",
        ]
        for one in reversed(found)
    ]
    head = ["class", "training images", "test images", "no mixing, %", "policy, %", "gain, points", "interval"]
    return View(caption, [Picture(_bars(shown, tail), "Gain of each class, sorted.")], Table(head, rows))


def _bars(shown: Sequence[ClassGain], tail: set[str]) -> Figure:
    made = figure(x="gain in test accuracy, points", height=_AROUND + _ROW * len(shown), legend=False)
    gains = [100 * one.gain.mean for one in shown]
    made.add_trace(
        Bar(
            x=gains,
            y=list(range(len(shown))),
            orientation="h",
            error_x={
                "array": [100 * one.gain.high - gain for one, gain in zip(shown, gains, strict=True)],
                "color": INK,
                "thickness": 1,
                "width": 3,
            },
            marker={
                "color": [GOOD if gain >= 0 else BAD for gain in gains],
                "opacity": 0.75,
                "pattern": {"shape": ["/" if one.name in tail else "" for one in shown]},
            },
            customdata=[one.n_test for one in shown],
            hovertemplate="%{x:+.2f} points on %{customdata} test images<extra></extra>",
        )
    )
    names = [wrapped(one.name) for one in shown]
    made.update_yaxes(tickvals=list(range(len(shown))), ticktext=names, range=[-0.6, len(shown) - 0.4])
    made.add_vline(x=0, line={"color": INK, "width": 1})
    return made
