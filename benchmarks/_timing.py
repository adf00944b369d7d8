"""Times several ways of doing one thing, turn by turn in one process, and prints them side by side.

The load of a machine changes within seconds, so that ways are compared only when they take turns. CPU time says what a
way costs, whoever else is working; wall time says how long it takes on a machine that is otherwise idle.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

import torch

__all__ = ["Times", "describe_machine", "print_table", "take_turns"]


@dataclass
class Times:
    """Seconds per call, one entry per round."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    @property
    def cpu_s(self) -> float:
        """Median CPU time of a call, all threads together."""
        return statistics.median(self.cpu)

    @property
    def wall_s(self) -> float:
        """Median wall time of a call."""
        return statistics.median(self.wall)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles of the CPU time, by its median."""
        low, _, high = statistics.quantiles(self.cpu, n=4)
        return (high - low) / 2 / self.cpu_s


def take_turns(ways: Mapping[str, Callable[[], object]], *, rounds: int, round_s: float) -> dict[str, Times]:
    """Call each way again and again for about ``round_s`` seconds, ``rounds`` times in turn."""
    calls = {name: _calls_in(way, round_s) for name, way in ways.items()}
    times = {name: Times() for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(calls[name]):
                way()
            times[name].cpu.append((time.process_time() - cpu) / calls[name])
            times[name].wall.append((time.perf_counter() - wall) / calls[name])
    return times


def _calls_in(way: Callable[[], object], seconds: float) -> int:
    for _ in range(3):
        way()
    started = time.perf_counter()
    way()
    return max(1, int(seconds / (time.perf_counter() - started)))


def print_table(title: str, times: Mapping[str, Times], against: Mapping[str, str]) -> None:
    """Print medians, spread, and how many times cheaper each way is than the ways it is compared with.

    Args:
        title: what was measured.
        times: from `take_turns`.
        against: column title -> name of the way that the column compares with.
    """
    print(f"\n{title}")
    columns = "".join(f"{column:>22}" for column in against)
    print(f"  {'':34}{'CPU us':>10}{'spread':>8}{'wall us':>10}{columns}")
    for name, one in times.items():
        ratios = "".join(
            f"{f'{times[other].cpu_s / one.cpu_s:.2f} ({times[other].wall_s / one.wall_s:.2f})':>22}"
            for other in against.values()
        )
        print(f"  {name:34}{one.cpu_s * 1e6:10.1f}{one.spread:8.0%}{one.wall_s * 1e6:10.1f}{ratios}")
    print("  ratios: by CPU time (by wall time in brackets); above 1 is cheaper than what it is compared with")


def describe_machine() -> str:
    """Say what the figures were taken on, and how busy it was."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm"))
    return (
        f"{_processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, load {load}; "
        f"Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123  # a device file, read line by line
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
