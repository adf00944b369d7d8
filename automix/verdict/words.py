"""A verdict in sentences, the same everywhere, and in the few numbers that a policy file holds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Any

from automix.verdict.decision import DEFAULT, NO_MIXING, Verdict
from automix.verdict.statistics import LEVEL, Difference

__all__ = ["advice", "details", "record", "sentence"]


def sentence(verdict: Verdict) -> str:
    """Say what was found, of what, and how sure it is."""
    return f"{_subject(verdict)}: {_finding(verdict)}"


def details(verdict: Verdict) -> list[str]:
    """Say what else was measured: against the library default, log-loss, calibration, and what to be wary of."""
    lines = []
    if verdict.to_default:
        title = "No mixing" if verdict.winner == NO_MIXING else verdict.arm(verdict.winner).title
        lines.append(f"{title} against the library default ({DEFAULT}): {_judged(verdict.to_default['top1'])}.")
    if verdict.to_none:
        loss, calm = verdict.to_none["logloss"], verdict.to_none["logloss_tempered"]
        lines.append(
            f"Log-loss against no mixing: {_nats(loss)}; after temperature scaling on validation: {_nats(calm)}."
        )
        before, after = (_levels(verdict, name) for name in ("ece", "ece_tempered"))
        lines.append(f"Calibration error: {before}; after temperature scaling: {after}.")
    if verdict.subject.opened > 1:
        lines.append(
            f"The test images have been looked at {verdict.subject.opened} times in this study; the interval holds for "
            "the first look."
        )
    return lines


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
        "metric": "accuracy on test images",
        "winner": verdict.arm(verdict.winner).title,
        "seeds": len(verdict.subject.seeds),
        "test_images": verdict.subject.n_test,
        "test_images_opened": verdict.subject.opened,
        "level": LEVEL,
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
    return (
        f"{of.data}, {of.model}, {of.epochs} epochs, {len(of.seeds)} fresh seeds, accuracy on {of.n_test} test images"
    )


def _finding(verdict: Verdict) -> str:
    reference = f"no mixing {_percent(verdict, NO_MIXING)}"
    gain = verdict.gain
    if gain is None:
        return f"do not mix. Of {len(verdict.arms)} policies, no mixing was the best on validation; {reference}."
    title = verdict.arm(verdict.winner).title
    compared = f"{title} {_percent(verdict, verdict.winner)}, {reference}: {gain.in_points()}"
    if verdict.kind == "helps":
        return f"mixing helps. {compared}."
    if verdict.kind == "do_not_mix":
        return f"do not mix. The best policy on validation loses on test: {compared}."
    return (
        f"no difference found. {compared}. A gain of {100 * gain.smallest:.1f} points would have been found in 8 of 10 "
        "such comparisons; a smaller one may be there."
    )


def _percent(verdict: Verdict, name: str) -> str:
    return f"{100 * mean(verdict.arm(name).test['top1']):.2f} %"


def _levels(verdict: Verdict, metric: str) -> str:
    """Give a share for winner and no mixing."""
    ours, theirs = (100 * mean(verdict.arm(name).test[metric]) for name in (verdict.winner, NO_MIXING))
    return f"{ours:.2f} % against {theirs:.2f} % without mixing"


def _judged(difference: Difference) -> str:
    words: Sequence[str] = ("no difference found", "better", "worse")
    return f"{difference.in_points()}, {words[difference.is_above - difference.is_below]}"


def _nats(difference: Difference) -> str:
    return f"{difference.mean:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
