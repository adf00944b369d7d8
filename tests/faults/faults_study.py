"""Campaigns of kills on studies that train nothing: their numbers are a chain of hashes, all else is automix.

Optuna's, automix's and MLflow's databases, checkpoints, locks, supervisor, workers and the confirm stage are the real
ones. A training's state is a digest; each epoch hashes it on and makes the metrics from it. So a state that was lost,
torn or read twice changes every number after it.

Run as a script this is one campaign: studies in one work folder, each started again and again with other shots
(`holes`), until so many kills have hit. It prints as JSON what died where and how long it took.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.extend([str(Path(__file__).parent), str(Path(__file__).parents[1] / "search")])

import holes
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  imported once, before the forks
import torch
from holes import Shot, write_line
from nursery import Nursery
from search_fakes import FakeHost, FakeSpace, FakeTracker, make_config
from torch import nn

import automix.search.confirm_stage as confirm_stage
import automix.search.confirm_worker as confirm_worker
import automix.search.launch as launch
import automix.search.supervisor as supervisor
import automix.search.worker as worker
from automix.policy import PolicyDocument
from automix.search import Machine, SearchResult, StudyConfig, StudyFolder, run_search
from automix.search.bench import Bench
from automix.search.locks import try_lock
from automix.search.rounds import Confirmed, ConfirmPlan, Entrant, Round
from automix.tracking import Tracker, artifact_root, tracking_uri
from automix.training.checkpoint import CheckpointStore
from automix.training.export import ModelCard, save_model
from automix.training.result import EpochReport, TrainResult

N_EPOCHS, N_TRIALS = 3, 9
SEARCH_SEED = 0
CONFIRM_SEEDS = (101, 102)
_QUALITY = {"none": 0.0, "mixup": 0.1, "cutmix": 0.2}
_LIFE_LIMIT_S = 120.0
_PR_SET_CHILD_SUBREAPER = 36
_NURSERY = 10


def digest_of(document: PolicyDocument, seed: int, epoch: int) -> bytes:
    """The state after an epoch, as a training that nobody disturbed has it."""
    digest = f"{document.key()} {seed}".encode()
    for _ in range(epoch):
        digest = _next(digest)
    return digest


def _next(digest: bytes) -> bytes:
    return hashlib.blake2b(digest, digest_size=16).digest()


def report_of(document: PolicyDocument, epoch: int, digest: bytes) -> EpochReport:
    """An epoch's metrics: some from the policy, so that there is something to find, the rest from the state."""
    mixer = document.branches[0].mixer
    quality = _QUALITY[mixer.name] - 0.05 * abs(mixer.params.get("alpha", 1.0) - 1)
    top1 = 0.4 + 0.05 * epoch + quality + 0.02 * digest[0] / 255
    metrics = {"val/top1": top1, "val/balanced_top1": top1, "val/logloss": 2 - 2 * top1, "val/ece": digest[1] / 2550}
    cost = {"cost/epoch_s": 0.01, "cost/cpu_s": 0.01, "cost/img_s": 1000.0}
    return EpochReport(epoch=epoch, n_epochs=N_EPOCHS, metrics={**metrics, **cost}, seconds=0.01, images_per_s=1000.0)


