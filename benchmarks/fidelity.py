"""What a small budget tells about the large one, and which way to spend a search's compute finds the best policy.

Run `python benchmarks/fidelity.py` (about a minute); it reads the trial bank, `benchmarks/data/`. For each data set:

- how well the order of policies at a small budget agrees with the order at the full one (Spearman), by kind of budget
  and by metric; the agreement of two seeds at the full budget is the most that can be hoped for;
- whether the small budget is biased: the share of mixing policies that beat no mixing, small and full;
- the regret at equal compute of ways to spend it on policies in random order: by how much the best of the three that
  come out first, which would be confirmed on fresh seeds, falls behind the best of all. A policy counts as much as the
  surrogate expects of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from surrogate import Surrogate
from trials_bank import DATA, Bank, Job, Trained

from automix.search.pruning import Peer, is_due, should_prune
from automix.tracking.keys import VAL_LOGLOSS, VAL_TOP1

__all__ = ["WAYS", "Pool", "Spent", "halve", "screen", "train_all"]

Array = NDArray[np.float64]

_BUDGETS = (8, 16, 24)
_ORDERS = 400
_RESAMPLES = 1000
_CONFIRMED = 3
_SHARE = 0.25
_LOW: Mapping[str, Callable[[int], Job]] = {
    "epochs": lambda policy: Job(policy, epochs=_SHARE),
    "images": lambda policy: Job(policy, images=_SHARE),
}


@dataclass(frozen=True)
class Pool:
    """Policies of which everything that a way to search may look at is known; all arrays are better when larger.

    Args:
        full: (N, 2, n_epochs) accuracy and negative log-loss in a full training.
        low: axis -> (N, 2) likewise at the end of a training at a quarter of the budget.
        is_mixing: (N,) which policies mix.
        truth: (N,) expected final accuracy of a full training.
    """

    full: Array
    low: Mapping[str, Array]
    is_mixing: NDArray[np.bool_]
    truth: Array

    @classmethod
    def of(cls, bank: Bank) -> Pool:
        """Collect the policies that were trained at every fidelity."""
        surrogate = Surrogate(bank)
        jobs = [[low(i) for low in _LOW.values()] for i in range(len(bank.full()))]
        kept = [i for i, low in enumerate(jobs) if all(_is_known(bank, job) for job in (Job(i), *low))]
        trained = [bank.trials[Job(i)] for i in kept]
        space = bank.header.compose()
        return cls(
            full=np.array([[one.top1, np.negative(one.logloss)] for one in trained]),
            low={axis: _ends([bank.trials[low(i)] for i in kept]) for axis, low in _LOW.items()},
            is_mixing=np.array([bank.policy(i, space).is_mixing for i in kept]),
            truth=np.array([_expected(one, surrogate) for one in trained]),
        )

    def __len__(self) -> int:
        return len(self.truth)


def _is_known(bank: Bank, job: Job) -> bool:
    return job in bank.trials and bool(bank.trials[job].top1)


def _ends(trained: Sequence[Trained]) -> Array:
    return np.array([[one.top1[-1], -one.logloss[-1]] for one in trained])


def _expected(one: Trained, surrogate: Surrogate) -> float:
    curves = surrogate.mean([one.params])[0] if one.params and not one.arm else surrogate.arm(one.arm)
    return float(curves[0, -1])


@dataclass(frozen=True)
class Spent:
    """What a way to search came to.

    Args:
        chosen: which policies of the pool come out first.
        compute: full trainings that it cost.
    """

    chosen: Sequence[int]
    compute: float


Way = Callable[[Pool, Sequence[int], float], Spent]
"""Spends a budget, in full trainings, on policies of a pool in a given order."""


def train_all(pool: Pool, order: Sequence[int], budget: float) -> Spent:
    """Train to the end, one after another."""
    some = list(order[: int(budget)])
    return Spent(_best(pool.full[:, 0, -1], some), len(some))


def prune(pool: Pool, order: Sequence[int], budget: float) -> Spent:
    """Train one after another, and end early what the product's rule ends."""
    peers: list[Peer] = []
    finished: list[int] = []
    n_epochs, spent = pool.full.shape[2], 0.0
    for i in order:
        rows = [{VAL_TOP1: top1, VAL_LOGLOSS: -negative} for top1, negative in pool.full[i].T]
        epochs = _epochs_of(rows, peers, bool(pool.is_mixing[i]))
        if spent + epochs / n_epochs > budget:
            break
        spent += epochs / n_epochs
        peers.append(Peer(rows[:epochs], bool(pool.is_mixing[i]), is_finished=epochs == n_epochs))
        if epochs == n_epochs:
            finished.append(i)
    return Spent(_best(pool.full[:, 0, -1], finished), spent)


