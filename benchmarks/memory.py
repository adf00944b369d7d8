"""Trials that a search needs to reach the same validation accuracy, with and without the memory of earlier data sets.

Run `python benchmarks/memory.py` (a few minutes of one core; less with fewer `--seeds`). Training is replaced by the
surrogates of the trial bank (`benchmarks/data/`); sampler, memory, distance of data sets and order of arms are those of
`automix search`, pruning is left out. For every seed each data set is searched without memory. Then it is searched
again with a memory that knows the searches of that seed on OTHER pictures only: searches on digits do not know those on
digits with other labels. A policy that both searches train comes out the same in both.

What is counted is the trial in which a search first reaches a validation accuracy: what searches without memory reach
at their end on average over the seeds, or no mixing and a part of that gain. So the target is the same for both kinds
of search, and no lucky one sets its own. `--write` puts the table into docs/memory.md.

The numbers by which data sets are compared come from the pictures, which are read from `--images`, a folder with
fashion-mnist-3k/fashion_mnist_3k.npz and cifar10-jpeg/cifar10_jpeg.npz; data sets that are not there are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from _tables import machine, table, write_between
from numpy.typing import NDArray
from samplers import WAYS, Problem
from samplers import Search as Asker
from trials import TASKS, Maker, Task
from trials_bank import DATA

from automix.planning import SearchPlan
from automix.policy import PolicyDocument
from automix.search import StudyFolder
from automix.search.config import Arm
from automix.search.ledger import Proposal
from automix.search.sampler import arm_proposal
from automix.spaces import Space
from automix.storage import Store
from automix.tracking.keys import VAL_TOP1
from automix.zoo.arms import MAX_ARMS, remembered_arms

SHARES = (0.5, 0.9, 1.0)
"""Of the gain that searches without memory make: what is to be reached."""
_TRIALS = 30
_RESAMPLES = 2000
_PAGE = Path(__file__).parents[1] / "docs" / "memory.md"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """A data set to search on.

    Args:
        task: how it is trained on.
        plan: of a search on it; holds its fingerprint.
        problem: its surrogate and space.
    """

    task: Task
    plan: SearchPlan
    problem: Problem

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The reference arms of the trials behind the surrogate, no mixing first."""
        return tuple(Arm(name=name, policy=dict(policy)) for name, policy in self.problem.bank.header.arms.items())


@dataclass
class Search:
    """A search as it went: a row per trial."""

    place: Place
    proposals: list[Proposal] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    @property
    def none(self) -> float:
        """What no mixing reached; it is the first arm."""
        return self.scores[0]

    @property
    def best(self) -> float:
        """The highest accuracy that was seen."""
        return max(self.scores)

    def first_at(self, target: float) -> int:
        """Return the number of the first trial, from 1, that reaches a target; one more than there are if none does."""
        return next((i for i, score in enumerate(self.scores, start=1) if score >= target), len(self.scores) + 1)


@dataclass(frozen=True)
class Pair:
    """The same search without and with memory."""

    alone: Search
    helped: Search

    def needed(self, target: float) -> tuple[int, int]:
        """Return the number of trials that either needs."""
        return self.alone.first_at(target), self.helped.first_at(target)


