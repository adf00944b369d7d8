"""A study without images: policies are numbers, epochs take milliseconds, and what was done is written to a file.

Run as a script it is a process of such a study:

    search_fakes.py search NAME WORK OPTIONS   a supervisor with workers; prints how it ended as JSON
    search_fakes.py worker NAME WORK I         one worker
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from automix.errors import AutomixError, SpaceError
from automix.policy import PolicyDocument
from automix.search import Arm, Machine, StudyConfig, StudyFolder, run_search
from automix.search.folder import replace_text

if TYPE_CHECKING:
    from automix.search.bench import Bench

METHODS = ["none", "mixup", "cutmix"]


class FakeSpace:
    """A method and its alpha."""

    def suggest(self, trial: Any) -> PolicyDocument:
        mixer = trial.suggest_categorical("mixer", METHODS)
        if mixer == "none":
            return PolicyDocument.of("none")
        return PolicyDocument.of(mixer, alpha=trial.suggest_float(f"alpha.{mixer}", 0.1, 2.0))

    def encode(self, document: PolicyDocument) -> dict[str, Any]:
        mixer = document.branches[0].mixer
        if mixer.name not in METHODS:
            raise SpaceError(f"{mixer.name} does not take part")
        alpha = {f"alpha.{mixer.name}": mixer.params["alpha"]} if mixer.params else {}
        return {"mixer": mixer.name, **alpha}

    def normal(self, document: PolicyDocument) -> PolicyDocument:
        return document


@dataclass
class FakeHost:
    """Writes down which moments it was told of."""

    told: list[tuple[str, Any]] = field(default_factory=list)

    def notify(self, hook_name: str, event: Any) -> list[str]:
        self.told.append((hook_name, event))
        return []


class FakeTracker:
    """Accepts everything; counts epochs by run."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.epochs: list[tuple[str, int]] = []
        self.params: dict[str, Any] = {}
        self.texts: dict[str, tuple[str, str]] = {}
        self.finished: dict[str, tuple[str, Any]] = {}

    def ensure_store(self, announce: Callable[[str], None]) -> None:
        announce("making the store")

    def parent_run(self, data_name: str, study: str) -> str:
        return "parent"

    def prepare_view(self, data_name: str, study: str, params: Any) -> None: ...

    def slot_run(self, parent: str | None, slot: int, name: str, params: Any, tags: Any) -> str:
        self.params[f"run-{slot}"] = params
        return f"run-{slot}"

    def text(self, run: str, name: str, content: str) -> None:
        self.texts[run] = (name, content)

    def sync_slot(self, run: str, curve: Any) -> None: ...

    def epoch(self, run: str, metrics: Any, step: int) -> None:
        self.epochs.append((run, step))

    def finish(self, run: str, state: str, metrics: Any = None) -> None:
        self.finished[run] = (state, metrics)


@dataclass(frozen=True)
class FakeReport:
    epoch: int
    n_epochs: int
    metrics: dict[str, float]
    seconds: float = 0.05
    notes: tuple[str, ...] = ()


def metrics_of(document: PolicyDocument, epoch: int) -> dict[str, float]:
    """A value that depends on policy and epoch alone."""
    mixer = document.branches[0].mixer
    alpha = mixer.params.get("alpha", 0.0)
    top1 = 0.5 + 0.02 * epoch + {"none": 0.0, "mixup": 0.1, "cutmix": 0.2}.get(mixer.name, 0.0) - 0.05 * abs(alpha - 1)
    return {"val/top1": top1, "val/logloss": 1 - top1, "cost/cpu_s": 0.04, "cost/img_s": 1000.0}


