"""Regret against compute of ways to propose policies, on surrogates of real trainings.

Run `python benchmarks/samplers.py` (half an hour of one core; `--seeds 5` three minutes); it reads the trial bank,
`benchmarks/data/`. Each way goes through searches of 64 trials as `automix search` would: the reference arms first,
then one proposal after another. Regret is by how much the expected accuracy of the policy that is chosen falls behind
the best that is known. Compute counts epochs, in full trainings.

    random     chance
    tpe        Optuna's TPE as it comes: what `automix search` does
    tpe-group  TPE with a group of its own for each branch of the conditional space
    bandit     Thompson sampling chooses the method, TPE the rest
    gp         Thompson sampling on a Gaussian process over what policies have in common

Of the trials that were trained to the end the one that came out best is chosen, noise of its seed included; or, where
it says "expected", the one that `samplers_expectation` expects most of.

A Gaussian process over Optuna's parameters does not apply: it needs parameters that all trials have, and here that is
two names (`mixer`, `branches`) of forty parameters; the rest would be drawn by chance.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from _tables import table
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState, create_trial
from samplers_draw import Draw
from samplers_expectation import expected_values
from samplers_gp import Gp
from samplers_rivals import Bandit, Chance, Tpe
from surrogate import Surrogate
from trials_bank import DATA, Bank

from automix.policy import PolicyDocument
from automix.search.ledger import Proposal
from automix.search.pruning import Peer, is_due, should_prune
from automix.search.sampler import arm_proposal
from automix.spaces import Space
from automix.tracking.keys import VAL_LOGLOSS, VAL_TOP1

__all__ = ["WAYS", "Curve", "Problem", "Search", "ratio_to"]

Array = NDArray[np.float64]

_TRIALS = 64
_SEEDS = 50
_STARTUP = 12
_SOUGHT = 3000
_GRID = np.arange(12.0, _TRIALS + 0.1, 4.0)
_RESAMPLES = 2000
_PRUNED = ("random", "tpe")
"""Ways that are also tried with trials ended early."""
_DEFAULT = "tpe"


class Proposer(Protocol):
    """Proposes policies for one search."""

    def propose(self, history: Sequence[FrozenTrial], slot: int, known_keys: Collection[str] = ()) -> Proposal:
        """Choose the policy of a slot."""


WAYS: Mapping[str, Callable[[Space, int], Proposer]] = {
    "random": Chance,
    "tpe": Tpe,
    "tpe-group": partial(Tpe, is_grouped=True),
    "bandit": Bandit,
    "gp": partial(Gp, n_startup_trials=_STARTUP),
}


@dataclass(frozen=True)
class Problem:
    """A data set to search on: its surrogate, its space, its reference arms and the best that is known.

    Args:
        bank: the trials behind it.
        surrogate: in place of training.
        space: where is searched.
        arms: reference arms, in their order.
        best: the highest expected accuracy of an arm, of a policy that was trained, or of one of 3000 at random.
    """

    bank: Bank
    surrogate: Surrogate
    space: Space
    arms: tuple[Proposal, ...]
    best: float

    @classmethod
    def of(cls, bank: Bank) -> Problem:
        """Fit the surrogate and look for the best."""
        surrogate, space = Surrogate(bank), bank.header.compose()
        arms = tuple(
            arm_proposal(name, PolicyDocument.from_dict(policy), space) for name, policy in bank.header.arms.items()
        )
        rng = np.random.default_rng(0)
        params = [one.params for one in bank.full() if one.params]
        for _ in range(_SOUGHT):
            draw = Draw(rng)
            space.suggest(draw)
            params.append(draw.params)
        best = max(surrogate.mean(params)[:, 0, -1].max(), *(surrogate.arm(arm.arm)[0, -1] for arm in arms))
        return cls(bank, surrogate, space, arms, float(best))


@dataclass
class Search:
    """A search as it goes.

    Args:
        proposer: asked for every slot after the arms.
        rng: noise of the trainings.
        is_pruned: whether trials are ended early as `automix search` does.
    """

    proposer: Proposer
    rng: np.random.Generator
    is_pruned: bool
    history: list[FrozenTrial] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    costs: list[float] = field(default_factory=list)
    policies: list[PolicyDocument] = field(default_factory=list)
    expected: list[float] = field(default_factory=list)

    def ask(self) -> Proposal:
        """Return the next policy."""
        return self.proposer.propose(self.history, len(self.history), self.keys)

    def tell(self, proposal: Proposal, mean: Array, noise: Array) -> None:
        """Train by the surrogate: as long as the pruning lets it, an arm to the end."""
        rows = [{VAL_TOP1: top1, VAL_LOGLOSS: logloss} for top1, logloss in (mean + noise).T.tolist()]
        policy = PolicyDocument.from_dict(proposal.policy)
        epochs = self._epochs(rows, policy.is_mixing) if self.is_pruned and not proposal.arm else len(rows)
        is_whole = epochs == len(rows)
        self.peers.append(Peer(rows[:epochs], policy.is_mixing, is_finished=is_whole))
        self.history.append(_frozen(proposal, rows[:epochs], len(self.history), is_whole=is_whole))
        self.keys.add(proposal.key)
        self.costs.append(epochs / len(rows))
        self.policies.append(policy)
        self.expected.append(float(mean[0, -1]))

    def _epochs(self, rows: list[dict[str, float]], is_mixing: bool) -> int:
        for epoch in range(1, len(rows)):
            is_looked_at = is_due(epoch, len(rows))
            if is_looked_at and should_prune(rows[:epoch], self.peers, len(rows), is_mixing=is_mixing):
                return epoch
        return len(rows)

    def regret(self, best: float, choose: Choose, grid: Array = _GRID) -> Array:
        """Return the regret at each compute of the grid."""
        told = np.searchsorted(np.cumsum(self.costs), grid + 1e-9, side="right")
        finished = [[i for i in range(n) if self.peers[i].is_finished] for n in told]
        return np.array([best - self.expected[choose(self, trials)] for trials in finished])


Choose = Callable[[Search, Sequence[int]], int]
"""Chooses one of some finished trials."""


def luckiest(search: Search, trials: Sequence[int]) -> int:
    """Choose the trial with the highest accuracy."""
    return max(trials, key=lambda i: search.peers[i].curve[-1][VAL_TOP1])


def expected_best(search: Search, trials: Sequence[int]) -> int:
    """Choose the trial of which most is to be expected."""
    values = [search.peers[i].curve[-1][VAL_TOP1] for i in trials]
    return trials[int(np.argmax(expected_values([search.policies[i] for i in trials], values)))]


CHOICES: Mapping[str, Choose] = {"": luckiest, "expected": expected_best}


def _frozen(proposal: Proposal, rows: list[dict[str, float]], number: int, *, is_whole: bool) -> FrozenTrial:
    """Return a trial as the ledger keeps it."""
    trial = create_trial(
        state=TrialState.COMPLETE if is_whole else TrialState.PRUNED,
        value=rows[-1][VAL_TOP1] if is_whole else None,
        params=dict(proposal.params),
        distributions=dict(proposal.distributions),
        user_attrs={"policy": dict(proposal.policy)},
        intermediate_values={epoch: row[VAL_TOP1] for epoch, row in enumerate(rows, start=1)},
    )
    trial.number = number
    return trial


def run(problem: Problem, way: str, *, is_pruned: bool, seeds: int, trials: int = _TRIALS) -> list[Search]:
    """Go through a search per seed, side by side, since the surrogate answers many questions as fast as one."""
    searches = [
        Search(WAYS[way](problem.space, seed), np.random.default_rng([seed, 1]), is_pruned) for seed in range(seeds)
    ]
    for arm in problem.arms:
        for search in searches:
            search.tell(arm, problem.surrogate.arm(arm.arm), problem.surrogate.noise(search.rng))
    for _ in range(trials - len(problem.arms)):
        proposals = [search.ask() for search in searches]
        means = problem.surrogate.mean([proposal.params for proposal in proposals])
        for search, proposal, mean in zip(searches, proposals, means, strict=True):
            search.tell(proposal, mean, problem.surrogate.noise(search.rng))
    return searches


@dataclass(frozen=True)
class Curve:
    """Regret of one way on one data set.

    Args:
        way: how policies were proposed, whether trials were ended early, and how one was chosen.
        regrets: (seeds, compute) in shares of one.
        seconds: processor time of a proposal.
    """

    way: str
    regrets: Array
    seconds: float

    @property
    def mean(self) -> Array:
        """Return (compute,): the mean over seeds."""
        return np.asarray(self.regrets.mean(axis=0))

    @property
    def error(self) -> Array:
        """Return (compute,): the standard error of the mean."""
        return np.asarray(self.regrets.std(axis=0, ddof=1) / np.sqrt(len(self.regrets)))


def ratio_to(random: Array, other: Array, grid: Array = _GRID) -> float:
    """Return how many times less compute the other needs for the mean regret that chance has at the end.

    Args:
        random: (seeds, compute) regrets.
        other: likewise; it needs not have as many seeds.
        grid: (compute,).

    Returns:
        Above 1 where the other needs less; 0 where it never gets there.

    Example:
        >>> grid = np.array([1.0, 2.0, 3.0, 4.0])
        >>> ratio_to(np.array([[4.0, 3.0, 2.0, 1.0]]), np.array([[4.0, 1.0, 1.0, 1.0]]), grid)
        2.0
    """
    reached = np.flatnonzero(other.mean(axis=0) <= random.mean(axis=0)[-1])
    return float(grid[-1] / grid[reached[0]]) if len(reached) else 0.0


def interval(random: Array, other: Array) -> tuple[float, float]:
    """Return the middle 95 % of the ratio, seeds drawn again with replacement."""
    rng = np.random.default_rng(0)
    draws = [
        ratio_to(random[rng.integers(len(random), size=len(random))], other[rng.integers(len(other), size=len(other))])
        for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    """Run every way on every data set, keep what came out, print the tables and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", nargs="+", help="data sets, by name")
    parser.add_argument("--seeds", type=int, default=_SEEDS)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument(
        "--results", type=Path, default=DATA / "regret", help="a folder; what is there of the same trials is kept"
    )
    parser.add_argument("--picture", type=Path, help="where the curves are drawn, an .svg or .png")
    options = parser.parse_args()
    found: dict[str, list[Curve]] = {}
    for path in sorted(options.data.glob("*.jsonl.gz")):
        name = path.name.removesuffix(".jsonl.gz")
        if options.only is None or name in options.only:
            found[name] = _measured(path, options)
            _print(name, found[name])
    if options.picture:
        _draw(found, options.picture)