def chain_train(
    document: PolicyDocument,
    *,
    folder: Path,
    attempt: int = 0,
    seed: int = SEARCH_SEED,
    on_epoch: Any = lambda _: "continue",
    should_stop: Any = lambda: False,
) -> TrainResult:
    """Train as `automix.training.loop.train` does, from checkpoint to checkpoint."""
    if document.branches[0].mixer.name == "raises":
        raise RuntimeError("this method is broken")
    checkpoints = CheckpointStore(folder, attempt=attempt)
    state = checkpoints.load() or {"digest": digest_of(document, seed, 0).hex(), "curve": [], "noise": torch.zeros(512)}
    digest, curve = bytes.fromhex(state["digest"]), [EpochReport(**row) for row in state["curve"]]
    status = "complete"
    for epoch in range(len(curve) + 1, N_EPOCHS + 1):
        if should_stop():
            status = "stopped"
            break
        digest = _next(digest)
        report = report_of(document, epoch, digest)
        curve.append(report)
        decision = on_epoch(report)
        if decision == "prune":
            status = "pruned"
            break
        checkpoints.save_best(nn.Linear(1, 1), card())
        saved = {"digest": digest.hex(), "curve": [one.to_dict() for one in curve], "noise": torch.zeros(512)}
        checkpoints.save(saved, epoch)
        if decision == "stop" and epoch < N_EPOCHS:
            status = "stopped"
            break
    model = nn.Linear(1, 1)
    return TrainResult(status=status, curve=tuple(curve), best_epoch=len(curve), document=document, model=model)  # type: ignore[arg-type]


def card() -> ModelCard:
    return ModelCard(model="m", classes=("a", "b"), channels=1, image_size=(8, 8), mean=(0.5,), std=(0.5,))


def tracker_of(work: Path) -> Any:
    """MLflow where the work folder has a store."""
    return Tracker(tracking_uri(work), artifact_root(work)) if (work / "mlflow.db").exists() else FakeTracker()


def open_chain_bench(_: StudyConfig, folder: StudyFolder) -> Bench:
    return Bench(FakeHost(), FakeSpace(), chain_train, tracker_of(folder.work))  # type: ignore[arg-type]


def open_chain_rounds(_: StudyConfig, __: StudyFolder) -> confirm_worker.TrainRound:
    return train_chain_round


def train_chain_round(one: Round, should_stop: Any) -> Confirmed | None:
    document = PolicyDocument.from_dict(one.entrant.policy)
    result = chain_train(document, folder=one.checkpoint, seed=one.seed, should_stop=should_stop)
    if result.status != "complete":
        return None
    save_model(one.model_file, result.model, card())
    return confirmed(document, result.last)


def confirmed(document: PolicyDocument, metrics: Any) -> Confirmed:
    values = {"metrics": metrics, "temperature": 1.0}
    return Confirmed(**values, policy=document.to_dict(), seconds=0.04)


def stage_of() -> ConfirmPlan:
    """Three policies on two seeds."""
    documents = [
        PolicyDocument.of("none"),
        PolicyDocument.of("mixup", alpha=1.0),
        PolicyDocument.of("cutmix", alpha=1.0),
    ]
    entrants = [Entrant(one.title(), one.title(), one.key(), one.to_dict()) for one in documents]
    return ConfirmPlan(tuple(entrants), CONFIRM_SEEDS)


@dataclass(frozen=True, kw_only=True)
class Life:
    """One start of a search or of its confirm stage, and who dies in it."""

    name: str
    work: Path
    n_workers: int
    is_confirm: bool = False
    supervisor: Shot | None = None
    workers: tuple[Shot | None, ...] = ()
    """By start of a worker; those after the last one are left alone."""
    group_after_s: float | None = None

    @property
    def journal(self) -> Path:
        """Takes a line for every death."""
        return self.work / "deaths.txt"

    @property
    def log(self) -> Path:
        return self.work / f"supervisor-{self.name}.log"


def live(life: Life) -> str:
    """Start a supervisor and wait for its end, whoever brings it; returns how a search ended by itself, or "killed".

    Raises:
        RuntimeError: it ended in a way that nobody brought about, or did not end.
    """
    outcome = life.work / f"outcome-{life.name}"
    outcome.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        _supervise(life, outcome)
    code = _wait(pid, life)
    if code == 0:
        return outcome.read_text()
    if code not in (-signal.SIGKILL, -signal.SIGALRM):
        raise RuntimeError(f"A supervisor ended with {code}:\n{life.log.read_text()[-3000:]}")
    return "killed"