def main() -> None:
    """Search every data set both ways and print what was needed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50, help="searches of each data set, both ways")
    parser.add_argument("--images", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("automix-work"), help="where decoded images are kept")
    parser.add_argument("--data", type=Path, default=DATA, help="the trial bank")
    parser.add_argument("--write", action="store_true", help="write the table into docs/memory.md")
    options = parser.parse_args()
    options.out = options.data
    begun = time.process_time()
    pairs = compare(list(_places(options)), options.seeds)
    lines = report(pairs, (time.process_time() - begun) / 60)
    print("\n".join(lines))
    if options.write:
        write_between(_PAGE, "results", lines)


def _places(options: argparse.Namespace) -> Iterator[Place]:
    for task in TASKS:
        is_there = task.source == "digits" or (options.images / task.source).exists()
        if is_there and (options.data / f"{task.name}.jsonl.gz").exists():
            maker = Maker.open(task, options)
            yield Place(task, maker.plan, Problem.of(maker.bank))


def compare(places: Sequence[Place], seeds: int) -> list[Pair]:
    """Search every place without memory, then with what the searches of the same seed found elsewhere."""
    alone = {place.task.name: go(place, [place.arms] * seeds) for place in places}
    pairs = []
    for place in places:
        others = [alone[other.task.name] for other in places if other.task.source != place.task.source]
        helped = go(place, [arms_with_memory(place, searches) for searches in zip(*others, strict=True)])
        pairs += [Pair(*both) for both in zip(alone[place.task.name], helped, strict=True)]
    return pairs


def go(place: Place, arms: Sequence[Sequence[Arm]]) -> list[Search]:
    """Go through searches, seed by seed side by side: the arms of each, then what the sampler proposes."""
    print(f"{place.task.name}: {len(arms)} searches", flush=True)
    space = place.problem.space
    askers = [
        Asker(WAYS["tpe"](space, seed), np.random.default_rng(seed), is_pruned=False) for seed in range(len(arms))
    ]
    searches = [Search(place) for _ in arms]
    for slot in range(_TRIALS):
        proposals = [
            asker.ask() if slot >= len(own) else _arm_proposal(own[slot], space)
            for asker, own in zip(askers, arms, strict=True)
        ]
        means = _means(place, proposals)
        for seed, (asker, search, proposal, mean) in enumerate(zip(askers, searches, proposals, means, strict=True)):
            noise = place.problem.surrogate.noise(_chance(seed, proposal.key)).copy()
            noise[0] = np.minimum(noise[0], 1 - mean[0])  # the surrogate does not know that accuracy ends at 1
            asker.tell(proposal, mean, noise)
            search.proposals.append(proposal)
            search.scores.append(float(mean[0, -1] + noise[0, -1]))
    return searches


def _arm_proposal(arm: Arm, space: Space) -> Proposal:
    return arm_proposal(arm.name, PolicyDocument.from_dict(arm.policy), space)


def _means(place: Place, proposals: Sequence[Proposal]) -> list[Array]:
    """Return (2, n_epochs) of each: a reference as it was trained, others as the surrogate predicts them, at once."""
    surrogate, known = place.problem.surrogate, place.problem.bank.header.arms
    others = [one.params for one in proposals if one.arm not in known]
    predicted = iter(surrogate.mean(others) if others else ())
    return [surrogate.arm(one.arm) if one.arm in known else next(predicted) for one in proposals]


def _chance(seed: int, key: str) -> np.random.Generator:
    """Make the noise of a training, the same wherever the policy is trained with this seed."""
    digest = hashlib.blake2b(f"{seed} {key}".encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def arms_with_memory(place: Place, others: Sequence[Search]) -> list[Arm]:
    """Return the arms that a search has where the memory holds other searches, in the order of `automix search`."""
    none, *references = place.arms
    with tempfile.TemporaryDirectory() as folder:
        _remember(Path(folder), others)
        remembered = remembered_arms(
            StudyFolder(Path(folder), "new"),
            place.plan.data.fingerprint,
            fit=place.problem.space.normal,
            references=references,
            room=MAX_ARMS,
        )
    arms = [arm for arm in remembered.arms if _is_predictable(place, arm)]
    return [none, *arms, *(arm for arm in references if arm not in arms)]


def _is_predictable(place: Place, arm: Arm) -> bool:
    """Whether the surrogate knows a policy: it is a reference, or lies in the space."""
    return arm in place.arms or bool(_arm_proposal(arm, place.problem.space).params)


def _remember(work: Path, searches: Sequence[Search]) -> None:
    """Write searches into a work folder's memory, as `automix search` does at its end; losers are never recalled."""
    with closing(Store(work / "automix.db")) as store:
        for search in searches:
            plan, name = search.place.plan, search.place.task.name
            arms = [{"name": arm.name} for arm in search.place.arms]
            config = {**json.loads(plan.config.to_json()), "arms": arms}
            meta = dict(plan.data.fingerprint.meta)
            store.remember_data(plan.config.data_hash, name=name, meta_features=meta)
            store.remember_study(name, data_hash=plan.config.data_hash, config=config)
            for slot, (proposal, score) in enumerate(zip(search.proposals, search.scores, strict=True)):
                if score >= search.none:
                    store.remember_result(
                        name,
                        slot,
                        policy_key=proposal.key,
                        policy_title=proposal.title,
                        policy=proposal.policy,
                        status="complete",
                        epochs=plan.config.n_epochs,
                        metrics={VAL_TOP1: score},
                    )


def report(pairs: Sequence[Pair], minutes: float) -> list[str]:
    """Return the table as lines of Markdown."""
    names = list(dict.fromkeys(pair.alone.place.task.name for pair in pairs))
    groups = {name: [pair for pair in pairs if pair.alone.place.task.name == name] for name in names}
    body = []
    counts: dict[float, list[tuple[int, int]]] = {share: [] for share in SHARES}
    for name, group in groups.items():
        for share in SHARES:
            target = target_of(group, share)
            found = [pair.needed(target) for pair in group]
            counts[share] += found
            body.append([f"{name}, {target:.1%}", f"{share:.0%}", *_needed(found), _beat(group)])
    body += [["all", f"{share:.0%}", *_needed(found), _beat(pairs)] for share, found in counts.items()]
    head = [
        "data, target",
        "of the gain",
        "trials without",
        "with memory",
        "difference (95 %)",
        "better than no mixing",
    ]
    return [
        f"{len(pairs) // len(names)} seeds, searches of {_TRIALS} trials, {machine()}, {minutes:.0f} min of processor "
        f"time. A search that never reaches the target counts as {_TRIALS + 1}. Last column: of the policies that the "
        "memory added.",
        "",
        *table(head, body),
    ]


def target_of(pairs: Sequence[Pair], share: float) -> float:
    """Return what no mixing reaches on average, and a share of the mean gain of the searches without memory."""
    none, best = np.mean([(pair.alone.none, pair.alone.best) for pair in pairs], axis=0)
    return float(none + share * (best - none))


def _needed(found: Sequence[tuple[int, int]]) -> list[str]:
    without, helped = np.array(found, dtype=np.float64).T
    low, high = _interval(helped - without)
    difference = f"{(helped - without).mean():+.1f} ({low:+.1f} to {high:+.1f})"
    return [f"{without.mean():.1f}", f"{helped.mean():.1f}", difference]


def _beat(pairs: Sequence[Pair]) -> str:
    """Count the policies of the memory, and those that did better than no mixing here too."""
    found = [
        score > pair.helped.none
        for pair in pairs
        for proposal, score in zip(pair.helped.proposals, pair.helped.scores, strict=True)
        if proposal.arm.startswith("memory-")
    ]
    return f"{sum(found)} of {len(found)}"


def _interval(differences: Array) -> tuple[float, float]:
    """Return the percentile bootstrap's interval of a mean."""
    rng = np.random.default_rng(0)
    means = rng.choice(differences, size=(_RESAMPLES, len(differences))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