def _measured(path: Path, options: argparse.Namespace) -> list[Curve]:
    curves: list[Curve] = []
    problem: Problem | None = None
    trials = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    pruned = [(way, True) for way in options.ways if way in _PRUNED]
    for way, is_pruned in [*((way, False) for way in options.ways), *pruned]:
        kept = options.results / f"{path.name.partition('.')[0]}-{way}{'-pruned' if is_pruned else ''}.json"
        row = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        if (row.get("trials"), row.get("seeds")) != (trials, options.seeds):
            problem = problem or Problem.of(Bank.read(path))
            row = {"trials": trials, "seeds": options.seeds, **_row(problem, way, is_pruned, options.seeds)}
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(row), encoding="utf-8")
        name = f"{way}, pruned" if is_pruned else way
        for choice in CHOICES:
            regrets = np.array(row["regrets"][choice])
            curves.append(Curve(f"{name}, {choice}" if choice else name, regrets, row["seconds"]))
    return curves


def _row(problem: Problem, way: str, is_pruned: bool, seeds: int) -> dict[str, Any]:
    begun = time.process_time()
    searches = run(problem, way, is_pruned=is_pruned, seeds=seeds)
    seconds = (time.process_time() - begun) / seeds / (_TRIALS - len(problem.arms))
    regrets = {
        name: [[round(value, 5) for value in search.regret(problem.best, choose).tolist()] for search in searches]
        for name, choose in CHOICES.items()
    }
    return {"regrets": regrets, "seconds": round(seconds, 4)}


