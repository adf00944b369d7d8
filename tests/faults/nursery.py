"""Processes that were forked ahead and are handed out in place of `subprocess.Popen`.

Starting Python and importing torch, Optuna and MLflow takes seconds, and hundreds of killed workers need hundreds of
starts. So a supervisor of these tests forks its workers before it opens any database (SQLite's connections and locks
do not survive a fork), and each waits for its command line and environment. All else is real: own processes, whose
parent is the supervisor, in its process group, ended by real signals.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

Run = Callable[[Sequence[str], int], int]
"""What a process does with its command line and its number, counted over all starts; returns its exit code."""


class Child:
    """A process that was handed out; what `automix.search.launch.Fleet` needs of a `Popen`."""

    def __init__(self, pid: int, alarmed: Callable[[], None]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._alarmed = alarmed

    def poll(self) -> int | None:
        if self.returncode is None:
            self._note(os.waitpid(self.pid, os.WNOHANG))
        return self.returncode

    def wait(self) -> int | None:
        if self.returncode is None:
            self._note(os.waitpid(self.pid, 0))
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _note(self, waited: tuple[int, int]) -> None:
        pid, status = waited
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)
            if self.returncode == -signal.SIGALRM:
                self._alarmed()


class Nursery:
    """Forks ``size`` processes now; `popen` hands them out one by one. Those left over end with this process.

    ``alarmed`` is told of each that SIGALRM has ended.
    """

    def __init__(self, size: int, run: Run, alarmed: Callable[[], None]) -> None:
        self._idle: list[tuple[int, int]] = []
        self._n_out = 0
        self._alarmed = alarmed
        for _ in range(size):
            self._fork(run)

    def popen(self, command: Sequence[str], *, env: Mapping[str, str], stdout: IO[bytes], **_: Any) -> Child:
        pid, pipe = self._idle.pop()
        order = {"command": list(command), "env": dict(env), "log": stdout.name, "number": self._n_out}
        self._n_out += 1
        os.write(pipe, json.dumps(order).encode() + b"\n")
        os.close(pipe)
        return Child(pid, self._alarmed)

    def _fork(self, run: Run) -> None:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            # A pipe's end that lived on in a sister would keep her waiting after our parent is gone.
            for end in (writing, *(pipe for _, pipe in self._idle)):
                os.close(end)
            _live(reading, run)
        os.close(reading)
        self._idle.append((pid, writing))


def _live(pipe: int, run: Run) -> None:
    """Wait for an order, carry it out, end."""
    with os.fdopen(pipe) as file:
        line = file.readline()
    if not line:
        os._exit(0)
    order = json.loads(line)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(order["env"])
    code = 1
    try:
        code = run(order["command"], order["number"])
    finally:
        os._exit(code)
