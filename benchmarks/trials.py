"""Train the policies that the benchmarks of samplers and of fidelity rest on: the trial bank, `benchmarks/data/`.

Run `python benchmarks/trials.py` (about an hour of one core). It goes on where it was stopped, and all data sets grow
together, so that it may be stopped at any time. Each data set gets the reference arms, then policies of the shipped
`default` space: two drawn at random, one proposed by TPE from what was trained before, and so on, since a surrogate has
to be right where a sampler looks. A part is trained again from other seeds, and a part at a quarter of the epochs or of
the images. Nothing is pruned.

Fashion-MNIST and CIFAR-10 are read from `--images`, a folder with fashion-mnist-3k/fashion_mnist_3k.npz and
cifar10-jpeg/cifar10_jpeg.npz; those that are not there are left out.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from samplers_rivals import Chance, Tpe
from trials_bank import DATA, Bank, Header, Job, Trained

from automix.data.dataset import DataSet, Split
from automix.data.splits import stratified_subset
from automix.manager import build_host
from automix.planning import SearchPlan, SearchRequest, plan_search
from automix.policy import PolicyDocument
from automix.search.ledger import Proposal
from automix.search.sampler import arm_proposal
from automix.spaces import Space
from automix.tracking.keys import VAL_LOGLOSS, VAL_TOP1
from automix.training.failures import NonFiniteLoss
from automix.training.loop import train

HOST = build_host()
_GUIDED_EVERY = 3
_REPLICATED, _SEEDS = 18, (1, 2)
_AT_LOW_FIDELITY, _SHARE = 40, 0.25


@dataclass(frozen=True)
class Task:
    """A data set, how it is trained on, and how many policies; the regimes are those of a search's controls."""

    name: str
    source: str
    side: int
    limit: int
    epochs: int
    label_noise: float
    n_val: int
    n_policies: int

    def jobs(self) -> Iterator[tuple[float, Job]]:
        """Yield every training, with the share of the whole bank after which it is due."""
        for i in range(self.n_policies):
            yield (i + 1) / self.n_policies, Job(i)
        again = [Job(i, seed=seed) for i in range(_REPLICATED) for seed in _SEEDS]
        low = [job for i in range(_AT_LOW_FIDELITY) for job in (Job(i, epochs=_SHARE), Job(i, images=_SHARE))]
        for part in (again, low):
            yield from ((position / len(part), job) for position, job in enumerate(part, start=1))


TASKS = (
    Task("digits-noisy", "digits", 8, limit=400, epochs=40, label_noise=0.4, n_val=269, n_policies=220),
    Task("digits-clean", "digits", 8, limit=200, epochs=20, label_noise=0.0, n_val=269, n_policies=200),
    Task("fashion-noisy", "fashion-mnist-3k/fashion_mnist_3k.npz", 28, 600, 24, 0.4, n_val=542, n_policies=150),
    Task("cifar-long", "cifar10-jpeg/cifar10_jpeg.npz", 32, 400, 60, 0.0, n_val=400, n_policies=120),
)


