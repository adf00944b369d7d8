"""What a report is made from: plain data, filled in by whoever knows the study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from automix.goal import ACCURACY, Goal
from automix.verdict import Verdict

if TYPE_CHECKING:
    from automix.report.gallery import Strip
    from automix.report.lams import LamSample
    from automix.search.fidelity import RungCorrelation
    from automix.search.importance import Importance
    from automix.search.pareto import ParetoPoint
    from automix.verdict.classes import ClassGain

__all__ = ["Axis", "Noise", "StudyReport", "TrialRow", "axis_title", "shown"]

_UNITS = {"points": "%"}
_VERDICTS = {"helps": "Mixing helps", "no_difference": "No difference found", "do_not_mix": "Do not mix"}


@dataclass(frozen=True)
class Axis:
    """A searched parameter.

    Args:
        name: in the space.
        low: smallest number; None for choices.
        high: largest number; None for choices.
        log: whether it is searched on a logarithmic scale.
        choices: in the space's order; empty for numbers.
    """

    name: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Noise:
    """How much one training's result varies by chance.

    Args:
        sd: standard deviation, in the goal's own scale (shares, nats).
        source: what it was measured on, in words.
    """

    sd: float
    source: str


@dataclass(frozen=True)
class TrialRow:
    """One line of the leaderboard with its learning curve.

    Args:
        rank: from 1; 0 for trials that did not finish.
        slot: identity within the study.
        title: the policy in one short line.
        method: the mixer that has the greatest weight; a reference arm of many methods goes by its own name.
        state: complete, pruned, failed, running or lost.
        value: what it reached in the study's goal; None before the first epoch.
        arm: name of the reference arm, empty for what the sampler proposed.
        metrics: metric -> value after the last epoch, keys as in `automix.tracking.keys`.
        delta: difference in validation accuracy to no mixing, 0 to 1; None where that did not finish.
        params: searched parameter -> value.
        curves: metric -> value after each finished epoch.
        error: why it failed, one line.
    """

    rank: int
    slot: int
    title: str
    method: str
    state: str
    value: float | None = None
    arm: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    delta: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    error: str = ""

    @property
    def is_pruned(self) -> bool:
        """Whether it was ended early."""
        return self.state == "pruned"

    @property
    def epochs(self) -> int:
        """Finished epochs."""
        return max(map(len, self.curves.values()), default=0)


@dataclass(frozen=True)
class StudyReport:
    """Everything that a report shows. What is empty was not measured; its panel says so.

    Args:
        study: its name.
        headline: the result in one sentence.
        remarks: what the sentence does not say, a paragraph each.
        facts: label -> value (data, model, budget, augmentation, versions ...).
        trials: in the order of the leaderboard.
        goal: what ranks.
        verdict: what fresh seeds and test images gave.
        noise: how much one training varies in the goal.
        parameters: what was searched.
        importance: what the goal depended on, over all trials and within the winner's method.
        costs: what each trial reached and its processor time per epoch, with those marked that none beats in both.
        classes: the winner's gain by class.
        rungs: how well early results told the end.
        lams: ratio asked for against what came of it, by policy.
        strips: the same pairs at several lam, by method.
        cost_note: what was estimated and what it took.
        space: rows of the search space's table.
        left_out: (name, reason) of what could not take part.
        policy_yaml: the winner, as written to the file.
        usage: label -> lines to copy.
        notes: remarks on data and run.
        problems: panel -> why its data could not be gathered.
    """

    study: str
    headline: str
    remarks: Sequence[str]
    facts: Mapping[str, str]
    trials: Sequence[TrialRow]
    goal: Goal = ACCURACY
    verdict: Verdict | None = None
    noise: Noise | None = None
    parameters: Sequence[Axis] = ()
    importance: Importance | None = None
    costs: Sequence[ParetoPoint] = ()
    classes: Sequence[ClassGain] = ()
    rungs: Sequence[RungCorrelation] = ()
    lams: Sequence[LamSample] = ()
    strips: Sequence[Strip] = ()
    cost_note: str = ""
    space: Sequence[Mapping[str, Any]] = ()
    left_out: Sequence[tuple[str, str]] = ()
    policy_yaml: str = ""
    usage: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict_words(self) -> str:
        """The verdict in a few words."""
        return "No verdict yet" if self.verdict is None else _VERDICTS[self.verdict.kind]

    @property
    def axis(self) -> str:
        """The goal with its unit, for an axis."""
        return axis_title(self.goal)

    def level(self, trial: TrialRow) -> float:
        """Return a trial's value in the unit of `axis`; NaN where it has none."""
        return math.nan if trial.value is None else shown(self.goal, trial.value)

    @property
    def ranked(self) -> list[TrialRow]:
        """The trials that have a value of the goal, best first, pruned ones last."""
        return [trial for trial in self.trials if not math.isnan(self.level(trial)) and trial.state != "failed"]

    @property
    def complete(self) -> list[TrialRow]:
        """Those of them that trained to the end."""
        return [trial for trial in self.ranked if trial.rank]

    @property
    def methods(self) -> list[str]:
        """The methods that have a value, best first."""
        return list(dict.fromkeys(trial.method for trial in self.ranked))

    def arm(self, name: str) -> TrialRow | None:
        """Return a reference arm that trained to the end."""
        return next((trial for trial in self.complete if trial.arm == name), None)


def shown(goal: Goal, value: float) -> float:
    """Return a value in the unit in which it is drawn: shares in per cent."""
    return 100 * value if goal.unit == "points" else value


def axis_title(goal: Goal, on: str = "validation ") -> str:
    """Name a goal with its unit, for an axis.

    Example:
        >>> axis_title(ACCURACY)
        'validation accuracy, %'
    """
    title = f"{on}{goal.title}" if goal.is_quality else goal.title
    unit = _UNITS.get(goal.unit, goal.unit)
    return f"{title}, {unit}" if unit else title