def _epochs_of(rows: list[dict[str, float]], peers: Sequence[Peer], is_mixing: bool) -> int:
    for epoch in range(1, len(rows)):
        due = is_due(epoch, len(rows))
        if due and should_prune(rows[:epoch], peers, len(rows), is_mixing=is_mixing):
            return epoch
    return len(rows)


def screen(axis: str, metric: int) -> Way:
    """Spend half of the budget on quarter trainings, the rest on full ones of those that came out best."""

    def way(pool: Pool, order: Sequence[int], budget: float) -> Spent:
        some = list(order[: int(budget / 2 / _SHARE)])
        left = int(budget - len(some) * _SHARE)
        best = _top(pool.low[axis][:, metric], some, left)
        return Spent(_best(pool.full[:, 0, -1], best), len(some) * _SHARE + len(best))

    return way


def only(axis: str, metric: int) -> Way:
    """Spend the whole budget on quarter trainings and believe them."""

    def way(pool: Pool, order: Sequence[int], budget: float) -> Spent:
        some = list(order[: int(budget / _SHARE)])
        return Spent(_best(pool.low[axis][:, metric], some), len(some) * _SHARE)

    return way


def halve(metric: int) -> Way:
    """Stop half of the trainings after a quarter of their epochs, and half of the rest after a half."""

    def way(pool: Pool, order: Sequence[int], budget: float) -> Spent:
        n_epochs = pool.full.shape[2]
        # n / 4 for all, then a quarter more for n / 2, then a half more for n / 4.
        some = list(order[: int(budget / (1 / 4 + 1 / 8 + 1 / 8))])
        left, compute = some, len(some) / 4
        for rung, share in ((1 / 4, 1 / 4), (1 / 2, 1 / 2)):
            left = _top(pool.full[:, metric, round(rung * n_epochs) - 1], left, (len(left) + 1) // 2)
            compute += share * len(left)
        return Spent(_best(pool.full[:, 0, -1], left), compute)

    return way


def _top(values: Array, some: Sequence[int], n: int) -> list[int]:
    return sorted(some, key=lambda i: -values[i])[:n]


def _best(values: Array, some: Sequence[int]) -> list[int]:
    return _top(values, some, _CONFIRMED)


WAYS: Mapping[str, Way] = {
    "full": train_all,
    "full, pruned as `automix search` does": prune,
    "epochs:0.25 alone": only("epochs", 0),
    "images:0.25 alone": only("images", 0),
    "epochs:0.25, best half in full": screen("epochs", 0),
    "images:0.25, best half in full": screen("images", 0),
    "epochs:0.25 by log-loss, best in full": screen("epochs", 1),
    "images:0.25 by log-loss, best in full": screen("images", 1),
    "halving by accuracy": halve(0),
    "halving by log-loss": halve(1),
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    banks = [Bank.read(path) for path in sorted(parser.parse_args().data.glob("*.jsonl.gz"))]
    pools = {bank.header.name: Pool.of(bank) for bank in banks}
    _print_ranks(banks, pools)
    _print_bias(pools)
    _print_regret(pools)


def _print_ranks(banks: Sequence[Bank], pools: Mapping[str, Pool]) -> None:
    print("Spearman's correlation with the accuracy after a full training (95 %)\n")
    print("| budget | metric | " + " | ".join(pools) + " |\n|---|---|" + "---|" * len(pools))
    columns = [dict(_correlations(bank, pool)) for bank, pool in zip(banks, pools.values(), strict=True)]
    for row in columns[0]:
        print(f"| {row[0]} | {row[1]} | " + " | ".join(column[row] for column in columns) + " |")


def _correlations(bank: Bank, pool: Pool) -> Iterator[tuple[tuple[str, str], str]]:
    full = bank.full()
    ends = np.array([one.top1[-1] for one in full if one.top1])
    for share in (0.25, 0.5, 0.75, 0.9):
        for metric, sign in (("top1", 1), ("logloss", -1)):
            epoch = round(share * bank.header.n_epochs) - 1
            there = np.array([sign * getattr(one, metric)[epoch] for one in full if one.top1])
            yield (f"first {share:.0%} of the epochs", metric), _interval(there, ends)
    for axis, low in pool.low.items():
        for column, metric in enumerate(("top1", "logloss")):
            yield (f"{axis}:{_SHARE:g}", metric), _interval(low[:, column], pool.full[:, 0, -1])
    pairs = [(bank.trials[Job(job.policy)], one) for job, one in bank.trials.items() if job.seed and job.is_full]
    first, other = (np.array([one[side].top1[-1] for one in pairs]) for side in (0, 1))
    yield ("full, another seed", "top1"), _interval(first, other)


def _interval(a: Array, b: Array) -> str:
    rng = np.random.default_rng(0)
    again = [spearmanr(a[rows], b[rows]).statistic for rows in rng.integers(len(a), size=(_RESAMPLES, len(a)))]
    low, high = np.nanpercentile(again, [2.5, 97.5])
    return f"{spearmanr(a, b).statistic:.2f} ({low:.2f} to {high:.2f}), n {len(a)}"


def _print_bias(pools: Mapping[str, Pool]) -> None:
    print("\nShare of mixing policies with a higher accuracy than no mixing, and their median gain in points\n")
    print("| data | " + " | ".join(["full", *(f"{axis}:{_SHARE:g}" for axis in _LOW)]) + " |\n|---|---|---|---|")
    for name, pool in pools.items():
        scores = {"full": pool.full[:, 0, -1], **{axis: low[:, 0] for axis, low in pool.low.items()}}
        print(f"| {name} | " + " | ".join(_gain(score, pool) for score in scores.values()) + " |")


def _gain(score: Array, pool: Pool) -> str:
    gains = score[pool.is_mixing] - score[~pool.is_mixing].mean()
    return f"{np.mean(gains > 0):.0%}, {100 * np.median(gains):+.1f}"


def _print_regret(pools: Mapping[str, Pool]) -> None:
    print(f"\nRegret in points at equal compute (full trainings), mean over {_ORDERS} orders\n")
    print("| way | " + " | ".join(f"{name}, {b}" for name in pools for b in _BUDGETS) + " |")
    print("|---|" + "---|" * (len(pools) * len(_BUDGETS)))
    for title, way in WAYS.items():
        cells = [f"{100 * regret(pool, way, budget).mean():.2f}" for pool in pools.values() for budget in _BUDGETS]
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)


def regret(pool: Pool, way: Way, budget: float, orders: int = _ORDERS) -> Array:
    """Return (orders,): by how much the best of what is chosen falls behind the best of the pool."""
    rng = np.random.default_rng(0)
    chosen = [way(pool, rng.permutation(len(pool)).tolist(), budget).chosen for _ in range(orders)]
    return np.array([pool.truth.max() - pool.truth[list(some)].max() for some in chosen])


if __name__ == "__main__":
    main()
