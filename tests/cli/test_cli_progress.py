from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console
from rich.live import Live

from automix.cli import progress as shown
from automix.cli.progress import duration, search_display
from automix.search.ledger import Proposal, SlotRecord, SlotState
from automix.search.progress import Progress


def slot(number: int, state: str = "complete", top1: float = 0.5, epochs: int = 4, **more: Any) -> SlotRecord:
    title = "none" if number == 0 else f"cutmix p=0.{number} with a title that is rather long for a narrow terminal"
    proposal = Proposal(policy={}, key=str(number), title=title, arm="none" if number == 0 else "")
    curve = tuple({"val/top1": top1, "val/logloss": 1.0, "seconds": 1.0} for _ in range(epochs))
    return SlotRecord(slot=number, trial=number, proposal=proposal, state=SlotState(state), curve=curve, **more)


def standing(*slots: SlotRecord, **more: Any) -> Progress:
    return Progress(study="digits", n_trials=9, n_epochs=4, slots=slots, **more)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Show some standings one after the other where there is no terminal."""

    def show(*progress: Progress) -> list[str]:
        with search_display() as display:
            for one in progress:
                display.show(one)
        return capsys.readouterr().out.splitlines()

    return show


def test_each_trial_gets_one_line_however_often_it_is_shown(lines: Callable[..., list[str]]) -> None:
    first = standing(slot(0))
    assert lines(standing(), first, first, first) == ["[1/9] slot 0 complete: none 50.00 %; best: slot 0 none 50.00 %"]


def test_lines_count_up_where_two_trials_end_at_once(lines: Callable[..., list[str]]) -> None:
    found = lines(standing(), standing(slot(0), slot(1, top1=0.6)))
    assert [line[:5] for line in found] == ["[1/9]", "[2/9]"]
    assert "60.00 % (+10.00 to none)" in found[1]


def test_resumed_search_says_how_much_is_done_instead_of_repeating_it(lines: Callable[..., list[str]]) -> None:
    assert lines(standing(slot(0), slot(1))) == ["going on: 2 of 9 trials are done"]


def test_failed_trial_shows_its_error_and_notes_are_printed(lines: Callable[..., list[str]]) -> None:
    failed = slot(1, "failed", error="it broke")
    assert lines(standing(), standing(failed, notes=("Worker 0 died.",))) == [
        "Worker 0 died.",
        "[1/9] slot 1 failed: it broke",
    ]


def test_quiet_display_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with search_display(is_quiet=True) as display:
        display.show(standing(slot(0)))
        display.say("something")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("width", [80, 120])
def test_live_table_fits_the_terminal_and_shows_running_then_best(width: int) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, color_system=None)
    slots = [slot(0), slot(1, top1=0.7), slot(2, "running", top1=0.2, epochs=1), slot(3, top1=0.9)]
    with Live(console=console, auto_refresh=False) as live:
        shown._Table(live).show(standing(*slots, eta_s=100.0, elapsed_s=30.0))
        live.refresh()
    text = screen.getvalue()
    assert "3 of 9 trials (3 complete), 30 s, about 1 min 40 s left" in text
    rows = [line for line in text.splitlines() if " cutmix" in line or " none " in line]
    assert [row.split()[0] for row in rows[-4:]] == ["2", "3", "1", "0"]
    assert max(map(len, rows)) <= width


def test_times_are_said_in_two_units_at_most() -> None:
    assert [duration(value) for value in (0.4, 59, 60, 3599, 3600, 90061)] == [
        "0 s",
        "59 s",
        "1 min 0 s",
        "59 min 59 s",
        "1 h 0 min",
        "25 h 1 min",
    ]
