"""From trained arms to a verdict: validation chooses the winner, the test images say what it is worth.

`choose` sees validation only. `decide` is given the answers to the test images, of no more than three arms. How many
seeds there are is fixed before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any, Literal

from automix.verdict.scores import METRICS, Scores
from automix.verdict.statistics import Difference, paired_difference

__all__ = ["DEFAULT", "NO_MIXING", "Arm", "ArmResult", "Kind", "Subject", "Verdict", "arms_to_test", "choose", "decide"]

NO_MIXING = "none"
"""Name of the arm that does not mix."""
DEFAULT = "timm_default"
"""Name of the arm that a library mixes with unless it is told otherwise."""

Kind = Literal["helps", "no_difference", "do_not_mix"]

_DECIDES = METRICS[0]


@dataclass(frozen=True)
class Arm:
    """A policy trained on every seed.

    Attributes:
        name: identity among the arms; `NO_MIXING` and `DEFAULT` are looked for by name.
        title: the policy in a few words.
        val_top1: accuracy on validation by seed, 0 to 1.
        val_logloss: likewise, in nats.
    """

    name: str
    title: str
    val_top1: tuple[float, ...]
    val_logloss: tuple[float, ...]


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
    """

    data: str
    model: str
    epochs: int
    n_test: int
    seeds: tuple[int, ...]
    opened: int = 1


@dataclass(frozen=True)
class ArmResult:
    """An arm as a verdict shows it; what was not looked at is empty.

    Attributes:
        name: of the arm.
        title: the policy in a few words.
        val_top1: accuracy on validation by seed.
        test: metric -> value by seed; see `automix.verdict.scores.METRICS`.
    """

    name: str
    title: str
    val_top1: tuple[float, ...]
    test: Mapping[str, tuple[float, ...]]


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
    def gain(self) -> Difference | None:
        """The winner's accuracy minus that of no mixing; None where no mixing is the winner."""
        return self.to_none.get(_DECIDES)

    def arm(self, name: str) -> ArmResult:
        """Return an arm by name."""
        return next(arm for arm in self.arms if arm.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Verdict:
        """Read what `to_dict` wrote, through JSON or not."""
        subject = Subject(**{**values["subject"], "seeds": tuple(values["subject"]["seeds"])})
        arms = tuple(
            ArmResult(
                name=arm["name"],
                title=arm["title"],
                val_top1=tuple(arm["val_top1"]),
                test={name: tuple(by_seed) for name, by_seed in arm["test"].items()},
            )
            for arm in values["arms"]
        )
        to_none, to_default = (
            {name: Difference(**one) for name, one in values[key].items()} for key in ("to_none", "to_default")
        )
        return cls(values["kind"], subject, values["winner"], arms, to_none, to_default)


def choose(arms: Sequence[Arm]) -> Arm:
    """Return the arm with the best mean accuracy on validation; equal ones by log-loss, then in the order given."""
    return max(arms, key=lambda arm: (mean(arm.val_top1), -mean(arm.val_logloss)))


def arms_to_test(arms: Sequence[Arm]) -> list[str]:
    """Name the arms that the test images are opened for: winner, no mixing, library default; at most three."""
    known = {arm.name for arm in arms}
    return [name for name in dict.fromkeys((choose(arms).name, NO_MIXING, DEFAULT)) if name in known]


def decide(subject: Subject, arms: Sequence[Arm], answers: Mapping[str, Scores]) -> Verdict:
    """Come to a verdict.

    Args:
        subject: what it speaks of.
        arms: everything that was trained, no mixing among them, on the same two or more seeds.
        answers: arm -> what its models answered to the test images, for those that `arms_to_test` names.
    """
    winner = choose(arms).name
    to_none = _compare(answers, winner, NO_MIXING)
    ranked = sorted(arms, key=lambda arm: -mean(arm.val_top1))
    return Verdict(
        kind=_kind(to_none),
        subject=subject,
        winner=winner,
        arms=tuple(_result(arm, answers.get(arm.name)) for arm in ranked),
        to_none=to_none,
        to_default=_compare(answers, winner, DEFAULT),
    )


def _kind(to_none: Mapping[str, Difference]) -> Kind:
    """Let accuracy decide; only an interval that is wholly above zero is a gain."""
    if not to_none or to_none[_DECIDES].is_below:
        return "do_not_mix"
    return "helps" if to_none[_DECIDES].is_above else "no_difference"


def _compare(answers: Mapping[str, Scores], winner: str, other: str) -> dict[str, Difference]:
    if other == winner or other not in answers:
        return {}
    ours, theirs = answers[winner].terms, answers[other].terms
    return {name: paired_difference(ours[name], theirs[name]) for name in METRICS}


def _result(arm: Arm, scores: Scores | None) -> ArmResult:
    test = {} if scores is None else {name: scores.by_seed(name) for name in METRICS}
    return ArmResult(arm.name, arm.title, arm.val_top1, test)
