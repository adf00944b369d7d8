"""Small vision transformers under methods that look at attention, beside CutMix and no mixing, on fresh seeds.

Run `python benchmarks/token_methods.py --images FOLDER` (about half an hour of processor time), FOLDER holding
cifar10-jpeg/cifar10_jpeg.npz. Every method is trained on the same seeds: at equal epochs, and at equal time, for which
a method gets as many epochs as its measured processor time per epoch leaves it of CutMix's. It goes on where it was
stopped (`--out`). What is compared is the accuracy of the last epoch on validation images that nothing was chosen by.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from automix.data import DataSet, open_data
from automix.manager import build_host
from automix.policy import PolicyDocument, complete
from automix.training.loop import train
from automix.training.settings import TrainSettings

HOST = build_host()
SEEDS = (11, 12, 13)
_T = {2: 4.303}
"""95 % quantile of Student's t, two-sided, by degrees of freedom (three seeds)."""


def _policy(mixer: str, labels: str | None = None, guide: str | None = None) -> PolicyDocument:
    slots = {"mixer": {"name": mixer}}
    slots |= {"labels": {"name": labels}} if labels else {}
    slots |= {"guide": {"name": guide}} if guide else {}
    document = PolicyDocument.from_dict({"schema": "automix.policy/1", "branches": [slots]})
    return complete(document, HOST.registry)


METHODS: Mapping[str, PolicyDocument] = {
    "no mixing": _policy("none"),
    "cutmix": _policy("cutmix"),
    "cutmix + transmix": _policy("cutmix", labels="transmix"),
    "cutmix + tl_align": _policy("cutmix", labels="tl_align"),
    "tdattenmix, self_attention": _policy("tdattenmix", guide="self_attention"),
}


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("automix-work"))
    parser.add_argument("--out", type=Path, default=Path("token_methods.jsonl"))
    parser.add_argument("--limit", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = open_data(
        f"npz:{options.images / 'cifar10-jpeg' / 'cifar10_jpeg.npz'}", work=options.work, limit=options.limit
    )
    settings = TrainSettings(model="automix_vit_mini", epochs=options.epochs, lr=2e-3)
    known = _read(options.out)
    for seed in SEEDS:
        for name in METHODS:
            _trained(data, name, replace(settings, seed=seed), known, options.out)
    reference = _cost(known, "cutmix", options.epochs)
    fair = {
        name: max(1, round(options.epochs * reference / _cost(known, name, options.epochs)))
        for name in METHODS
        if name != "cutmix"
    }
    for seed in SEEDS:
        for name, epochs in fair.items():
            _trained(data, name, replace(settings, seed=seed, epochs=epochs), known, options.out)
    _print(known, options.epochs, {"cutmix": options.epochs, **fair})


Known = dict[tuple[str, int, int], dict[str, Any]]
"""By method, seed and epochs."""


def _read(file: Path) -> Known:
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {(row["name"], row["seed"], row["epochs"]): row for row in rows}


def _trained(data: DataSet, name: str, settings: TrainSettings, known: Known, file: Path) -> None:
    key = (name, settings.seed, settings.epochs)
    if key in known:
        return
    result = train(data, METHODS[name], settings, registry=HOST.registry)
    row: dict[str, Any] = {
        "name": name,
        "seed": settings.seed,
        "epochs": settings.epochs,
        "top1": result.curve[-1].metrics["val/top1"],
        "logloss": result.curve[-1].metrics["val/logloss"],
        "cpu_s": statistics.median(report.metrics["cost/cpu_s"] for report in result.curve),
    }
    known[key] = row
    with file.open("a") as stream:
        stream.write(json.dumps(row) + "\n")
    print(f"{name}, seed {settings.seed}, {settings.epochs} epochs: {100 * row['top1']:.2f} %", flush=True)


def _cost(known: Known, name: str, epochs: int) -> float:
    """Processor seconds of an epoch, median over seeds."""
    return float(statistics.median(known[name, seed, epochs]["cpu_s"] for seed in SEEDS))


def _print(known: Known, epochs: int, fair: Mapping[str, int]) -> None:
    print("| method | equal epochs | gain | log-loss | s per epoch | epochs at equal time | accuracy | gain |")
    print("|---|---|---|---|---|---|---|---|")
    for name in METHODS:
        full, short = _values(known, name, epochs, "top1"), _values(known, name, fair[name], "top1")
        base, base_short = (_values(known, "no mixing", n, "top1") for n in (epochs, fair["no mixing"]))
        loss = statistics.mean(_values(known, name, epochs, "logloss"))
        print(
            f"| {name} | {100 * statistics.mean(full):.1f} | {_gain(full, base)} | {loss:.3f} | "
            f"{_cost(known, name, epochs):.2f} | {fair[name]} | {100 * statistics.mean(short):.1f} | "
            f"{_gain(short, base_short)} |"
        )


def _values(known: Known, name: str, epochs: int, metric: str) -> list[float]:
    return [known[name, seed, epochs][metric] for seed in SEEDS]


def _gain(values: list[float], base: list[float]) -> str:
    """Mean of the paired differences in points, with its 95 % t interval."""
    differences = [100 * (value - other) for value, other in zip(values, base, strict=True)]
    if not any(differences):
        return ""
    reach = _T[len(differences) - 1] * statistics.stdev(differences) / math.sqrt(len(differences))
    return f"{statistics.mean(differences):+.1f} ± {reach:.1f}"


if __name__ == "__main__":
    main()
