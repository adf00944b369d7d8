"""The real command on real images, killed and interrupted: it ends as one that nobody disturbed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from holes import Shot

from automix.search import Ledger, SlotState, StudyFolder
from automix.storage import optuna_storage

pytestmark = pytest.mark.slow

TRIALS, SEEDS = 5, 2
_OPTIONS = ["--data", "digits", "--preset", "smoke", "--limit", "128", "--epochs", "3", "--device", "cpu"]
_OPTIONS += ["--trials", str(TRIALS), "--confirm", str(SEEDS), "--workers", "1", "--no-memory"]
_STOPPED = 130
_LIMIT_S = 900.0


class Command:
    """`automix search` for one study, in a process group of its own."""

    def __init__(self, work: Path, name: str) -> None:
        self.work = work
        self.name = name
        self.folder = StudyFolder(work, name)
        self.out = work / "out" / name
        self.process: subprocess.Popen[str] | None = None

    def start(self, shot: Shot | None = None) -> subprocess.Popen[str]:
        place = ["--work", str(self.work), "--out", str(self.out), "--name", self.name]
        prefix = ["-m", "automix"]
        if shot is not None:
            script = str(Path(__file__).with_name("real_command.py"))
            prefix = [script, json.dumps(asdict(shot)), str(self.work / "shots.txt")]
        self.process = subprocess.Popen(
            [sys.executable, *prefix, "search", *_OPTIONS, *place],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return self.process

    def ended(self) -> tuple[int, str]:
        """Wait for its end; return exit code and what it said."""
        assert self.process is not None
        out, _ = self.process.communicate(timeout=_LIMIT_S)
        return self.process.returncode, out

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Wait for a condition; returns whether it came to be before the command ended."""
        assert self.process is not None
        deadline = time.monotonic() + _LIMIT_S
        while self.process.poll() is None:
            if condition():
                return True
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(0.02)
        return False

    def send(self, number: int) -> None:
        """Send a signal to everybody, as a terminal does."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def workers(self) -> list[int]:
        assert self.process is not None
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def is_training(self, slot: int) -> bool:
        return self.folder.slot(slot).exists()

    def n_rounds(self, name: str) -> int:
        """Count the trainings on fresh seeds that have a file of that name."""
        return len(list((self.folder.path / "confirm").glob(f"*/{name}")))

    def outcome(self) -> tuple[Any, ...]:
        """What must not depend on interruptions: everything but times."""
        slots = Ledger(optuna_storage(self.folder.optuna_file), self.name).slots()
        assert all(slot.state in (SlotState.COMPLETE, SlotState.PRUNED) for slot in slots.values())
        trained = [(s.slot, s.proposal.policy, s.state, [_timeless(row) for row in s.curve]) for s in slots.values()]
        results = sorted((self.folder.path / "confirm").glob("*/result.json"))
        confirmed = [(file.parent.name, _timeless(json.loads(file.read_text()))) for file in results]
        verdict = json.loads((self.folder.path / "confirm" / "verdict.json").read_text())
        return trained, confirmed, verdict

    def is_tidy(self) -> bool:
        left = [*self.folder.path.rglob("state.pt"), *self.work.rglob("*.tmp"), *self.folder.path.rglob("checkpoint")]
        slots = self.folder.path / "slots"
        return not [path for path in left if not (path.is_dir() and path.is_relative_to(slots))]


def _timeless(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _timeless(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if name != "seconds" and not name.startswith("cost/")
    }


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def calm(work: Path) -> Command:
    """A search that nobody disturbed."""
    command = Command(work, "calm")
    command.start()
    code, said = command.ended()
    assert code == 0, said
    return command


@pytest.fixture
def command(work: Path, request: pytest.FixtureRequest) -> Iterator[Command]:
    one = Command(work, request.function.__name__[:40])
    yield one
    if one.process is not None and one.process.poll() is None:
        one.send(signal.SIGKILL)
        one.process.communicate()


def test_ctrl_c_at_every_stage_leaves_something_to_go_on_from(calm: Command, command: Command) -> None:
    def interrupted(shot: Shot | None, moment: Callable[[], bool] | None = None) -> str:
        command.start(shot)
        if moment is not None:
            assert command.wait_until(moment)
            command.send(signal.SIGINT)
        code, said = command.ended()
        assert code == _STOPPED, said
        assert "Traceback" not in said
        assert "goes on from" in said
        return said

    def pressed(hole: str, count: int = 1) -> Shot:
        return Shot(hole=hole, count=count, is_group=True, number=signal.SIGINT)

    interrupted(pressed("while the cost is measured"))
    assert not command.folder.config_file.exists()
    said = interrupted(None, lambda: command.is_training(1))
    assert "Stopping after the epochs in progress" in said
    interrupted(pressed("between search and results"))
    interrupted(pressed("while results are written"))
    interrupted(None, lambda: command.n_rounds("checkpoint/state.pt") > 0)
    interrupted(pressed("while it comes to a verdict"))
    interrupted(pressed("while results are written", count=2))
    command.start()
    code, said = command.ended()
    assert code == 0, said
    assert command.outcome() == calm.outcome()
    assert command.is_tidy()


def test_kill_9_at_any_time_changes_nothing(calm: Command, work: Path, request: pytest.FixtureRequest) -> None:
    n_kills = request.config.getoption("--real-kills")
    chance, killed, n_studies = random.Random(7), Counter[str](), 0
    while killed.total() < n_kills:
        command = Command(work, f"killed-{n_studies}")
        n_studies += 1
        is_over = False
        while not is_over:
            command.start()
            state = "alive"
            while state == "alive" and killed.total() < n_kills:
                state = _kill_some(command, chance, killed)
            is_over = state != "dead"
        code, said = command.ended()
        assert code == 0, said
        assert command.outcome() == calm.outcome()
        assert command.is_tidy()
    sys.stdout.write(f"\n{killed.total()} kills of the real command in {n_studies} studies: {dict(killed)}\n")


def _kill_some(command: Command, chance: random.Random, killed: Counter[str]) -> str:
    """Wait for some moment and kill somebody; returns whether the command is "alive", "dead" or was "over" before."""
    slot, n_saved = chance.randrange(TRIALS), chance.randrange(2 * SEEDS)
    in_search = chance.random() < 0.6

    def is_due() -> bool:
        return (
            command.is_training(slot)
            if in_search
            else command.n_rounds("checkpoint/state.pt") + command.n_rounds("result.json") > n_saved
        )

    if not command.wait_until(is_due):
        return "over"
    time.sleep(chance.uniform(0.0, 0.5))
    assert command.process is not None
    victim = ("group", "worker", "supervisor")[killed.total() % 3]
    stage = "search" if not (command.folder.path / "confirm").exists() else "confirm stage"
    if victim == "worker":
        for pid in command.workers()[:1]:
            os.kill(pid, signal.SIGKILL)
            killed[f"worker of the {stage}"] += 1
        return "alive"
    killed[f"{victim} in the {stage}"] += 1
    if victim == "group":
        command.send(signal.SIGKILL)
    else:
        command.process.kill()
    command.process.communicate()
    return "dead"
