"""What a report is made from: plain data, filled in by whoever knows the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automix.verdict import Verdict

__all__ = ["CurvePoint", "StudyReport", "TrialRow"]


@dataclass(frozen=True)
class CurvePoint:
    """One epoch of one trial.

    Args:
        epoch: from 1.
        top1: validation accuracy, 0 to 1.
        logloss: validation log-loss, nats.
    """

    epoch: int
    top1: float
    logloss: float


@dataclass(frozen=True)
class TrialRow:
    """One line of the leaderboard with its learning curve.

    Args:
        rank: from 1; 0 for trials that did not finish.
        slot: identity within the study.
        title: the policy in one short line.
        method: the mixer (or mixers, joined with +).
        state: complete, pruned, failed, cached, running or waiting.
        arm: name of the reference arm, empty for what the sampler proposed.
        metrics: metric -> value, keys as in `automix.tracking.keys`.
        delta: difference in validation accuracy to no mixing, 0 to 1; None where that did not finish.
        params: searched parameter -> value.
        curve: epochs so far.
        error: why it failed, one line.
    """

    rank: int
    slot: int
    title: str
    method: str
    state: str
    arm: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    delta: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    curve: Sequence[CurvePoint] = ()
    error: str = ""


@dataclass(frozen=True)
class StudyReport:
    """Everything that a report shows.

    Args:
        study: its name.
        headline: the result in one sentence.
        remarks: what the sentence does not say, a paragraph each.
        facts: label -> value, for the table on top (data, model, budget, augmentation, versions ...).
        trials: in the order of the leaderboard.
        verdict: what fresh seeds and test images gave.
        metric: key of the metric that ranks.
        space: rows of the search space's table.
        left_out: (name, reason) of what could not take part.
        policy_yaml: the winner, as written to the file.
        usage: label -> lines to copy.
        images: label -> PNG (contact sheets).
        notes: remarks on data and run.
    """

    study: str
    headline: str
    remarks: Sequence[str]
    facts: Mapping[str, str]
    trials: Sequence[TrialRow]
    verdict: Verdict | None = None
    metric: str = "val/top1"
    space: Sequence[Mapping[str, Any]] = ()
    left_out: Sequence[tuple[str, str]] = ()
    policy_yaml: str = ""
    usage: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, bytes] = field(default_factory=dict)
    notes: Sequence[str] = ()
