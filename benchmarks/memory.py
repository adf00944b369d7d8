"""Trials that a search needs to reach the same validation accuracy, with and without the memory of earlier data sets.

Run `python benchmarks/memory.py --quick` (about 5 minutes of processor time) or without `--quick` (about two hours,
estimated). Each data set is searched without memory, once per seed. Then each is searched again with a memory that
knows those searches of the OTHER data sets only. Policies, sampler, database and training are those of `automix
search`; worker processes, MLflow and pruning are left out. What is compared is in which trial a search first reaches
the accuracy that the search without memory had at its end, or a part of its gain over no mixing.

Fashion-MNIST and CIFAR-10 are read from `--images`, a folder with fashion-mnist-3k/fashion_mnist_3k.npz and
cifar10-jpeg/cifar10_jpeg.npz; those that are not there are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from optuna.trial import FrozenTrial, create_trial

from automix.manager import build_host
from automix.planning import SearchPlan, SearchRequest, plan_search
from automix.policy import PolicyDocument
from automix.search.ledger import Proposal
from automix.search.sampler import arm_proposal, sampled_proposal
from automix.storage import Store
from automix.tracking.keys import VAL_TOP1
from automix.training.loop import train

HOST = build_host()
SHARES = (0.5, 0.9, 1.0)
"""Of the gain that the search without memory made: what is to be reached."""


@dataclass(frozen=True)
class Size:
    """How much is done."""

    trials: int
    epochs: int
    limit: int
    max_side: int
    seeds: int


# Labels are noisy and epochs many for the number of images: with few epochs no mixing wins, and there is no gain to
# reach sooner.
QUICK = Size(trials=14, epochs=40, limit=300, max_side=16, seeds=1)
FULL = Size(trials=24, epochs=40, limit=500, max_side=32, seeds=2)
_LABEL_NOISE = 0.4


@dataclass(frozen=True)
class Task:
    """A data set to search on."""

    name: str
    spec: str
    side: int


@dataclass
class Search:
    """A search as it went: a row per trial."""

    plan: SearchPlan
    proposals: list[Proposal] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    @property
    def none(self) -> float:
        """What no mixing reached; it is the first arm."""
        return self.scores[0]

    def first_at(self, target: float) -> int | None:
        """Return the number of the first trial, from 1, that reaches a target."""
        return next((i for i, score in enumerate(self.scores, start=1) if score >= target), None)


def main() -> None:
    """Search every data set both ways and print what was needed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--images", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    tasks = list(_tasks(options.images))
    begun = time.process_time()
    pairs: list[tuple[Search, Search]] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(size.seeds):
            pairs += _compare(tasks, size, seed, Path(folder) / str(seed))
    _print_total(pairs, size, time.process_time() - begun)


def _tasks(images: Path) -> Iterator[Task]:
    yield Task("digits", "digits", 8)
    for name, file, side in (
        ("Fashion-MNIST", images / "fashion-mnist-3k" / "fashion_mnist_3k.npz", 28),
        ("CIFAR-10", images / "cifar10-jpeg" / "cifar10_jpeg.npz", 32),
    ):
        if file.exists():
            yield Task(name, f"npz:{file}", side)


def _compare(tasks: list[Task], size: Size, seed: int, folder: Path) -> list[tuple[Search, Search]]:
    trained: dict[tuple[str, str], float] = {}
    alone = {task.name: _search(task, size, seed, folder / "alone", trained) for task in tasks}
    pairs = []
    for number, task in enumerate(tasks):
        work = folder / str(number)
        _remember(work, [alone[other.name] for other in tasks if other is not task])
        helped = _search(task, size, seed, work, trained)
        pairs.append((alone[task.name], helped))
        _print_pair(task, seed, *pairs[-1])
    return pairs