def fake_train(
    document: PolicyDocument,
    *,
    on_epoch: Any,
    folder: Path,
    attempt: int,
    n_epochs: int = 4,
    epoch_s: float = 0.05,
    journal: Path | None = None,
) -> Any:
    """Train as `automix.training.loop.train` does: report, then save; go on from what was saved."""
    mixer = document.branches[0].mixer.name
    if mixer == "raises":
        raise RuntimeError("this method is broken")
    saved = folder / "state.json"
    done = json.loads(saved.read_text()) if saved.exists() else 0
    curve = [FakeReport(e, n_epochs, metrics_of(document, e)) for e in range(1, done + 1)]
    status = "complete"
    for epoch in range(done + 1, n_epochs + 1):
        time.sleep(epoch_s)
        if mixer == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if mixer == "hangs":
            time.sleep(3600)
        if journal is not None:
            with journal.open("a") as file:
                file.write(f"{folder.parent.name} {epoch}\n")
        notes = ("something was odd",) if (mixer, epoch) == ("odd", 1) else ()
        report = FakeReport(epoch, n_epochs, metrics_of(document, epoch), notes=notes)
        curve.append(report)
        decision = on_epoch(report)
        if decision == "prune":
            status = "pruned"
            break
        replace_text(saved, json.dumps(epoch))
        if decision == "stop" and epoch < n_epochs:
            status = "stopped"
            break
    return SimpleNamespace(
        status=status,
        curve=tuple(curve),
        best_epoch=len(curve),
        best=curve[-1].metrics if curve else {},
        document=document,
    )


def make_config(name: str, out: Path, **changes: Any) -> StudyConfig:
    arms = changes.pop("arms", ("none", "cutmix"))
    documents = [PolicyDocument.of(arm, **({} if arm == "none" else {"alpha": 1.0})) for arm in arms]
    values: dict[str, Any] = {
        "name": name,
        "study_id": "id-" + name,
        "data_key": "key",
        "data_name": "fake",
        "data_spec": "fake:data",
        "data_hash": "0" * 32,
        "settings": {"epochs": 4, "lr": 0.1, "device": "cpu", "epoch_s": 0.05},
        "space": {},
        "facts": {},
        "space_signature": "s",
        "plugins": {"mixer": METHODS},
        "arms": tuple(Arm(arm, document.to_dict()) for arm, document in zip(arms, documents, strict=True)),
        "n_trials": 8,
        "n_startup_trials": 4,
        "out": str(out),
    }
    settings = {**values["settings"], **changes.pop("settings", {})}
    return StudyConfig(**{**values, **changes, "settings": settings})


def open_fake_bench(config: StudyConfig, study: StudyFolder) -> Bench:
    from automix.search.bench import Bench

    def train(document: PolicyDocument, *, on_epoch: Any, folder: Path, attempt: int) -> Any:
        return fake_train(
            document,
            on_epoch=on_epoch,
            folder=folder,
            attempt=attempt,
            n_epochs=config.n_epochs,
            epoch_s=config.settings["epoch_s"],
            journal=study.work / "journal.txt",
        )

    return Bench(FakeHost(), FakeSpace(), train, FakeTracker())  # type: ignore[arg-type]


def search(
    name: str,
    work: Path,
    workers: int = 2,
    listener: Any = None,
    budget_s: float | None = None,
    command: list[str] | None = None,
    **changes: Any,
) -> Any:
    """Run a study of fake worker processes; ``changes`` are those of its config."""
    return run_search(
        make_config(name, work / "out" / name, **changes),
        work=work,
        host=FakeHost(),  # type: ignore[arg-type]
        data=SimpleNamespace(fingerprint=SimpleNamespace(meta={})),  # type: ignore[arg-type]
        machine=Machine(n_workers=workers, n_cores=2),
        listener=listener,
        budget_s=budget_s,
        tracker=FakeTracker(),  # type: ignore[arg-type]
        command=command or [sys.executable, __file__, "worker", name, str(work)],
    )


def _main() -> int:
    role, name, work = sys.argv[1:4]
    if role == "worker":
        from automix.search.worker import worker_main  # imports torch, which the supervisor can do without

        return worker_main(name, Path(work), int(sys.argv[4]), open_bench=open_fake_bench)
    try:
        result = search(name, Path(work), **json.loads(sys.argv[4]))
    except AutomixError as err:
        sys.stderr.write(f"{type(err).__name__}: {err}\n")
        return 2
    sys.stdout.write(json.dumps({"ending": result.ending.value, "best": result.best and result.best.slot}))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
