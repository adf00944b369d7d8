"""A verdict as MLflow shows it, on the run of its study."""

from __future__ import annotations

from automix.tracking import keys
from automix.verdict.decision import Verdict

__all__ = ["tags_and_metrics"]


def tags_and_metrics(verdict: Verdict) -> tuple[dict[str, str], dict[str, float]]:
    """Return tags and metrics of the study's run."""
    tags = {keys.VERDICT: verdict.kind, keys.WINNER: verdict.arm(verdict.winner).title}
    gain = verdict.gain
    if gain is None:
        return tags, {}
    name = keys.GAIN + verdict.goal.key
    return tags, {name: gain.mean, name + keys.GAIN_LOW: gain.low, name + keys.GAIN_HIGH: gain.high}
