"""What Optuna and MLflow on SQLite cost per epoch and per trial, beside the same with SQLite's defaults.

Run `python benchmarks/bookkeeping.py`. It goes through a search without training: ask, suggest, report, prune, log,
finish, each with as much data as a real trial writes. The two settings take turns trial by trial in one process, since
the load of a machine changes within minutes. Goals on a quiet machine: 25 ms an epoch and 250 ms a trial.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import optuna

from automix.storage import optuna_storage, sqlite_url
from automix.tracking import Tracker, artifact_root, keys, tracking_uri

METHODS = ("cutmix", "mixup", "resizemix", "fmix", "gridmix")
GOALS_MS = {"epoch": 25.0, "trial": 250.0}
POLICY = "schema: automix.policy/1\nbranches:\n" + "  - mixer: {name: cutmix, prob: 0.8}\n    ratio: {name: beta}\n" * 8
METRICS = (
    *(keys.VAL_TOP1, keys.VAL_BALANCED_TOP1, keys.VAL_LOGLOSS, keys.VAL_ECE, keys.TRAIN_LOSS, keys.LEARNING_RATE),
    *(keys.TRAIN_MIXED_TOP1, keys.TRAIN_CLEAN_TOP1, keys.COST_IMAGES_PER_S, keys.COST_EPOCH_S),
)


@dataclass
class Times:
    """Milliseconds of each part, one entry per epoch or trial."""

    optuna_epoch: list[float] = field(default_factory=list)
    mlflow_epoch: list[float] = field(default_factory=list)
    optuna_trial: list[float] = field(default_factory=list)
    mlflow_trial: list[float] = field(default_factory=list)


class Search:
    """A search in a work folder of its own that trains nothing."""

    def __init__(self, work: Path, storage: optuna.storages.RDBStorage) -> None:
        self.times = Times()
        self._tracker = Tracker(tracking_uri(work), artifact_root(work))
        self._parent = self._tracker.parent_run("digits", "bookkeeping")
        sampler = optuna.samplers.TPESampler(multivariate=True, group=True, seed=0)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=5)
        self._study = optuna.create_study(storage=storage, study_name="bookkeeping", sampler=sampler, pruner=pruner)

    def run_trial(self, slot: int, n_epochs: int) -> None:
        """Do everything that a trial does except train."""
        begun = time.perf_counter()
        trial = self._study.ask()
        method = trial.suggest_categorical("mixer", METHODS)
        params = {f"{name}.{method}": trial.suggest_float(f"{name}.{method}", 0, 1) for name in ("alpha", "prob")}
        for name, value in (("slot", slot), ("policy_key", "0123456789ab"), ("policy", POLICY)):
            trial.set_user_attr(name, value)
        asked = _ms_since(begun)

        begun = time.perf_counter()
        run = self._tracker.slot_run(self._parent, slot, method, {"mixer": method, **params}, {keys.METHOD: method})
        self._tracker.text(run, keys.POLICY_FILE, POLICY)
        opened = _ms_since(begun)

        for epoch in range(1, n_epochs + 1):
            self._run_epoch(trial, run, epoch)

        begun = time.perf_counter()
        self._study.tell(trial, sum(params.values()))
        self.times.optuna_trial.append(asked + _ms_since(begun))
        begun = time.perf_counter()
        self._tracker.finish(run, "complete", {keys.BEST_TOP1: 0.9, keys.DELTA_TOP1: 0.0, keys.COST_TOTAL_S: 1.0})
        self.times.mlflow_trial.append(opened + _ms_since(begun))

    def _run_epoch(self, trial: optuna.Trial, run: str | None, epoch: int) -> None:
        metrics = dict.fromkeys(METRICS, epoch / 100)
        begun = time.perf_counter()
        trial.report(metrics[keys.VAL_LOGLOSS], epoch)
        trial.set_user_attr(f"epoch_{epoch}", metrics)
        trial.should_prune()
        self.times.optuna_epoch.append(_ms_since(begun))
        begun = time.perf_counter()
        self._tracker.epoch(run, metrics, epoch)
        self.times.mlflow_epoch.append(_ms_since(begun))


def main() -> None:
    """Run both settings and print what they cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        searches = _searches(Path(folder))
        for slot in range(options.trials):
            for search in searches.values():
                search.run_trial(slot, options.epochs)
    _print(searches, options.trials, options.epochs)


def _searches(folder: Path) -> dict[str, Search]:
    ours, plain = folder / "ours", folder / "plain"
    first = Tracker(tracking_uri(ours), artifact_root(ours))
    _timed("MLflow: creating the store", lambda: first.ensure_store(lambda _: None))
    plain.mkdir()
    shutil.copy(ours / "mlflow.db", plain / "mlflow.db")
    connection = sqlite3.connect(plain / "mlflow.db")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    defaults = optuna.storages.RDBStorage(sqlite_url(plain / "optuna.db"))
    return {"automix": Search(ours, optuna_storage(ours / "optuna.db")), "SQLite defaults": Search(plain, defaults)}


def _print(searches: dict[str, Search], n_trials: int, n_epochs: int) -> None:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{n_trials} trials of {n_epochs} epochs each, {os.cpu_count()} cores, load {load}; ms, median (10 to 90 %)")
    for name, search in searches.items():
        print(f"\n{name}")
        for unit, goal in GOALS_MS.items():
            parts = [getattr(search.times, f"{tool}_{unit}") for tool in ("optuna", "mlflow")]
            both = [sum(pair) for pair in zip(*parts, strict=True)]
            for label, values in zip(("Optuna", "MLflow", "both"), (*parts, both), strict=True):
                print(f"  {unit:5} {label:6} {_spread(values)}")
            print(f"  {unit:5} goal   {goal:6.1f}  {'kept' if statistics.median(both) < goal else 'MISSED'}")


def _spread(values: list[float]) -> str:
    tenths = statistics.quantiles(values, n=10)
    return f"{statistics.median(values):6.1f}  ({tenths[0]:.1f} to {tenths[-1]:.1f})"


def _timed(label: str, action: Callable[[], object]) -> None:
    begun = time.perf_counter()
    action()
    print(f"{label}: {_ms_since(begun) / 1000:.1f} s")


def _ms_since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    main()