def _draw(found: Mapping[str, Sequence[Curve]], picture: Path) -> None:
    """Draw mean regret with its standard error against compute, a panel per data set."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7.5), layout="constrained")
    panels = np.atleast_1d(figure.subplots(-(-len(found) // 2), min(2, len(found)), sharex=True)).ravel()
    for axes, (name, curves) in zip(panels, found.items(), strict=False):
        shown = [curve for curve in curves if curve.way in (*WAYS, f"{_DEFAULT}, expected")]
        for number, curve in enumerate(shown):
            colour = f"C{number}"
            axes.plot(_GRID, 100 * curve.mean, color=colour, label=curve.way)
            axes.fill_between(
                _GRID, *(100 * (curve.mean + sign * curve.error) for sign in (-1, 1)), color=colour, alpha=0.12, lw=0
            )
        axes.set(title=name, xlim=(_GRID[0], _GRID[-1]), ylim=(0, None), ylabel="regret in points")
    for axes in panels[-2:]:
        axes.set_xlabel("compute in full trainings")
    panels[0].legend(fontsize=8, ncols=2)
    figure.savefig(picture, metadata={"Date": None} if picture.suffix == ".svg" else None)


def _print(name: str, curves: Sequence[Curve]) -> None:
    chance = curves[0]
    shown = [at for at in (0, 1, 3, 5, 9, 13) if at < len(_GRID)]
    print(f"\n{name}: regret in points at a compute of so many full trainings, with its standard error\n")
    head = ["way", *(f"{_GRID[at]:.0f}" for at in shown), "compute of chance for as much (95 %)", "worst", "ms"]
    body = []
    for curve in curves:
        cells = [f"{100 * curve.mean[at]:.2f} ± {100 * curve.error[at]:.2f}" for at in shown]
        low, high = interval(chance.regrets, curve.regrets)
        ratio = f"{ratio_to(chance.regrets, curve.regrets):.1f} ({low:.1f} to {high:.1f})"
        body.append([curve.way, *cells, ratio, worst(chance, curve), f"{1000 * curve.seconds:.0f}"])
    print("\n".join(table(head, body)), flush=True)


def worst(chance: Curve, other: Curve) -> str:
    """Say where a way falls furthest behind chance, in standard errors of the difference."""
    behind = other.mean - chance.mean
    z = behind / np.maximum(np.hypot(chance.error, other.error), 1e-9)
    at = int(np.nanargmax(z))
    return f"{z[at]:+.1f} se at {_GRID[at]:.0f}"


if __name__ == "__main__":
    main()
