"""Worker processes: what they are started with, and what became of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from automix.errors import SettingError
from automix.search.folder import StudyFolder
from automix.search.protocol import ENV_SESSION, ENV_SUPERVISOR

__all__ = ["DeadWorker", "Fleet", "Machine", "visible_device", "worker_command"]

_MAX_CPU_WORKERS = 4
# glibc gives blocks above these sizes back to the kernel and takes them again page by page, which costs more than
# mixing a batch; with room up to 1 GiB they stay in the process.
_MALLOC_BYTES = str(2**30)
_SIGNALS_OF_A_TERMINAL = {signal.SIGINT, signal.SIGHUP, signal.SIGTERM}
_LOG_TAIL_BYTES = 4000


def visible_device(worker: int, n_devices: int, already: str | None) -> str:
    """Return CUDA_VISIBLE_DEVICES for a worker: one device, in turn, of those that we may use ourselves.

    Args:
        worker: its number, from 0.
        n_devices: how many devices we see.
        already: our own CUDA_VISIBLE_DEVICES, which is mapped and not overwritten; None where it is not set.

    Example:
        >>> visible_device(1, 2, None), visible_device(1, 2, "4,7"), visible_device(2, 2, "GPU-a,GPU-b")
        ('1', '7', 'GPU-a')
    """
    names = [name.strip() for name in already.split(",")] if already else [str(i) for i in range(n_devices)]
    usable = names[:n_devices]
    return usable[worker % len(usable)] if usable else ""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the workers of a search share.

    Attributes:
        n_workers: how many train at once.
        n_cores: that they may use.
        n_devices: GPUs that they may use; 0 for training on the CPU.
    """

    n_workers: int
    n_cores: int
    n_devices: int = 0

    @classmethod
    def here(cls, n_workers: int | None = None, *, n_devices: int = 0) -> Machine:
        """Describe this machine: one worker per GPU, without GPUs one per core up to four, unless told otherwise.

        Raises:
            SettingError: ``n_workers`` is below 1.
        """
        if n_workers is not None and n_workers < 1:
            raise SettingError(f"Expected `workers` of at least 1 but got {n_workers}.")
        n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        usual = n_devices or min(n_cores, _MAX_CPU_WORKERS)
        return cls(n_workers=n_workers or usual, n_cores=n_cores, n_devices=n_devices)

    @property
    def threads(self) -> int:
        """Threads of a worker."""
        return max(1, self.n_cores // self.n_workers)

    def for_slots(self, n_slots: int) -> Machine:
        """Return a machine with no more workers than there are slots."""
        return replace(self, n_workers=min(self.n_workers, n_slots)) if n_slots else replace(self, n_workers=0)

    def environments(self, own: Mapping[str, str], supervisor: int, session: str) -> list[dict[str, str]]:
        """Return the environment of each worker. All of it is read before Python code runs, so it is set here.

        Args:
            own: our own environment; thread counts and thresholds that the user has set there are kept.
            supervisor: process id that the workers look for.
            session: names this start of the search.
        """
        start = {ENV_SUPERVISOR: str(supervisor), ENV_SESSION: session}
        return [{**self._environment(own, worker), **start} for worker in range(self.n_workers)]

    def _environment(self, own: Mapping[str, str], worker: int) -> dict[str, str]:
        environment = {
            "OMP_NUM_THREADS": str(self.threads),
            "MALLOC_MMAP_THRESHOLD_": _MALLOC_BYTES,
            "MALLOC_TRIM_THRESHOLD_": _MALLOC_BYTES,
            # Needed for CUDA's matrix products to give the same result twice.
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            **own,
            "PYTHONUNBUFFERED": "1",
        }
        if self.n_devices:
            already = own.get("CUDA_VISIBLE_DEVICES")
            environment["CUDA_VISIBLE_DEVICES"] = visible_device(worker, self.n_devices, already)
        return environment


def worker_command(folder: StudyFolder) -> list[str]:
    """Return the command line of a worker, to which its number is added."""
    study = ["--study", folder.name, "--work", str(folder.work.absolute())]
    return [sys.executable, "-m", "automix", "worker", *study, "--worker"]


@dataclass(frozen=True)
class DeadWorker:
    """A worker that ended: its number, process id and exit code (negative: the signal that killed it)."""

    worker: int
    pid: int
    code: int

    def cause(self) -> str:
        """Say how it ended."""
        if self.code >= 0:
            return f"exit code {self.code}"
        name = signal.Signals(-self.code).name
        return f"{name}, as when memory runs out" if self.code == -signal.SIGKILL else name


class Fleet:
    """The workers of a supervisor.

    Args:
        folder: of the study; takes their logs.
        command: command line of a worker; its number is added.
        environments: one for each worker.
    """

    def __init__(self, folder: StudyFolder, command: Sequence[str], environments: Sequence[Mapping[str, str]]) -> None:
        self._folder = folder
        self._command = list(command)
        self._environments = environments
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def __len__(self) -> int:
        return len(self._processes)

    def start_all(self) -> None:
        """Start every worker."""
        for worker in range(len(self._environments)):
            self.start(worker)

    def start(self, worker: int) -> None:
        """Start one worker, again if need be."""
        with self._folder.worker_log(worker).open("ab") as log:
            # Signals of the terminal wait until the worker has said that it ignores them.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS_OF_A_TERMINAL)
            try:
                self._processes[worker] = subprocess.Popen(  # noqa: S603  our own interpreter
                    [*self._command, str(worker)],
                    env=dict(self._environments[worker]),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def reap(self) -> list[DeadWorker]:
        """Return the workers that ended since the last call."""
        dead = [
            DeadWorker(worker, process.pid, process.returncode)
            for worker, process in self._processes.items()
            if process.poll() is not None
        ]
        for one in dead:
            del self._processes[one.worker]
        return dead

    def pids(self) -> dict[int, int]:
        """Return the process id of each worker that was not reaped yet."""
        return {worker: process.pid for worker, process in self._processes.items()}

    def kill_one(self, worker: int) -> None:
        """End a worker now; `reap` tells of it."""
        self._processes[worker].kill()

    def kill(self) -> None:
        """End every worker now and wait for that; their slots go on from their last checkpoints."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    def last_words(self, worker: int) -> str:
        """Return the last line of a worker's log."""
        with self._folder.worker_log(worker).open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _LOG_TAIL_BYTES))
            lines = log.read().decode("utf-8", errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "it said nothing"