def _wait(pid: int, life: Life) -> int:
    begun = time.monotonic()
    is_shot = False
    while True:
        done, status = os.waitpid(-1, os.WNOHANG)  # orphaned workers are handed to us and have to be reaped, too
        if done == pid:
            code = os.waitstatus_to_exitcode(status)
            if code == -signal.SIGALRM:
                write_line(life.journal, "supervisor at a random moment")
            return code
        lived_s = time.monotonic() - begun
        if life.group_after_s is not None and lived_s > life.group_after_s and not is_shot:
            is_shot = True
            write_line(life.journal, "group at a random moment")
            os.killpg(pid, signal.SIGKILL)
        if lived_s > _LIFE_LIMIT_S:
            os.killpg(pid, signal.SIGKILL)
            raise RuntimeError(f"A supervisor did not end:\n{life.log.read_text()[-3000:]}")
        if not done:
            time.sleep(0.005)


def _supervise(life: Life, outcome: Path) -> None:
    """Be the supervisor; does not return."""
    os.setsid()
    log = os.open(life.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        nursery = Nursery(_NURSERY, _worker_of(life), lambda: write_line(life.journal, "worker at a random moment"))
        launch.subprocess = SimpleNamespace(  # type: ignore[attr-defined]
            Popen=nursery.popen, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT
        )
        supervisor._POLL_S = confirm_stage._POLL_S = 0.1
        if life.supervisor is not None:
            life.supervisor.arm(life.journal, "supervisor")
        outcome.write_text(_confirm(life) if life.is_confirm else _search(life).ending.value)
        code = 0
    except BaseException:  # noqa: BLE001  it is told to the log, and by the exit code
        traceback.print_exc()
    finally:
        os._exit(code)


def _search(life: Life) -> SearchResult:
    return run_search(
        config_of(life.name, life.work),
        work=life.work,
        host=FakeHost(),  # type: ignore[arg-type]
        data=SimpleNamespace(fingerprint=SimpleNamespace(meta={})),  # type: ignore[arg-type]
        machine=Machine(n_workers=life.n_workers, n_cores=2),
        tracker=tracker_of(life.work),
        command=["worker"],
    )


def _confirm(life: Life) -> str:
    folder = StudyFolder(life.work, life.name)
    with try_lock(folder.lock_file) or sys.exit("locked"):
        done = confirm_stage.run_confirm_stage(
            stage_of(), folder, Machine(n_workers=life.n_workers, n_cores=2), print, command=["worker"]
        )
    return "complete" if done else "stopped"


def config_of(name: str, work: Path) -> StudyConfig:
    arms = ("none", "raises", "cutmix")
    return make_config(name, work / "out" / name, arms=arms, n_trials=N_TRIALS, settings={"epochs": N_EPOCHS})


def _worker_of(life: Life) -> Any:
    def run(command: Sequence[str], number: int) -> int:
        worker._PAUSE_S = confirm_worker._PAUSE_S = 0.02
        shot = life.workers[number] if number < len(life.workers) else None
        if shot is not None:
            shot.arm(life.journal, "worker")
        if life.is_confirm:
            return confirm_worker.confirm_main(life.work, life.name, int(command[-1]), open_rounds=open_chain_rounds)
        return worker.worker_main(life.name, life.work, int(command[-1]), open_bench=open_chain_bench)

    return run


@dataclass(kw_only=True)
class Campaign:
    """Studies that are killed until they are complete, one after the other.

    Attributes:
        work: folder that the databases are made in.
        n_kills: that are wanted; the study in hand is finished after that.
        n_workers: of each start.
        seed: of the shots.
        is_confirm: shoot in the confirm stage and leave the search alone.
        is_fresh: a work folder for each study, so that databases are made again and again.
        has_mlflow: trials are shown in a real MLflow store.
        studies: those that were run, by (work folder, name).
    """

    work: Path
    n_kills: int
    n_workers: int
    seed: int
    is_confirm: bool = False
    is_fresh: bool = False
    has_mlflow: bool = False
    studies: list[tuple[str, str]] = field(default_factory=list)
    n_starts: int = 0

    def run(self) -> dict[str, Any]:
        begun = time.monotonic()
        chance = random.Random(self.seed)
        store = _mlflow_store(self.work / "template") if self.has_mlflow else None
        deaths: list[str] = []
        while len(deaths) < self.n_kills:
            work = self.work / (f"work-{len(self.studies)}" if self.is_fresh else "work")
            if not work.exists():
                work.mkdir()
                if store is not None:
                    shutil.copy(store, work / store.name)
            name = f"s{len(self.studies)}"
            self.studies.append((str(work), name))
            self._until_complete(name, work, chance)
            deaths = _lines(self.work)
        counts = Counter(deaths)
        return {
            "kills": dict(counts.most_common()),
            "n_kills": len(deaths),
            "n_starts": self.n_starts,
            "studies": self.studies,
            "seconds": time.monotonic() - begun,
        }

    def _until_complete(self, name: str, work: Path, chance: random.Random) -> None:
        calm = {"name": name, "work": work, "n_workers": self.n_workers}
        if self.is_confirm:
            assert live(Life(**calm)) == "complete"
        while True:
            self.n_starts += 1
            life = Life(**calm, is_confirm=self.is_confirm, **self._shots(chance))
            if live(life) == "complete":
                return

    def _shots(self, chance: random.Random) -> dict[str, Any]:
        """Draw who dies: up to two workers (a third death in a row fails a slot), then the supervisor or everybody."""
        of_worker = self._holes(holes.CONFIRM_WORKER if self.is_confirm else holes.WORKER)
        of_supervisor = self._holes(holes.CONFIRM_SUPERVISOR if self.is_confirm else holes.SUPERVISOR)
        shots: dict[str, Any] = {"workers": tuple(_shot(of_worker, chance) for _ in range(2))}
        last = chance.random()
        if last < 0.3:
            shots["supervisor"] = _shot(of_supervisor, chance)
        elif last < 0.6:
            shots["workers"] = (*shots["workers"], _shot(of_worker, chance, is_group=True))
        elif last < 0.8:
            shots["group_after_s"] = chance.uniform(0.1, 2.0)
        return shots

    def _holes(self, own: dict[str, holes.Hole]) -> list[str]:
        """Name what can be hit: own moments twice, since there are more of them than of what all processes do."""
        common = holes.FILES if self.is_confirm else {**holes.FILES, **holes.DATABASES}
        mine = [name for name, hole in own.items() if self.has_mlflow or "tracking" not in hole.where]
        return [*common, *mine, *mine]


def _shot(among: Sequence[str], chance: random.Random, *, is_group: bool = False) -> Shot:
    if not is_group and chance.random() < 0.2:
        return Shot(after_s=chance.uniform(0.05, 1.5))
    hole = chance.choice(among)
    # Transactions have many statements and there are many of them; a proposal comes once in a slot.
    many = {"inside a transaction": 400, "before a commit": 60, "after a commit": 60}
    return Shot(hole=hole, count=1 + int(chance.random() ** 2 * many.get(hole, 5)), is_group=is_group)


def _lines(work: Path) -> list[str]:
    return [line for journal in sorted(work.rglob("deaths.txt")) for line in journal.read_text().splitlines()]


def _mlflow_store(folder: Path) -> Path:
    """Make an MLflow store to copy, in a process of its own: this one must open no database."""
    folder.mkdir(parents=True)
    pid = os.fork()
    if pid == 0:
        Tracker(tracking_uri(folder), artifact_root(folder)).ensure_store(lambda _: None)
        os._exit(0)
    os.waitpid(pid, 0)
    return folder / "mlflow.db"


def main() -> int:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    values = json.loads(sys.argv[1])
    campaign = Campaign(**{**values, "work": Path(values["work"])})
    sys.stdout.write(json.dumps(campaign.run()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
