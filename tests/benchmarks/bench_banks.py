"""A bank of four policies that nobody had to train."""

from __future__ import annotations

from pathlib import Path

from trials_bank import Bank, Header, Job, Trained

N_EPOCHS = 8
SPACE = {
    "schema": "automix.space/1",
    "mixers": {"none": {}, "mixup": {}, "cutmix": {}},
    "branches": 2,
    "schedule": {"start": 0.0, "stop": [0.7, 1.0]},
}
FACTS = {
    "task": "single",
    "num_classes": 10,
    "channels": 1,
    "image_size": [8, 8],
    "batch_size": 64,
    "probes": [],
}


def header() -> Header:
    return Header(
        name="made-up",
        made="2026-11-23",
        machine="none",
        versions={},
        images={"train": 400, "val": 100},
        settings={"epochs": N_EPOCHS},
        space=SPACE,
        facts=FACTS,
        arms={
            "none": {"schema": "automix.policy/1", "branches": [{"mixer": {"name": "none"}}]},
            "cutmix": {"schema": "automix.policy/1", "branches": [{"mixer": {"name": "cutmix"}}]},
        },
    )


def trained(policy: int, *, seed: int = 0, top1: float = 0.5, arm: str = "", params=None, **share: float) -> Trained:
    """Return a training whose accuracy rises to ``top1`` and whose log-loss falls to one minus it."""
    job = Job(policy, seed=seed, **share)
    rising = tuple(top1 * (epoch + 1) / N_EPOCHS for epoch in range(N_EPOCHS))
    return Trained(
        job=job,
        title=f"policy {policy}",
        arm=arm,
        params=params or {},
        guided=False,
        top1=rising,
        logloss=tuple(2.0 - value - top1 for value in rising),
        cpu_s=1.0,
    )


def bank(path: Path, *some: Trained) -> Bank:
    return Bank(path, header(), {one.job: one for one in some})