def main() -> None:
    """Train what is missing, and tell how far it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("automix-work"), help="where decoded images are kept")
    parser.add_argument("--out", type=Path, default=DATA)
    parser.add_argument("--only", nargs="+", default=[task.name for task in TASKS], help="data sets, by name")
    options = parser.parse_args()
    chosen = [task for task in TASKS if task.name in options.only and _exists(task, options.images)]
    makers = {task.name: Maker.open(task, options) for task in chosen}
    due = sorted((share, task.name, job) for task in chosen for share, job in task.jobs())
    missing = [(share, name, job) for share, name, job in due if job not in makers[name].bank.trials]
    print(f"{len(due) - len(missing)} of {len(due)} trials are there", flush=True)
    begun = time.process_time()
    for number, (share, name, job) in enumerate(missing, start=1):
        one = makers[name].make(job)
        minutes = (time.process_time() - begun) / 60
        last = f"{one.top1[-1]:.1%}" if one.top1 else "diverged"
        print(
            f"{number}/{len(missing)} ({share:.0%}) {minutes:.1f} min  {name}  {job}  {one.title}: {last}", flush=True
        )


def _exists(task: Task, images: Path) -> bool:
    return task.source == "digits" or (images / task.source).exists()


@dataclass
class Maker:
    """Trains the policies of one data set."""

    bank: Bank
    plan: SearchPlan
    space: Space

    @classmethod
    def open(cls, task: Task, options: argparse.Namespace) -> Maker:
        """Open the data set, and the bank's file if there is one."""
        path = options.out / f"{task.name}.jsonl.gz"
        request = SearchRequest(
            data="digits" if task.source == "digits" else f"npz:{options.images / task.source}",
            preset="standard",
            image_size=task.side,
            limit=task.limit,
            label_noise=task.label_noise,
            epochs=task.epochs,
            device="cpu",
            memory=False,
            work=options.work,
        )
        plan = plan_search(request, HOST)
        plan = replace(plan, data=_with_fewer_val(plan.data, task.n_val))
        bank = Bank.read(path) if path.exists() else Bank(path, _header(task, plan))
        return cls(bank, plan, bank.header.compose())

    def make(self, job: Job) -> Trained:
        """Train a policy and add it to the bank."""
        known = self.bank.trials.get(Job(job.policy))
        if known is not None:
            trained = self._train(job, known, self.bank.policy(job.policy, self.space))
        else:
            proposal, guided = self._proposal(job.policy)
            trained = self._train(job, _untrained(job, proposal, guided), PolicyDocument.from_dict(proposal.policy))
        self.bank.add(trained)
        return trained

    def _proposal(self, number: int) -> tuple[Proposal, bool]:
        arms = list(self.bank.header.arms.items())
        if number < len(arms):
            name, policy = arms[number]
            return arm_proposal(name, PolicyDocument.from_dict(policy), self.space), False
        is_guided = number % _GUIDED_EVERY == 0
        history = [self.bank.frozen(one, self.space) for one in self.bank.full() if one.params and one.top1]
        known = {self.bank.policy(job.policy, self.space).key() for job in self.bank.trials}
        proposer = Tpe(self.space, seed=0, is_grouped=True) if is_guided else Chance(self.space, seed=0)
        return proposer.propose(history, number, known), is_guided

    def _train(self, job: Job, policy: Trained, document: PolicyDocument) -> Trained:
        data = job.fidelity.data(self.plan.data, seed=0)
        settings = job.fidelity.settings(replace(self.plan.settings, seed=job.seed), len(data.splits["train"]))
        begun = time.process_time()
        try:
            curve = train(data, document, settings, registry=HOST.registry).curve
        except NonFiniteLoss:
            curve = ()
        top1, logloss = (tuple(epoch.metrics[key] for epoch in curve) for key in (VAL_TOP1, VAL_LOGLOSS))
        return replace(policy, job=job, top1=top1, logloss=logloss, cpu_s=round(time.process_time() - begun, 3))


def _untrained(job: Job, proposal: Proposal, guided: bool) -> Trained:
    return Trained(
        job=job,
        title=proposal.title,
        arm=proposal.arm,
        params=proposal.params,
        guided=guided,
        top1=(),
        logloss=(),
        cpu_s=0.0,
    )


def _with_fewer_val(data: DataSet, n: int) -> DataSet:
    """Keep a stratified part of the validation images: looking at all of them would take as long as training."""
    whole = data.splits["val"]
    rows = stratified_subset(whole.labels, n, data.num_classes, seed=0)
    part = Split(whole.images[rows], whole.labels[rows], whole.index[rows])
    return replace(data, splits={**data.splits, "val": part})


def _header(task: Task, plan: SearchPlan) -> Header:
    config = plan.config
    return Header(
        name=task.name,
        made=datetime.now(UTC).date().isoformat(),
        machine=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, one used",
        versions=config.versions,
        images={"train": len(plan.data.splits["train"]), "val": len(plan.data.splits["val"])},
        settings=config.settings,
        space={**config.space, "mixers": {name: {} for name in plan.space.mixers}},
        facts=config.facts,
        arms={arm.name: arm.policy for arm in config.arms},
    )


if __name__ == "__main__":
    main()
