"""What the controls say, as tables: by control, by search, and how the announced gains held on other seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from _tables import machine, table, write_between
from scipy.stats import beta, t

__all__ = ["lines", "write_report"]

Record = Mapping[str, Any]

_AIM = 0.05
"""Of the positive control: by how much mixing must win."""
_EXPECTED = {
    "positive": "`helps`, by more than 5 points",
    "negative": "not `helps`",
    "null": "not `helps`",
    "regime": "short: not `helps`; long: mixing",
    "noisy": "`helps`",
}


def write_report(records: Sequence[Record], root: Path | None) -> None:
    """Print the tables; with the root of the project, write them into docs/controls.md and the figures beside it."""
    text = lines(records)
    print("\n" + "\n".join(text))
    if root is not None:
        write_between(root / "docs" / "controls.md", "results", text)
        data = root / "benchmarks" / "data" / "controls.json"
        data.parent.mkdir(exist_ok=True)
        data.write_text(json.dumps({"machine": machine(), "searches": records}, indent=1) + "\n", encoding="utf-8")


def lines(records: Sequence[Record]) -> list[str]:
    """Return the tables as lines of Markdown."""
    minutes = sum(one["cpu_s"] for one in records) / 60
    dates, commits = (sorted({one[key] for one in records}) for key in ("date", "commit"))
    head = (
        f"{len(records)} searches, {minutes:.0f} min of processor time, {_range(dates)}, {machine().partition(', ')[2]}"
    )
    parts = [[f"{head}, automix {', '.join(commits)}."], _by_control(records), _by_search(records)]
    parts += [part(records) for part in (_chance, _null, _regime, _replication)]
    return [line for part in parts if part for line in ["", *part]][1:]


def _by_control(records: Sequence[Record]) -> list[str]:
    body = []
    for name, expected in _EXPECTED.items():
        own = [one for one in records if one["control"] == name]
        if own:
            kinds = [one["kind"] for one in own]
            counts = ", ".join(f"{kinds.count(kind)} `{kind}`" for kind in sorted(set(kinds)))
            body.append([name, str(len(own)), expected, counts, _spread([_gain(one) for one in own if _gain(one)])])
    return table(["control", "searches", "expected", "verdicts", "gain where a mixing policy won, points (sd)"], body)


def _by_search(records: Sequence[Record]) -> list[str]:
    body = []
    for one in records:
        again = one["replication"]
        winner, none = one["arms"][one["winner"]], one["arms"]["none"]
        body.append(
            [
                one["name"],
                winner["title"],
                f"{mean(none['top1']):.1%}",
                _points(_interval(one)) if one["to_none"] else "",
                f"`{one['kind']}`",
                "" if again is None else _points(again["gain"]),
            ]
        )
    head = ["search", "winner on validation", "no mixing, test", "gain, points", "verdict", "on fresh seeds again"]
    return table(head, body)


def _chance(records: Sequence[Record]) -> list[str]:
    """Say how often the positive control would fail by chance."""
    gains = [_gain(one) for one in records if one["control"] == "positive"]
    if len(gains) < 3:
        return []
    n, spread = len(gains), stdev(gains)
    fails = t.cdf((_AIM - mean(gains)) / (spread * math.sqrt(1 + 1 / n)), n - 1)
    return [
        f"Positive control: the gain is {_spread(gains)} points over {n} searches with data, splits and seeds of their "
        f"own. One more search would stay below 5 points with a probability of {fails:.1%} (t distribution with "
        f"{n - 1} degrees of freedom)."
    ]


def _null(records: Sequence[Record]) -> list[str]:
    """Say how many wins were announced where there is no difference, and whether there is none."""
    own = [one for one in records if one["control"] == "null"]
    if len(own) < 3:
        return []
    wins, n = sum(one["kind"] == "helps" for one in own), len(own)
    limit = beta.ppf(0.95, wins + 1, n - wins) if wins < n else 1.0
    differences = [_difference(one, "top1") for one in own]
    return [
        f"Null: {wins} of {n} searches announced a win, which leaves up to {limit:.0%} (Clopper-Pearson, one-sided "
        f"95 %). `timm_default` minus no mixing on test is {_spread(differences)} points over the searches, three "
        f"seeds each, with a standard error of {100 * stdev(differences) / math.sqrt(n):.2f}."
    ]


def _regime(records: Sequence[Record]) -> list[str]:
    """Compare a mixing policy with no mixing in both regimes: the same policy, so that the sign can be seen."""
    own = [one for one in records if one["control"] == "regime"]
    body = [
        [
            f"{one['options']['limit']} x {one['options']['epochs']} epochs",
            f"{100 * _difference(one, 'top1'):+.2f}",
            f"{_difference(one, 'logloss'):+.3f}",
            one["arms"][one["winner"]]["title"],
            f"`{one['kind']}`",
        ]
        for one in own
    ]
    head = ["CIFAR-10", "`timm_default` - no mixing, points", "in log-loss, nats", "winner", "verdict"]
    warned = [f"- {one['name']}: {line}" for one in own for line in one["warnings"]]
    told = ["", "What the tool says to it:", "", *warned] if warned else []
    return [*table(head, body), *told] if own else []


def _replication(records: Sequence[Record]) -> list[str]:
    """Say how many announced gains held, and what was left of them."""
    own = [one for one in records if one["replication"]]
    if not own:
        return []
    held = sum(one["replication"]["holds"] for one in own)
    inside = sum(_interval(one)[1] <= one["replication"]["gain"][0] <= _interval(one)[2] for one in own)
    kept = [one["replication"]["gain"][0] - _gain(one) for one in own]
    return [
        f"Replication: of {len(own)} announced gains {held} held on {own[0]['replication']['seeds']} seeds that "
        f"neither search nor verdict had used (the interval of those seeds alone is above zero), {inside} with a gain "
        f"inside the announced interval. The second gain minus the first is {_spread(kept)} points."
    ]


def _interval(record: Record) -> Sequence[float]:
    """Return mean, low and high of the winner's gain on test."""
    found = record["to_none"]["top1"]
    return found["mean"], found["low"], found["high"]


def _gain(record: Record) -> float:
    """Return the winner's gain on test; 0 where no mixing won."""
    return _interval(record)[0] if record["to_none"] else 0.0


def _difference(record: Record, metric: str) -> float:
    arms = record["arms"]
    return float(mean(arms["timm_default"][metric]) - mean(arms["none"][metric]))


def _points(interval: Sequence[float]) -> str:
    middle, low, high = (100 * value for value in interval)
    return f"{middle:+.2f} ({low:+.2f} to {high:+.2f})"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{100 * mean(values):+.2f}" + (f" ({100 * stdev(values):.2f})" if len(values) > 1 else "")


def _range(dates: Sequence[str]) -> str:
    return dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
