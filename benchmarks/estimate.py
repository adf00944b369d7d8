"""What five searches were estimated to cost, beside what they cost: the numbers of docs/cost.md.

Run `python benchmarks/estimate.py --images DIR`, where DIR holds fashion-mnist-3k/fashion_mnist_3k.npz and
cifar10-jpeg/cifar10_jpeg.npz; searches whose images are not there are left out. About ten minutes of processor time.
Every search is the real command in a work folder of its own. Processor time is compared: on a machine that does other
things, too, the clock says nothing about the estimate.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import torch

_CIFAR = ("--limit", "600", "--confirm", "0", "--epochs", "4")
SEARCHES = {
    "digits, smoke": ("--preset", "smoke"),
    "digits, 400 images, 40 % noise, 40 epochs": (
        *("--preset", "smoke", "--limit", "400", "--label-noise", "0.4"),
        *("--epochs", "40", "--trials", "8", "--confirm", "2"),
    ),
    "Fashion, 1000 images, 8 epochs": (
        *("--data", "npz:{images}/fashion-mnist-3k/fashion_mnist_3k.npz", "--limit", "1000"),
        *("--preset", "smoke", "--trials", "10"),
    ),
    "CIFAR, 600 images, 4 epochs, every method": (
        *("--data", "npz:{images}/cifar10-jpeg/cifar10_jpeg.npz", "--trials", "20"),
        *_CIFAR,
    ),
    "CIFAR, 600 images, 4 epochs, space vit": (
        *("--data", "npz:{images}/cifar10-jpeg/cifar10_jpeg.npz", "--space", "vit", "--trials", "18"),
        *_CIFAR,
    ),
}


def run(options: tuple[str, ...], images: Path, workers: int) -> dict[str, float] | None:
    """Search in a new folder; return the account, or None where the images are not there."""
    given = [option.format(images=images) for option in options]
    files = [Path(option.removeprefix("npz:")) for option in given if option.startswith("npz:")]
    if not all(file.exists() for file in files):
        return None
    with tempfile.TemporaryDirectory() as folder:
        places = ["--work", f"{folder}/work", "--out", f"{folder}/out", "--workers", str(workers), "--no-memory"]
        command = [sys.executable, "-m", "automix", "search", *given, *places, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(done.stderr)
        account: dict[str, float] = json.loads(done.stdout)["cost"]
    return account


def main() -> None:
    """Print a row of the table for each search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=Path("../shared/data"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", help="a part of a search's name")
    options = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, torch {torch.__version__}, {options.workers} workers")
    print("| search | trials, trainings | processor time estimated | taken | estimate / taken |")
    print("|---|---|---|---|---|")
    for name, given in SEARCHES.items():
        account = run(given, options.images, options.workers) if (options.only or name) in name else None
        if account is not None:
            estimated, taken = account["total_cpu_s"], account["actual_cpu_s"]
            work = f"{account['n_trials']}, {account['n_trainings']}"
            print(f"| {name} | {work} | {estimated:.0f} s | {taken:.0f} s | {estimated / taken:.2f} |", flush=True)


if __name__ == "__main__":
    main()
