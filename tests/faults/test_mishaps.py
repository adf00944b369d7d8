"""What else happens to a search: it survives, or ends in one line and goes on later, and says what it was."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import search_fakes
from search_fakes import search

from automix.errors import StorageError, StudyError
from automix.search import Ending, Ledger, Progress, SlotState, StudyFolder
from automix.search.folder import replace_text
from automix.search.locks import try_lock
from automix.search.watchdog import Watchdog
from automix.storage import optuna_storage

pytestmark = pytest.mark.slow

FEW: dict[str, Any] = {"workers": 1, "n_trials": 3, "settings": {"epoch_s": 0.2}}


def start(work: Path, name: str = "s", **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, search_fakes.__file__, "search", name, str(work), json.dumps({**FEW, **options})],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def slots_of(work: Path, name: str = "s") -> Any:
    return Ledger(optuna_storage(work / "optuna.db"), name).slots()


class Teller:
    """Collects what a search tells, and acts once when told of progress."""

    def __init__(self, act: Callable[[Progress], bool] = lambda _: True) -> None:
        self.notes: list[str] = []
        self._act = act
        self._has_acted = False

    def __call__(self, progress: Progress) -> None:
        self.notes.extend(progress.notes)
        self._has_acted = self._has_acted or self._act(progress)

    @property
    def text(self) -> str:
        return "\n".join(self.notes)


def suspend_worker(progress: Progress) -> bool:
    running = [slot for slot in progress.in_state(SlotState.RUNNING) if slot.slot == 1 and slot.curve]
    if running:
        os.kill(running[0].worker, signal.SIGSTOP)
    return bool(running)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automix.search.watchdog.MIN_PATIENCE_S", 20.0)


@pytest.mark.usefixtures("impatient")
def test_a_suspended_worker_is_ended_and_its_slot_taken_up_again(tmp_path: Path) -> None:
    teller = Teller(suspend_worker)
    result = search("s", tmp_path, listener=teller, **FEW)
    assert result.ending is Ending.COMPLETE
    assert "Worker 0 has not moved for 20 s and is ended" in teller.text
    assert result.slots[1].attempt == 2
    assert [len(slot.curve) for slot in result.slots.values()] == [4] * 3


@pytest.mark.usefixtures("impatient")
def test_a_method_that_hangs_fails_its_slot_and_no_other(tmp_path: Path) -> None:
    teller = Teller()
    result = search("s", tmp_path, listener=teller, **{**FEW, "arms": ("none", "hangs")})
    assert result.slots[1].state is SlotState.FAILED
    assert "it stood still until it was ended" in result.slots[1].error
    assert [result.slots[i].state for i in (0, 2)] == [SlotState.COMPLETE] * 2
    assert teller.text.count("has not moved for 20 s") == 3


def test_a_search_that_was_suspended_as_a_whole_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_until(lambda: (tmp_path / "journal.txt").exists())
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(8)  # longer than an epoch, a trial and a look of the supervisor
    os.killpg(process.pid, signal.SIGCONT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, json.loads(out)["ending"]) == (0, "complete"), err
    assert [slot.attempt for slot in slots_of(tmp_path).values()] == [1] * 3


def test_time_that_nobody_watched_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([0.0, 0.0, 1.0, 10_000.0, 10_001.0, 10_003.0, 10_004.0])
    monkeypatch.setattr("automix.search.watchdog.time", SimpleNamespace(monotonic=lambda: next(looks)))
    watchdog = Watchdog()
    for _ in range(4):
        assert watchdog.overdue({0: "same"}, patience_s=8.0) == []
    assert watchdog.overdue({0: "same", 1: "new"}, patience_s=8.0) == [0]
    assert watchdog.overdue({0: "same"}, patience_s=8.0) == []  # it begins anew


def test_workers_of_a_killed_start_are_waited_for(tmp_path: Path) -> None:
    process = start(tmp_path, settings={"epoch_s": 3.0})
    wait_until(lambda: (tmp_path / "studies" / "s" / "slots" / "0" / "lock").exists() and bool(slots_of(tmp_path)))
    process.kill()
    process.communicate()
    teller = Teller()
    result = search("s", tmp_path, listener=teller, **{**FEW, "settings": {"epoch_s": 3.0}, "n_trials": 2})
    assert result.ending is Ending.COMPLETE
    assert teller.notes.count("Workers of an earlier start save after the epoch in progress; waiting for them.") == 1
    done = (tmp_path / "journal.txt").read_text().splitlines()
    assert len(done) == len(set(done)) == 8  # one epoch after the other, none twice


def test_of_two_starts_at_once_one_works_and_the_other_says_so(tmp_path: Path) -> None:
    both = [start(tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert sorted(process.returncode for process in both) == [0, 2]
    loser = next(i for i in range(2) if both[i].returncode == 2)
    assert f"'s' is running already (process {both[1 - loser].pid})" in said[loser][1]
    assert [slot.state for slot in slots_of(tmp_path).values()] == [SlotState.COMPLETE] * 3


def test_two_studies_that_make_the_same_work_folder_at_once_both_complete(tmp_path: Path) -> None:
    both = [start(tmp_path, name) for name in ("a", "b")]
    assert [process.wait(timeout=120) for process in both] == [0, 0], [p.communicate()[1] for p in both]
    for name, process in zip(("a", "b"), both, strict=True):
        process.communicate()
        assert all(slot.state is SlotState.COMPLETE for slot in slots_of(tmp_path, name).values())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount") or "mount"
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("this user may not mount a small file system")
    yield disk
    subprocess.run([shutil.which("umount") or "umount", "-l", str(disk)], check=True)


def test_a_full_disk_ends_the_search_in_one_line_and_it_goes_on_when_there_is_room(small_disk: Path) -> None:
    filler = small_disk / "filler"
    process = start(small_disk)
    wait_until(lambda: (small_disk / "journal.txt").exists())
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert len(err.strip().splitlines()) == 1
    assert err.startswith(("StudyError", "StorageError"))
    assert any(word in err for word in ("full", "No space", "I/O"))
    filler.unlink()
    process = start(small_disk)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, json.loads(out or "{}").get("ending")) == (0, "complete"), err
    assert [len(slot.curve) for slot in slots_of(small_disk).values()] == [4] * 3


def test_a_place_that_cannot_be_written_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(StudyError, match=r"cannot take results.*Choose another one with --out"):
        search("s", tmp_path, **FEW)
    with pytest.raises(StorageError, match=r"Cannot write .*out"):
        search("s", tmp_path / "out", **FEW)
    assert not (tmp_path / "journal.txt").exists()


def test_small_files_and_locks_say_that_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    replace_text(tmp_path / "note", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        replace_text(tmp_path / "note", "new")
    assert (tmp_path / "note").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["note"]
    (tmp_path / "in the way").write_text("")
    with pytest.raises(StorageError, match="Cannot write"):
        try_lock(tmp_path / "in the way" / "lock")


def test_a_database_that_somebody_holds_is_waited_for(tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_until(lambda: (tmp_path / "journal.txt").exists())
    holder = sqlite3.connect(tmp_path / "optuna.db", isolation_level=None, timeout=60)
    holder.execute("BEGIN IMMEDIATE")
    time.sleep(5)
    holder.execute("ROLLBACK")
    holder.close()
    out, err = process.communicate(timeout=120)
    assert (process.returncode, json.loads(out)["ending"]) == (0, "complete"), err
    assert [slot.attempt for slot in slots_of(tmp_path).values()] == [1] * 3


def test_a_database_that_is_held_for_too_long_is_named_and_the_search_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search("s", tmp_path, **{**FEW, "n_trials": 1})
    holder = sqlite3.connect(tmp_path / "optuna.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("automix.storage.sqlite._BUSY_TIMEOUT_S", 0.2)
    with pytest.raises(StorageError, match=r"database.*locked") as caught:
        search("s", tmp_path, **FEW)
    assert "\n" not in str(caught.value)
    holder.execute("ROLLBACK")
    holder.close()
    monkeypatch.undo()
    assert search("s", tmp_path, **FEW).ending is Ending.COMPLETE


def test_what_a_trial_has_to_say_is_told_once(tmp_path: Path) -> None:
    teller = Teller()
    search("s", tmp_path, listener=teller, **{**FEW, "arms": ("odd",), "n_trials": 1})
    assert teller.notes.count("Slot 0: something was odd") == 1
    assert slots_of(tmp_path)[0].notes == ("something was odd",)
    again = Teller()
    search("s", tmp_path, listener=again, **{**FEW, "arms": ("odd",), "n_trials": 2})
    assert not any("odd" in note for note in again.notes)


def test_a_killed_study_leaves_no_unfinished_files(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path, "s")
    folder.checkpoint(0).mkdir(parents=True)
    for place in (folder.checkpoint(0), folder.path):
        (place / ".state.pt.123.tmp").write_bytes(b"half")
    search("s", tmp_path, **{**FEW, "n_trials": 1})
    assert not list(folder.path.rglob("*.tmp"))
