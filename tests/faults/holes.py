"""Named moments at which a process of a search is killed, and how: no code of automix knows of them.

A shot wraps a function of the process that it is meant for; at its n-th call the process sends itself, or its whole
process group, SIGKILL or another signal. So the moment is exact, and after SIGKILL nothing of Python runs. A shot
without a hole is a timer: the kernel ends the process between any two instructions.
"""

from __future__ import annotations

import functools
import importlib
import io
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Moment = Literal["before", "after", "torn"]


@dataclass(frozen=True)
class Hole:
    """A function ("module:Class.name") and the side of its call on which the process dies."""

    where: str
    moment: Moment


def _around(name: str, where: str) -> dict[str, Hole]:
    return {f"before {name}": Hole(where, "before"), f"after {name}": Hole(where, "after")}


DATABASES = {
    **_around("a commit", "sqlalchemy.engine.default:DefaultDialect.do_commit"),
    "inside a transaction": Hole("sqlalchemy.engine.default:DefaultDialect.do_execute", "after"),
}
FILES = {
    "before a file has its name": Hole("pathlib:Path.replace", "before"),
    "after a file has its name": Hole("pathlib:Path.replace", "after"),
    "before a file is on the disk": Hole("os:fsync", "before"),
}

WORKER = {
    "before a proposal is thought out": Hole("automix.search.worker:sampled_proposal", "before"),
    "between a proposal and its trial": Hole("automix.search.worker:sampled_proposal", "after"),
    "between a trial and its lease": Hole("automix.search.ledger:Ledger.open", "after"),
    **_around("a slot is adopted", "automix.search.ledger:Ledger.adopt"),
    "between an epoch's row and its intermediate value": Hole("automix.search.ledger:Ledger._set", "after"),
    "between an epoch in the book and MLflow": Hole("automix.tracking.tracker:Tracker.epoch", "before"),
    "during an epoch's log in MLflow": Hole("automix.tracking.tracker:Tracker._log", "before"),
    "between MLflow and the checkpoint": Hole("automix.training.checkpoint:CheckpointStore.save", "before"),
    "in the middle of the checkpoint's file": Hole("torch:save", "torn"),
    "after a checkpoint": Hole("automix.training.checkpoint:CheckpointStore.save", "after"),
    "before the best model is kept": Hole("automix.training.checkpoint:save_model", "before"),
    "before a slot is settled": Hole("optuna.study:Study.tell", "before"),
    "between a settled slot and the removal of its state": Hole(
        "automix.search.folder:StudyFolder.discard_state", "before"
    ),
    "between a settled slot and MLflow": Hole("automix.tracking.tracker:Tracker.finish", "before"),
}
SUPERVISOR = {
    **_around("the study is written", "automix.search.run:save_config"),
    **_around("the databases are made", "automix.search.run:open_databases"),
    "in the middle of automix.db's migration": Hole(
        "alembic.runtime.migration:MigrationContext._ensure_version_table", "after"
    ),
    **_around("a worker is started", "automix.search.launch:Fleet.start"),
    "between search and memory": Hole("automix.search.run:remember_results", "before"),
    "during the memory's rows": Hole("automix.storage.store:Store.remember_result", "after"),
    "between memory and MLflow": Hole("automix.search.run:show_results", "before"),
    "after the end in MLflow": Hole("automix.search.run:show_results", "after"),
}
CONFIRM_WORKER = {
    **_around("a training is settled", "automix.search.rounds:Round.settle"),
    "between the last epoch and the kept model": Hole("automix.training.export:save_model", "before"),
    "between a settled training and the removal of its state": Hole("shutil:rmtree", "before"),
    "between MLflow and the checkpoint": WORKER["between MLflow and the checkpoint"],
    "in the middle of the checkpoint's file": WORKER["in the middle of the checkpoint's file"],
}
CONFIRM_SUPERVISOR = {
    "before the plan is written": Hole("automix.search.rounds:ConfirmPlan.save", "before"),
    "after the plan is written": Hole("automix.search.rounds:ConfirmPlan.save", "after"),
    **_around("a worker is started", "automix.search.launch:Fleet.start"),
}
STAGES = {
    "while the cost is measured": Hole("automix.costing:measure_cost", "before"),
    "between search and results": Hole("automix.search.run:show_results", "before"),
    "while results are written": Hole("automix.api:export_results", "before"),
    "while it comes to a verdict": Hole("automix.confirming:decide", "before"),
}
"""Moments of the real command at which somebody may press Ctrl-C."""
ALL = {**DATABASES, **FILES, **WORKER, **SUPERVISOR, **CONFIRM_WORKER, **CONFIRM_SUPERVISOR, **STAGES}


@dataclass(frozen=True, kw_only=True)
class Shot:
    """How a process dies: at the ``count``-th call of a hole, or after ``after_s`` seconds where ``hole`` is empty.

    ``is_group`` says that its whole process group dies with it; ``number`` is the signal.
    """

    hole: str = ""
    count: int = 1
    after_s: float = 0.0
    is_group: bool = False
    number: int = signal.SIGKILL

    def arm(self, journal: Path, who: str) -> None:
        """Aim at this process; it writes a line to ``journal`` before it dies in a hole."""
        if not self.hole:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, self.after_s)  # unhandled, the alarm ends a process as SIGKILL does
            return
        hole = ALL[self.hole]
        owner, name = _resolve(hole.where)
        last_words = f"{'group, by a ' if self.is_group else ''}{who} {self.hole}"
        setattr(owner, name, self._wrapped(getattr(owner, name), hole.moment, journal, last_words))

    def _wrapped(self, function: Any, moment: Moment, journal: Path, last_words: str) -> Any:
        left = self.count

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left:
                return function(*args, **kwargs)
            write_line(journal, last_words)
            if moment == "torn":
                _tear(function, *args, **kwargs)
            elif moment == "after":
                result = function(*args, **kwargs)
                self._send()
                return result
            self._send()
            return function(*args, **kwargs)

        return wrapper

    def _send(self) -> None:
        if self.is_group:
            os.killpg(0, self.number)
        else:
            os.kill(os.getpid(), self.number)


def write_line(path: Path, line: str) -> None:
    """Append a line in one system call, by means that no shot is aimed at."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def _resolve(where: str) -> tuple[Any, str]:
    module, _, path = where.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    return owner, name


def _tear(function: Any, value: Any, file: Any) -> None:
    """Write the first half of what ``function`` would write."""
    whole = io.BytesIO()
    function(value, whole)
    file.write(whole.getvalue()[: whole.tell() // 2])
    file.flush()
