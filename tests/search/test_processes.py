"""Searches of real processes: killed, stopped, started twice, extended. Trials take a fraction of a second."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import search_fakes
from search_fakes import search

from automix.errors import StudyError
from automix.search import Ending, Ledger, SlotState, StudyFolder
from automix.storage import optuna_storage

pytestmark = pytest.mark.slow

FEW = {"workers": 1, "n_trials": 4, "settings": {"epoch_s": 0.25}}


class Study:
    """A search as a process of its own, in a process group of its own."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.folder = StudyFolder(work, "s")
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, **options: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, search_fakes.__file__, "search", "s", str(self.work), json.dumps(options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def ledger(self) -> Ledger:
        return Ledger(optuna_storage(self.folder.optuna_file), "s")

    def journal(self) -> list[tuple[int, int]]:
        """Return (slot, epoch) of every epoch that was trained, in order."""
        path = self.work / "journal.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(slot), int(epoch)) for slot, epoch in (line.split() for line in lines)]

    def wait_for_epochs(self, n: int) -> None:
        wait_until(lambda: len(self.journal()) >= n)

    def end(self) -> None:
        for process in self.processes:
            kill_group(process)
            process.communicate()


@pytest.fixture
def study(tmp_path):
    study = Study(tmp_path)
    yield study
    study.end()


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def kill_group(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def no_process_left(process: subprocess.Popen[str]) -> bool:
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return True
    return False


def ended(process: subprocess.Popen[str]) -> str:
    """Wait for a search; return how it ended."""
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    return str(json.loads(out)["ending"])


def assert_whole(study: Study, n_slots: int) -> None:
    """Every slot is there once, and complete or pruned with all of its epochs."""
    trials = study.ledger().trials()
    assert sorted(trial.user_attrs["slot"] for trial in trials) == list(range(n_slots))
    for slot in study.ledger().slots().values():
        assert slot.state in (SlotState.COMPLETE, SlotState.PRUNED)
        assert len(slot.curve) in ((4,) if slot.state is SlotState.COMPLETE else (2, 3))  # where trials are looked at


def outcome(work: Path) -> list[tuple[object, ...]]:
    ledger = Ledger(optuna_storage(StudyFolder(work, "s").optuna_file), "s")
    return [(s.slot, s.proposal.policy, s.state, s.curve) for s in ledger.slots().values()]


def test_a_search_trains_every_slot_once_and_ranks_them(study, tmp_path):
    seen = []
    result = search("s", tmp_path, listener=seen.append)
    assert result.ending is Ending.COMPLETE
    assert_whole(study, 8)
    assert max(Counter(study.journal()).values()) == 1
    assert result.best.slot == result.leaderboard[0].slot
    assert result.document == result.best.proposal.policy
    arms = [result.slots[i].proposal.arm for i in range(8)]
    assert arms == ["none", "cutmix"] + [""] * 6
    assert seen[-1].n_settled == 8
    assert seen[-1].eta_s == 0.0
    # Extended, it goes on with the new slots; told the same again, it has nothing to do.
    result = search("s", tmp_path, n_trials=10)
    assert_whole(study, 10)
    assert max(Counter(study.journal()).values()) == 1
    n_epochs = len(study.journal())
    assert search("s", tmp_path, n_trials=10).ending is Ending.COMPLETE
    assert len(study.journal()) == n_epochs


def test_kill_9_of_everything_repeats_at_most_the_epoch_in_progress(study, tmp_path):
    process = study.start(**FEW)
    for n_epochs in (3, 9):
        study.wait_for_epochs(n_epochs)
        kill_group(process)
        process.wait()
        process = study.start(**FEW)
    assert ended(process) == "complete"
    assert_whole(study, 4)
    assert sum(count - 1 for count in Counter(study.journal()).values()) <= 2
    # With one worker the search comes out as one that nobody disturbed.
    search("s", tmp_path / "calm", **FEW)
    assert outcome(tmp_path) == outcome(tmp_path / "calm")


def test_kill_9_of_a_worker_loses_an_epoch_at_most(study):
    process = study.start(**{**FEW, "workers": 2})
    study.wait_for_epochs(3)
    victim = next(s for s in study.ledger().slots().values() if s.state is SlotState.RUNNING)
    os.kill(victim.worker, signal.SIGKILL)
    assert ended(process) == "complete"
    assert_whole(study, 4)
    assert sum(count - 1 for count in Counter(study.journal()).values()) <= 1
    assert study.ledger().slots()[victim.slot].attempt >= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["ctrl-c", "closed-terminal"])
def test_a_signal_to_all_stops_after_the_epoch_and_the_same_command_goes_on(study, number):
    process = study.start(**FEW)
    study.wait_for_epochs(2)
    os.killpg(process.pid, number)  # a terminal sends it to every process
    assert ended(process) == "stopped"
    assert no_process_left(process)
    assert len(study.journal()) < 12
    assert ended(study.start(**FEW)) == "complete"
    assert_whole(study, 4)
    assert max(Counter(study.journal()).values()) == 1


def test_a_second_ctrl_c_stops_at_once(study):
    process = study.start(workers=1, settings={"epoch_s": 20.0})
    wait_until(lambda: study.folder.slot(0).exists())
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert ended(process) == "stopped"
    assert no_process_left(process)


def test_workers_whose_supervisor_was_killed_save_and_leave(study):
    process = study.start(**FEW)
    study.wait_for_epochs(2)
    process.kill()
    process.wait()
    wait_until(lambda: no_process_left(process))
    assert len(study.journal()) < 12
    assert ended(study.start(**FEW)) == "complete"
    assert_whole(study, 4)
    assert max(Counter(study.journal()).values()) == 1


def test_a_second_start_is_refused_in_one_line_and_disturbs_nothing(study, tmp_path):
    process = study.start(**FEW)
    study.wait_for_epochs(1)
    with pytest.raises(StudyError, match=rf"'s' is running already \(process {process.pid}\)") as caught:
        search("s", tmp_path)
    assert "\n" not in str(caught.value)
    assert ended(process) == "complete"


def test_a_trial_that_raises_and_one_that_kills_its_worker_end_nothing_else(study, tmp_path):
    notes = []
    result = search(
        "s", tmp_path, workers=1, arms=("none", "raises", "dies"), n_trials=4, listener=lambda p: notes.extend(p.notes)
    )
    assert result.ending is Ending.COMPLETE
    raised, died = result.slots[1], result.slots[2]
    assert (raised.state, raised.error) == (SlotState.FAILED, "RuntimeError: this method is broken")
    assert died.state is SlotState.FAILED
    assert "died 3 times" in died.error
    assert [result.slots[i].state for i in (0, 3)] == [SlotState.COMPLETE] * 2
    assert sum("Worker 0 died (SIGKILL, as when memory runs out)" in note for note in notes) == 3


def test_workers_that_never_get_to_work_end_the_search_with_their_last_words(tmp_path):
    command = [sys.executable, "-c", "raise SystemError('no such driver')"]
    with pytest.raises(StudyError, match=r"nothing gets done \(exit code 1\): SystemError: no such driver"):
        search("s", tmp_path, workers=1, command=command)


def test_a_worker_that_may_not_work_ends_the_search_with_its_reason(tmp_path):
    command = [sys.executable, "-c", "import sys; print('The space has changed.'); sys.exit(2)"]
    with pytest.raises(StudyError, match="Worker 0 cannot go on: The space has changed"):
        search("s", tmp_path, workers=1, command=command)


def test_a_search_of_which_every_trial_fails_says_why(tmp_path):
    with pytest.raises(StudyError, match=r"2 of 2 failed.*this method is broken"):
        search("s", tmp_path, workers=1, arms=("raises", "raises"), n_trials=2)


def test_a_budget_hands_out_no_slot_that_would_not_fit(study, tmp_path):
    result = search("s", tmp_path, workers=1, n_trials=200, settings={"epoch_s": 0.2}, budget_s=8.0)
    assert result.ending is Ending.BUDGET
    assert len(result.slots) < 12
    assert all(slot.is_settled for slot in result.slots.values())


def test_a_display_that_raises_ends_nothing(tmp_path):
    def broken(progress):
        raise OSError("the terminal is gone")

    assert search("s", tmp_path, workers=1, n_trials=2, listener=broken).ending is Ending.COMPLETE
