"""What a person sees while something takes long: a bar for decoding, a live table or lines for a search."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from automix.search.ledger import SlotRecord
    from automix.search.progress import Progress as SearchProgress

__all__ = ["Display", "decoding", "duration", "search_display", "waiting"]

_TOP_ROWS = 5
_REFRESH_S = 0.5
_LINE_EVERY_S = 30.0


def duration(seconds: float) -> str:
    """Say a time in two units at most.

    Example:
        >>> duration(5), duration(125), duration(7300)
        ('5 s', '2 min 5 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def decoding() -> Iterator[Callable[[int, int, str], None]]:
    """Show how decoding gets on; nothing where it is done at once or the error stream is not a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, int] = {}

        def show(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total or None)
            bars.update(tasks[what], completed=done)  # type: ignore[arg-type]  # rich's TaskID is an int

        yield show


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say that something takes a while, as long as it does; on a terminal only."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what} ..."):
        yield


class Display(Protocol):
    """Where a search is shown."""

    def show(self, progress: SearchProgress) -> None:
        """Take in how it stands; called several times a second."""

    def say(self, text: str) -> None:
        """Show a line that stays."""


@contextmanager
def search_display(*, is_quiet: bool = False) -> Iterator[Display]:
    """Show a search: a live table on a terminal, one line per finished trial elsewhere, nothing when quiet."""
    console = Console()
    if is_quiet or not console.is_terminal:
        yield _Nothing() if is_quiet else _Lines()
        return
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield _Table(live)


class _Nothing:
    """Keeps the output free for the result."""

    def show(self, progress: SearchProgress) -> None:
        pass

    def say(self, text: str) -> None:
        pass


class _Lines:
    """One line for each trial that finished, one now and then while none does."""

    def __init__(self) -> None:
        self._seen: set[int] | None = None
        self._last = time.monotonic()

    def show(self, progress: SearchProgress) -> None:
        settled = {slot.slot: slot for slot in progress.slots if slot.is_settled}
        if self._seen is None:
            self._seen = set(settled)
            if settled:
                _print(f"going on: {len(settled)} of {progress.n_trials} trials are done")
        for note in progress.notes:
            _print(note)
        for number in sorted(settled.keys() - self._seen):
            self._seen.add(number)
            _print(_line(settled[number], len(self._seen), progress))
            self._last = time.monotonic()
        if time.monotonic() - self._last > _LINE_EVERY_S:
            self._last = time.monotonic()
            running = [_running(slot, progress.n_epochs) for slot in _of(progress, "running")]
            now = "; ".join(running) or "workers are starting"
            _print(f"{progress.n_settled} of {progress.n_trials} done; {now}")

    def say(self, text: str) -> None:
        _print(text)


class _Table:
    """A live table that fits the terminal: running trials, then the best, then what happened last."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._last_shown = 0.0
        self._notes: list[str] = []

    def say(self, text: str) -> None:
        self._live.console.print(Text(text))

    def show(self, progress: SearchProgress) -> None:
        self._notes = [*self._notes, *progress.notes][-3:]
        now = time.monotonic()
        if now - self._last_shown < _REFRESH_S and not progress.notes:
            return
        self._last_shown = now
        self._live.update(Group(Text(_header(progress)), _grid(progress), *(Text(note) for note in self._notes)))


def _header(progress: SearchProgress) -> str:
    states = [f"{len(found)} {name}" for name in ("complete", "pruned", "failed") if (found := _of(progress, name))]
    eta = f", about {duration(progress.eta_s)} left" if progress.eta_s else ""
    done = f"{progress.n_settled} of {progress.n_trials} trials" + (f" ({', '.join(states)})" if states else "")
    return f"{progress.study}: {done}, {duration(progress.elapsed_s)}{eta}"


def _grid(progress: SearchProgress) -> Table:
    goal = progress.goal
    table = Table(box=None, pad_edge=False, expand=True, padding=(0, 2, 0, 0))
    for name, options in (
        ("slot", {"justify": "right", "width": 4}),
        ("policy", {"ratio": 1, "no_wrap": True, "overflow": "ellipsis"}),
        ("epoch", {"justify": "right", "width": 7}),
        (goal.title, {"justify": "right", "width": max(9, len(goal.title))}),
        ("to none", {"justify": "right", "width": 8}),
        ("log-loss", {"justify": "right", "width": 8}),
        ("state", {"width": 8}),
    ):
        table.add_column(name, **options)
    for slot in [*_of(progress, "running"), *_best(progress)[:_TOP_ROWS]]:
        table.add_row(*_cells(slot, progress))
    return table


def _cells(slot: SlotRecord, progress: SearchProgress) -> list[str]:
    goal, logloss, delta = progress.goal, slot.metrics.get("val/logloss"), _delta(slot, progress)
    return [
        str(slot.slot),
        _title(slot),
        f"{len(slot.curve)}/{progress.n_epochs}",
        goal.text(goal.value(slot.curve)) if slot.curve else "",
        "" if delta is None else goal.change(delta, with_unit=False),
        "" if logloss is None else f"{logloss:.3f}",
        slot.state.value,
    ]


def _line(slot: SlotRecord, count: int, progress: SearchProgress) -> str:
    done = f"[{count}/{progress.n_trials}]"
    if slot.error:
        return f"{done} slot {slot.slot} failed: {slot.error}"
    goal, delta, best = progress.goal, _delta(slot, progress), _best(progress)
    against = "" if delta is None else f" ({goal.change(delta, with_unit=False)} to none)"
    leader = (
        f"; best: slot {best[0].slot} {best[0].proposal.title} {goal.text(goal.value(best[0].curve))}" if best else ""
    )
    eta = f"; about {duration(progress.eta_s)} left" if progress.eta_s else ""
    title = _title(slot)
    return (
        f"{done} slot {slot.slot} {slot.state.value}: {title} {goal.text(goal.value(slot.curve))}{against}{leader}{eta}"
    )


def _title(slot: SlotRecord) -> str:
    arm = slot.proposal.arm
    return slot.proposal.title + (f" ({arm})" if arm and arm != slot.proposal.title else "")


def _running(slot: SlotRecord, n_epochs: int) -> str:
    return f"slot {slot.slot} {slot.proposal.title} epoch {len(slot.curve)}/{n_epochs}"


def _of(progress: SearchProgress, state: str) -> list[SlotRecord]:
    return [slot for slot in progress.slots if slot.state.value == state]


def _best(progress: SearchProgress) -> list[SlotRecord]:
    goal = progress.goal
    return sorted(_of(progress, "complete"), key=lambda slot: -goal.sort_key(goal.value(slot.curve)))


def _delta(slot: SlotRecord, progress: SearchProgress) -> float | None:
    """Subtract no mixing at the same epoch."""
    none = next((other for other in progress.slots if other.proposal.arm == "none"), None)
    epoch = len(slot.curve)
    if none is None or none is slot or not epoch or len(none.curve) < epoch:
        return None
    return progress.goal.value(slot.curve) - progress.goal.value(none.curve[:epoch])


def _print(text: str) -> None:
    print(text, file=sys.stdout, flush=True)  # noqa: T201  # progress for logs and pipes
