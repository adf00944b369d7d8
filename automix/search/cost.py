"""What work costs: time on the clock, and processor time, which hardly depends on what else the machine does."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["ZERO", "Cost", "Meter", "mean_cost", "total_cost"]


@dataclass(frozen=True)
class Cost:
    """Seconds.

    Attributes:
        wall_s: on the clock.
        cpu_s: of all processors together.

    Example:
        >>> Cost(2.0, 3.0) + 2 * Cost(1.0, 0.5)
        Cost(wall_s=4.0, cpu_s=4.0)
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)

    def __sub__(self, other: Cost) -> Cost:
        """Take away; what would fall below zero, as measured times do, is zero."""
        return Cost(max(0.0, self.wall_s - other.wall_s), max(0.0, self.cpu_s - other.cpu_s))

    def __mul__(self, factor: float) -> Cost:
        return Cost(self.wall_s * factor, self.cpu_s * factor)

    __rmul__ = __mul__

    def shared(self, n_workers: int) -> Cost:
        """Return the cost of work that so many do at once."""
        return Cost(self.wall_s / max(1, n_workers), self.cpu_s)

    @classmethod
    def now(cls) -> Cost:
        """Read the clocks of this process; only differences mean something."""
        return cls(time.perf_counter(), time.process_time())


ZERO = Cost()


def total_cost(costs: Iterable[Cost]) -> Cost:
    """Add costs up."""
    return sum(costs, ZERO)


def mean_cost(costs: Iterable[Cost]) -> Cost:
    """Average costs; zero where there are none."""
    known = list(costs)
    return total_cost(known) * (1 / max(1, len(known)))


class Meter:
    """Adds up what child processes cost while `running`; each of them must end in the block."""

    def __init__(self) -> None:
        self.cost = ZERO

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count from here to the block's end, also where it raises."""
        before = _children()
        try:
            yield
        finally:
            self.cost += _children() - before


def _children() -> Cost:
    """Read the clock, and the processor time of child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(time.perf_counter(), used.ru_utime + used.ru_stime)