def _search(task: Task, size: Size, seed: int, work: Path, trained: dict[tuple[str, str], float]) -> Search:
    """Go through a search slot by slot; a policy that was trained on these data already is not trained again."""
    request = SearchRequest(
        data=task.spec,
        label_noise=_LABEL_NOISE,
        limit=size.limit,
        image_size=min(task.side, size.max_side),
        space="small",
        trials=size.trials,
        epochs=size.epochs,
        model="automix_resnet8",
        device="cpu",
        seed=seed,
        work=work,
    )
    search = Search(plan_search(request, HOST))
    for slot in range(size.trials):
        proposal = _proposal(search, slot)
        key = (search.plan.config.data_hash, proposal.key)
        if key not in trained:
            document = PolicyDocument.from_dict(proposal.policy)
            result = train(search.plan.data, document, search.plan.settings, registry=HOST.registry)
            trained[key] = result.last[VAL_TOP1]
        search.proposals.append(proposal)
        search.scores.append(trained[key])
    print(f"{task.name}: {size.trials} trials, {time.process_time() / 60:.1f} min processor time so far", flush=True)
    return search


def _proposal(search: Search, slot: int) -> Proposal:
    config, space = search.plan.config, search.plan.space
    if slot < len(config.arms):
        return arm_proposal(config.arms[slot].name, PolicyDocument.from_dict(config.arms[slot].policy), space)
    return sampled_proposal(
        _history(search),
        space,
        seed=config.seed,
        slot=slot,
        n_startup_trials=config.n_startup_trials,
        known_keys={proposal.key for proposal in search.proposals},
    )


def _history(search: Search) -> list[FrozenTrial]:
    return [
        create_trial(value=score, params=dict(one.params), distributions=dict(one.distributions))
        for one, score in zip(search.proposals, search.scores, strict=True)
    ]


def _remember(work: Path, searches: list[Search]) -> None:
    """Write searches into a work folder's memory, as `automix search` does at its end."""
    store = Store(work / "automix.db")
    for search in searches:
        config = search.plan.config
        meta = dict(search.plan.data.fingerprint.meta)
        store.remember_data(config.data_hash, name=config.data_name, meta_features=meta)
        store.remember_study(config.name, data_hash=config.data_hash, config=json.loads(config.to_json()))
        for slot, (proposal, score) in enumerate(zip(search.proposals, search.scores, strict=True)):
            store.remember_result(
                config.name,
                slot,
                policy_key=proposal.key,
                policy_title=proposal.title,
                policy=proposal.policy,
                status="complete",
                epochs=config.n_epochs,
                metrics={VAL_TOP1: score},
            )
    store.close()


def _print_pair(task: Task, seed: int, alone: Search, helped: Search) -> None:
    print(f"\n{task.name}, seed {seed}: no mixing {alone.none:.1%}")
    for note in helped.plan.notes:
        if note.startswith("memory-"):
            print(f"  {note}")
    for label, search in (("without", alone), ("with", helped)):
        memory = [s for p, s in zip(search.proposals, search.scores, strict=True) if p.arm.startswith("memory-")]
        arms = f"; memory arms {', '.join(f'{score:.1%}' for score in memory)}" if memory else ""
        needed = ", ".join(f"{share:.0%}: {search.first_at(_target(alone, share)) or 'never'}" for share in SHARES)
        print(
            f"  {label:8} best {max(search.scores):.1%}; trial that reaches a share of the gain {needed}{arms}",
            flush=True,
        )


def _target(alone: Search, share: float) -> float:
    return alone.none + share * (max(alone.scores) - alone.none)


def _print_total(pairs: list[tuple[Search, Search]], size: Size, cpu_s: float) -> None:
    print(f"\n{len(pairs)} pairs of searches, {size}, {os.cpu_count()} cores, {cpu_s / 60:.1f} min processor time")
    print("mean number of trials (one that never reaches the target counts as one more than there are)")
    for share in SHARES:
        without = [_needed(alone, alone, share, size) for alone, _ in pairs]
        helped = [_needed(helped, alone, share, size) for alone, helped in pairs]
        print(f"  {share:4.0%} of the gain: {_spread(without)} without, {_spread(helped)} with memory")


def _needed(search: Search, alone: Search, share: float, size: Size) -> int:
    return search.first_at(_target(alone, share)) or size.trials + 1


def _spread(values: list[int]) -> str:
    return f"{statistics.mean(values):.1f} ({', '.join(map(str, values))})"


if __name__ == "__main__":
    main()
