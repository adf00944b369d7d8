"""What a search may claim: its best policy against no mixing, seed by seed, on images that nothing was chosen by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any, Literal

__all__ = ["MAX_SEEDS", "Comparison", "Finding"]

Finding = Literal["better", "no difference shown", "worse"]

# Two-sided 95 % quantiles of Student's t for 1, 2, 3 ... degrees of freedom, from any table.
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093,
)  # fmt: skip
MAX_SEEDS = len(_T95) + 1
"""More fresh seeds than this are not offered."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A policy and no mixing, both trained on the same fresh seeds.

    Args:
        policy: its title.
        seeds: at least one.
        own: test accuracy of the policy by seed, 0 to 1.
        none: likewise of no mixing.
        n_test: number of test images.

    Example:
        >>> found = Comparison(policy="mixup", seeds=(1, 2, 3), own=(0.9, 0.91, 0.92), none=(0.8, 0.8, 0.8), n_test=500)
        >>> found.finding, round(found.mean, 3)
        ('better', 0.11)
    """

    policy: str
    seeds: tuple[int, ...]
    own: tuple[float, ...]
    none: tuple[float, ...]
    n_test: int

    @property
    def differences(self) -> tuple[float, ...]:
        """The policy minus no mixing by seed."""
        return tuple(ours - theirs for ours, theirs in zip(self.own, self.none, strict=True))

    @property
    def mean(self) -> float:
        """Average difference."""
        return mean(self.differences)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the average difference (paired t); None for a single seed, which has no spread."""
        n = len(self.seeds)
        if n < 2:
            return None
        # Differences come in steps of one image; that all seeds agree exactly does not mean that there is no spread.
        spread = max(stdev(self.differences), 1 / self.n_test)
        half = _T95[n - 2] * spread / math.sqrt(n)
        return self.mean - half, self.mean + half

    @property
    def finding(self) -> Finding:
        """Better or worse only where the whole interval is on one side of zero."""
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return "no difference shown"
        return "better" if self.mean > 0 else "worse"

    def sentence(self) -> str:
        """Say it for people."""
        seeds = "1 fresh seed" if len(self.seeds) == 1 else f"{len(self.seeds)} fresh paired seeds"
        values = f"{self.policy} reaches {100 * mean(self.own):.2f} % and no mixing {100 * mean(self.none):.2f} %"
        return f"On {seeds} and {self.n_test} test images, {values}: {self.in_points()}; {_WORDS[self.finding]}."

    def in_points(self) -> str:
        """Say the difference with its interval."""
        text = f"{100 * self.mean:+.2f} points"
        if self.interval is None:
            return f"{text} (one seed has no interval)"
        return f"{text} (95 % interval {100 * self.interval[0]:+.2f} to {100 * self.interval[1]:+.2f})"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a policy file."""
        return {
            "kind": "paired fresh seeds",
            "finding": self.finding,
            "note": self.sentence(),
            "delta_test_top1": round(self.mean, 6),
            "interval_95": None if self.interval is None else [round(end, 6) for end in self.interval],
            "test_top1": round(mean(self.own), 6),
            "test_top1_no_mixing": round(mean(self.none), 6),
            "seeds": len(self.seeds),
            "test_images": self.n_test,
        }


_WORDS: dict[Finding, str] = {
    "better": "mixing helps",
    "no difference shown": "no difference is shown",
    "worse": "train without mixing",
}
