"""From trained arms to a verdict: validation chooses the winner, the test images say what it is worth.

`choose` sees validation only. `decide` is given the answers to the test images, of no more than three arms. How many
seeds there are is fixed before; a study that gets more of them pays for the second look (`level_of`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any, Literal

from automix.goal import ACCURACY, Goal, goal_of
from automix.verdict.scores import Scores
from automix.verdict.statistics import Difference, level_of, paired_difference

__all__ = ["DEFAULT", "NO_MIXING", "Arm", "ArmResult", "Kind", "Subject", "Verdict", "arms_to_test", "choose", "decide"]

NO_MIXING = "none"
"""Name of the arm that does not mix."""
DEFAULT = "timm_default"
"""Name of the arm that a library mixes with unless it is told otherwise."""

Kind = Literal["helps", "no_difference", "do_not_mix"]


@dataclass(frozen=True)
class Arm:
    """A policy trained on every seed.

    Attributes:
        name: identity among the arms; `NO_MIXING` and `DEFAULT` are looked for by name.
        title: the policy in a few words.
        val: metric -> value on validation by seed: "top1", "logloss" and the goal's, named by `Goal.key`.
    """

    name: str
    title: str
    val: Mapping[str, tuple[float, ...]]

    def worth(self, goal: Goal) -> tuple[float, float]:
        """Return what sorts arms, best last: the goal's mean over seeds, then log-loss."""
        return goal.sort_key(mean(self.val[goal.key])), -mean(self.val["logloss"])


@dataclass(frozen=True)
class Subject:
    """What a verdict speaks of.

    Attributes:
        data: name of the data set.
        model: timm name.
        epochs: of each training.
        n_test: number of test images.
        seeds: that each arm was trained with.
        opened: how many times the study has looked at its test images, this one included.
        goal: what decides, as `automix.goal.goal_of` reads it.
        warnings: where the study speaks of another regime than the training that is meant.
    """

    data: str
    model: str
    epochs: int
    n_test: int
    seeds: tuple[int, ...]
    opened: int = 1
    goal: str = ACCURACY.name
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArmResult:
    """An arm as a verdict shows it; what was not looked at is empty.

    Attributes:
        name: of the arm.
        title: the policy in a few words.
        val: metric -> value on validation by seed.
        test: metric -> value on test by seed; see `automix.verdict.scores.METRICS`.
    """

    name: str
    title: str
    val: Mapping[str, tuple[float, ...]]
    test: Mapping[str, tuple[float, ...]]

    @property
    def val_top1(self) -> tuple[float, ...]:
        """Accuracy on validation by seed."""
        return self.val[ACCURACY.key]


@dataclass(frozen=True)
class Verdict:
    """What a search may claim.

    Attributes:
        kind: "helps", "no_difference" or "do_not_mix".
        subject: what it speaks of.
        winner: name of the arm that validation chose.
        arms: all that were trained, best on validation first.
        to_none: metric -> the winner minus no mixing; empty where no mixing is the winner.
        to_default: metric -> the winner minus the library default; empty where that is the winner or was not trained.
    """

    kind: Kind
    subject: Subject
    winner: str
    arms: tuple[ArmResult, ...]
    to_none: Mapping[str, Difference]
    to_default: Mapping[str, Difference]

    @property
    def goal(self) -> Goal:
        """What decides."""
        return goal_of(self.subject.goal)

    @property
    def gain(self) -> Difference | None:
        """What the winner reached of the goal minus what no mixing did; None where no mixing is the winner."""
        return self.to_none.get(self.goal.key)

    def arm(self, name: str) -> ArmResult:
        """Return an arm by name."""
        return next(arm for arm in self.arms if arm.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Verdict:
        """Read what `to_dict` wrote, through JSON or not."""
        lists = {name: tuple(values["subject"][name]) for name in ("seeds", "warnings")}
        subject = Subject(**{**values["subject"], **lists})
        arms = tuple(
            ArmResult(arm["name"], arm["title"], _tuples(arm["val"]), _tuples(arm["test"])) for arm in values["arms"]
        )
        to_none, to_default = (
            {name: Difference(**one) for name, one in values[key].items()} for key in ("to_none", "to_default")
        )
        return cls(values["kind"], subject, values["winner"], arms, to_none, to_default)


def choose(arms: Sequence[Arm], goal: Goal = ACCURACY) -> Arm:
    """Return the arm with the best mean on validation; equal ones by log-loss, then in the order given."""
    return max(arms, key=lambda arm: arm.worth(goal))


def arms_to_test(arms: Sequence[Arm], goal: Goal = ACCURACY) -> list[str]:
    """Name the arms that the test images are opened for: winner, no mixing, library default; at most three."""
    known = {arm.name for arm in arms}
    return [name for name in dict.fromkeys((choose(arms, goal).name, NO_MIXING, DEFAULT)) if name in known]


def decide(subject: Subject, arms: Sequence[Arm], answers: Mapping[str, Scores]) -> Verdict:
    """Come to a verdict.

    Args:
        subject: what it speaks of.
        arms: everything that was trained, no mixing among them, on the same two or more seeds.
        answers: arm -> what its models answered to the test images, for those that `arms_to_test` names.
    """
    goal = goal_of(subject.goal)
    winner = choose(arms, goal).name
    level = level_of(subject.opened)
    to_none = _compare(answers, winner, NO_MIXING, level)
    ranked = sorted(arms, key=lambda arm: arm.worth(goal), reverse=True)
    return Verdict(
        kind=_kind(to_none.get(goal.key), goal),
        subject=subject,
        winner=winner,
        arms=tuple(_result(arm, answers.get(arm.name)) for arm in ranked),
        to_none=to_none,
        to_default=_compare(answers, winner, DEFAULT, level),
    )


def _kind(difference: Difference | None, goal: Goal) -> Kind:
    """Let the goal decide; only an interval that is wholly on its better side of zero is a gain."""
    if difference is None:
        return "do_not_mix"
    if not (difference.is_above or difference.is_below):
        return "no_difference"
    return "helps" if difference.is_above == goal.maximize else "do_not_mix"


def _compare(answers: Mapping[str, Scores], winner: str, other: str, level: float) -> dict[str, Difference]:
    if other == winner or other not in answers:
        return {}
    ours, theirs = answers[winner].terms, answers[other].terms
    return {name: paired_difference(ours[name], theirs[name], level=level) for name in ours}


def _result(arm: Arm, scores: Scores | None) -> ArmResult:
    test = {} if scores is None else {name: scores.by_seed(name) for name in scores.terms}
    return ArmResult(arm.name, arm.title, arm.val, test)


def _tuples(values: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(by_seed) for name, by_seed in values.items()}
