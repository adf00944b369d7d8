"""A verdict in sentences, the same everywhere, and in the few numbers that a policy file holds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Any

from automix.goal import ACCURACY, Goal
from automix.verdict.decision import DEFAULT, NO_MIXING, Verdict
from automix.verdict.statistics import Difference, level_of

__all__ = ["advice", "details", "record", "sentence"]


def sentence(verdict: Verdict) -> str:
    """Say what was found, of what, and how sure it is."""
    return f"{_subject(verdict)}: {_finding(verdict)}"


def details(verdict: Verdict) -> list[str]:
    """Say what else was measured: against the library default, the other metrics, and what to be wary of."""
    lines = []
    goal = verdict.goal
    if verdict.to_default:
        title = "No mixing" if verdict.winner == NO_MIXING else verdict.arm(verdict.winner).title
        judged = _judged(verdict.to_default[goal.key], goal)
        lines.append(f"{title} against the library default ({DEFAULT}): {judged}.")
    if verdict.to_none:
        lines += _other_metrics(verdict)
    if verdict.gain is not None and not verdict.gain.is_by_image:
        lines.append(
            f"The interval of {goal.title} rests on {len(verdict.subject.seeds)} seeds alone: it is one number per "
            "model, so that images cannot be paired."
        )
    if verdict.subject.opened > 1:
        lines.append(
            f"The test images have been looked at {verdict.subject.opened} times in this study. A later look must be "
            f"surer: its intervals are of {100 * level_of(verdict.subject.opened):.4g} %."
        )
    return [*lines, *verdict.subject.warnings]


def advice(verdict: Verdict) -> str:
    """Say what the policy file holds, and why."""
    if verdict.kind == "helps":
        return "policy.yaml is this policy."
    if verdict.kind == "no_difference":
        return "policy.yaml is no mixing, the simpler choice; candidate.yaml is the policy that was compared."
    return "policy.yaml is no mixing."


def record(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as a policy file holds it: plain values, shares and nats."""
    means = {name: round(mean(by_seed), 6) for name, by_seed in verdict.arm(verdict.winner).test.items()}
    none = {name: round(mean(by_seed), 6) for name, by_seed in verdict.arm(NO_MIXING).test.items()}
    values = {
        "kind": verdict.kind,
        "statement": sentence(verdict),
        "remarks": details(verdict),
        "goal": verdict.subject.goal,
        "metric": _measured(verdict),
        "winner": verdict.arm(verdict.winner).title,
        "seeds": len(verdict.subject.seeds),
        "test_images": verdict.subject.n_test,
        "test_images_opened": verdict.subject.opened,
        "level": round(level_of(verdict.subject.opened), 6),
        "test": means,
        "test_no_mixing": none,
    }
    if verdict.gain is not None:
        values |= {"gain": _numbers(verdict.gain), "smallest_gain_seen": round(verdict.gain.smallest, 6)}
        values["to_no_mixing"] = {name: _numbers(one) for name, one in verdict.to_none.items()}
    if verdict.to_default:
        values["to_library_default"] = {name: _numbers(one) for name, one in verdict.to_default.items()}
    return values


def _numbers(difference: Difference) -> list[float]:
    """Mean, low and high."""
    return [round(value, 6) for value in (difference.mean, difference.low, difference.high)]


def _subject(verdict: Verdict) -> str:
    of = verdict.subject
    return f"{of.data}, {of.model}, {of.epochs} epochs, {len(of.seeds)} fresh seeds, {_measured(verdict, of.n_test)}"


def _measured(verdict: Verdict, n_test: int | None = None) -> str:
    """Say what decides, and on what it was measured."""
    goal = verdict.goal
    number = "" if n_test is None else f"{n_test} "
    return f"{goal.title} on {number}test images" if goal.is_quality else goal.title


def _finding(verdict: Verdict) -> str:
    reference = f"no mixing {_level(verdict, NO_MIXING)}"
    gain, goal = verdict.gain, verdict.goal
    if gain is None:
        return f"do not mix. Of {len(verdict.arms)} policies, no mixing was the best on validation; {reference}."
    title = verdict.arm(verdict.winner).title
    compared = f"{title} {_level(verdict, verdict.winner)}, {reference}: {gain.text(goal)}"
    if verdict.kind == "helps":
        return f"mixing helps. {compared}."
    if verdict.kind == "do_not_mix":
        return f"do not mix. The best policy on validation loses on test: {compared}."
    return (
        f"no difference found. {compared}. A gain of {goal.change(gain.smallest, signed=False)} would have been found "
        "in 8 of 10 such comparisons; a smaller one may be there."
    )


def _other_metrics(verdict: Verdict) -> list[str]:
    """Say accuracy, log-loss and calibration against no mixing, but for what has been said as the goal."""
    lines = []
    if verdict.goal != ACCURACY:
        lines.append(f"Accuracy against no mixing: {verdict.to_none[ACCURACY.key].text(ACCURACY)}.")
    loss, calm = (_nats(verdict.to_none[name]) for name in ("logloss", "logloss_tempered"))
    lines.append(f"Log-loss against no mixing: {loss}; after temperature scaling on validation: {calm}.")
    before, after = (_levels(verdict, name) for name in ("ece", "ece_tempered"))
    return [*lines, f"Calibration error: {before}; after temperature scaling: {after}."]


def _level(verdict: Verdict, name: str) -> str:
    return verdict.goal.text(mean(verdict.arm(name).test[verdict.goal.key]))


def _levels(verdict: Verdict, metric: str) -> str:
    """Give a share for winner and no mixing."""
    ours, theirs = (100 * mean(verdict.arm(name).test[metric]) for name in (verdict.winner, NO_MIXING))
    return f"{ours:.2f} % against {theirs:.2f} % without mixing"


def _judged(difference: Difference, goal: Goal) -> str:
    words: Sequence[str] = ("no difference found", "better", "worse")
    sign = difference.is_above - difference.is_below
    return f"{difference.text(goal)}, {words[sign if goal.maximize else -sign]}"


def _nats(difference: Difference) -> str:
    return f"{difference.mean:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
