"""What a search is after: a metric, which way is better, and how its values are said.

A goal is data. Whatever ranks, prunes, chooses or decides asks the study's goal, so that a new one is a line in `GOALS`
or a plugin's metric, and no code elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from types import MappingProxyType
from typing import Literal

from automix.errors import unknown_name
from automix.tracking import keys

__all__ = ["ACCURACY", "GOALS", "Goal", "goal_of", "measures_of"]

Unit = Literal["points", "nats", "images/s", ""]
"""Of differences. Shares are said in per cent, and their differences in points."""
_FORMATS: Mapping[Unit, tuple[int, int]] = {"points": (100, 2), "nats": (1, 4), "images/s": (1, 0), "": (1, 4)}
"""Unit -> what values are multiplied by, and digits after the point."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A metric that a search makes as good as it can.

    Attributes:
        name: what ``--goal`` takes, and what `goal_of` reads.
        metric: its key in an epoch's row.
        maximize: whether more is better.
        unit: of differences.
        title: for people.
        over: which epochs count: the last one, which is the trained model, or the median of all, for what varies with
            the machine's mood.
    """

    name: str
    metric: str
    maximize: bool
    unit: Unit
    title: str
    over: Literal["last", "median"] = "last"

    @property
    def key(self) -> str:
        """The metric without its group, as the verdict names it: "top1" for "val/top1"."""
        return self.metric.partition("/")[2]

    @property
    def is_quality(self) -> bool:
        """Whether it says how good the model is, and not what it costs."""
        return self.metric.startswith("val/")

    def value(self, curve: Sequence[Mapping[str, float]]) -> float:
        """Return what a trial has reached after the epochs of ``curve``; NaN before the first, or where unknown."""
        rows = curve[-1:] if self.over == "last" else curve
        values = [row[self.metric] for row in rows if self.metric in row]
        return median(values) if values else math.nan

    def sort_key(self, value: float) -> float:
        """Turn a value so that more is better; NaN, as of a diverged log-loss, is worse than everything.

        Example:
            >>> GOALS["log_loss"].sort_key(0.5), ACCURACY.sort_key(float("nan"))
            (-0.5, -inf)
        """
        if math.isnan(value):
            return -math.inf
        return value if self.maximize else -value

    def better(self, value: float, other: float) -> bool:
        """Return whether a value is better than another one."""
        return self.sort_key(value) > self.sort_key(other)

    def gain(self, difference: float) -> float:
        """Turn a difference so that above zero is better."""
        return difference if self.maximize else -difference

    @property
    def value_unit(self) -> str:
        """Unit of values; shares are said in per cent."""
        return {"points": "%", "images/s": "images/s"}.get(self.unit, "")

    def text(self, value: float, *, with_unit: bool = True) -> str:
        """Say a value.

        Example:
            >>> ACCURACY.text(0.9231), GOALS["log_loss"].text(0.412), GOALS["images_per_s"].text(1830.4)
            ('92.31 %', '0.4120', '1830 images/s')
        """
        scale, digits = _FORMATS[self.unit]
        number = f"{scale * value:.{digits}f}"
        return f"{number} {self.value_unit}" if with_unit and self.value_unit else number

    def change(self, difference: float, *, signed: bool = True, with_unit: bool = True) -> str:
        """Say a difference of two values.

        Example:
            >>> ACCURACY.change(0.021), GOALS["log_loss"].change(-0.03), ACCURACY.change(0.021, signed=False)
            ('+2.10 points', '-0.0300 nats', '2.10 points')
        """
        scale, digits = _FORMATS[self.unit]
        number = f"{scale * difference:{'+' if signed else ''}.{digits}f}"
        return f"{number} {self.unit}" if with_unit and self.unit else number


ACCURACY = Goal(name="accuracy", metric=keys.VAL_TOP1, maximize=True, unit="points", title="accuracy")

GOALS: Mapping[str, Goal] = MappingProxyType(
    {
        goal.name: goal
        for goal in (
            ACCURACY,
            Goal(
                name="balanced_accuracy",
                metric=keys.VAL_BALANCED_TOP1,
                maximize=True,
                unit="points",
                title="balanced accuracy",
            ),
            Goal(name="log_loss", metric=keys.VAL_LOGLOSS, maximize=False, unit="nats", title="log-loss"),
            Goal(name="calibration", metric=keys.VAL_ECE, maximize=False, unit="points", title="calibration error"),
            Goal(
                name="robustness",
                metric=keys.VAL_ROBUSTNESS,
                maximize=True,
                unit="points",
                title="accuracy on corrupted images",
            ),
            Goal(
                name="images_per_s",
                metric=keys.COST_IMAGES_PER_S,
                maximize=True,
                unit="images/s",
                title="training speed",
                over="median",
            ),
        )
    }
)
"""What ``--goal`` takes; beside these, every metric of a plugin."""


def measures_of(goal: Goal) -> tuple[Goal, ...]:
    """Return what tells early how a trial will do: the goal and, where that is about quality, accuracy and log-loss."""
    return tuple(dict.fromkeys([goal, ACCURACY, GOALS["log_loss"]])) if goal.is_quality else (goal,)


_DIRECTIONS = {"max": True, "min": False}


def goal_of(name: str, metrics: Mapping[str, object] = MappingProxyType({})) -> Goal:
    """Return a goal by its name.

    Args:
        name: one of `GOALS`; a plugin's metric; or ``min:METRIC`` and ``max:METRIC``, which say which way is better
            and need not be looked up. A goal made from a plugin's metric has a name of that form.
        metrics: functions of plugins by name. One with an attribute ``maximize`` that is False is better where it is
            smaller.

    Raises:
        UnknownNameError: nothing has that name.

    Example:
        >>> goal_of("log_loss").metric, goal_of("min:brier").metric
        ('val/logloss', 'val/brier')
    """
    if name in GOALS:
        return GOALS[name]
    direction, _, metric = name.rpartition(":")
    if not direction and metric in metrics:
        direction = "max" if getattr(metrics[metric], "maximize", True) else "min"
    if direction not in _DIRECTIONS or not metric:
        raise unknown_name("goal", name, [*GOALS, *metrics], "--goal")
    return Goal(
        name=f"{direction}:{metric}", metric=f"val/{metric}", maximize=_DIRECTIONS[direction], unit="", title=metric
    )
