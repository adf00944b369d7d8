"""The environment of workers, and what is said of those that died."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from automix.errors import SettingError
from automix.search.launch import DeadWorker, Fleet, Machine, visible_device, worker_command


@pytest.mark.parametrize(
    ("worker", "n_devices", "already", "expected"),
    [
        (0, 2, None, "0"),
        (1, 2, None, "1"),
        (2, 2, None, "0"),
        (0, 2, "4,7", "4"),
        (1, 2, "4, 7", "7"),
        (1, 2, "GPU-1a,GPU-2b", "GPU-2b"),
        (1, 1, "3,4", "3"),
        (0, 1, "", "0"),
    ],
)
def test_devices_are_taken_in_turn_of_those_that_are_visible(worker, n_devices, already, expected):
    assert visible_device(worker, n_devices, already) == expected


def test_a_worker_gets_its_share_of_threads_and_its_supervisor():
    environments = Machine(n_workers=3, n_cores=8).environments({"PATH": "/bin"}, 42, "abc")
    assert len(environments) == 3
    for environment in environments:
        assert environment["OMP_NUM_THREADS"] == "2"
        assert (environment["AUTOMIX_SUPERVISOR"], environment["AUTOMIX_SESSION"]) == ("42", "abc")
        assert int(environment["MALLOC_MMAP_THRESHOLD_"]) == int(environment["MALLOC_TRIM_THRESHOLD_"]) >= 2**28
        assert environment["PATH"] == "/bin"
        assert "CUDA_VISIBLE_DEVICES" not in environment


def test_a_thread_count_that_the_user_has_set_is_kept():
    [environment] = Machine(n_workers=1, n_cores=8).environments({"OMP_NUM_THREADS": "5"}, 42, "abc")
    assert environment["OMP_NUM_THREADS"] == "5"


def test_each_worker_sees_one_gpu():
    machine = Machine.here(n_devices=2)
    environments = machine.environments({"CUDA_VISIBLE_DEVICES": "2,3"}, 42, "abc")
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in environments] == ["2", "3"]


def test_without_a_gpu_there_are_one_to_four_workers():
    assert 1 <= Machine.here().n_workers <= 4


def test_more_workers_than_slots_are_not_started():
    machine = Machine(n_workers=4, n_cores=8)
    assert machine.for_slots(2).threads == 4
    assert machine.for_slots(9) == machine
    assert machine.for_slots(0).environments({}, 1, "abc") == []


def test_no_workers_are_refused():
    with pytest.raises(SettingError, match="`workers`"):
        Machine.here(0)


def test_the_command_of_a_worker_names_study_and_work_folder(folder):
    command = worker_command(folder)
    assert command[:4] == [sys.executable, "-m", "automix", "worker"]
    assert command[4:] == ["--study", "study", "--work", str(folder.work), "--worker"]


@pytest.mark.parametrize(
    ("code", "words"), [(1, "exit code 1"), (-signal.SIGKILL, "SIGKILL, as when memory runs out"), (-11, "SIGSEGV")]
)
def test_the_cause_of_death_is_named(code, words):
    assert DeadWorker(0, 1, code).cause() == words


def reaped(fleet: Fleet) -> DeadWorker:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for dead in fleet.reap():
            return dead
        time.sleep(0.01)
    raise TimeoutError


def test_a_fleet_starts_reaps_and_tells_last_words(folder):
    code = "import sys; print('first'); print('no such thing, ' + sys.argv[1]); sys.exit(3)"
    fleet = Fleet(folder, [sys.executable, "-c", code], [dict(os.environ)])
    fleet.start_all()
    assert len(fleet) == 1
    dead = reaped(fleet)
    assert (dead.worker, dead.code, len(fleet)) == (0, 3, 0)
    assert fleet.last_words(0) == "no such thing, 0"


def test_terminal_signals_wait_until_the_worker_is_ready_for_them(folder):
    code = "import signal; print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))"
    fleet = Fleet(folder, [sys.executable, "-c", code], [dict(os.environ)])
    fleet.start_all()
    reaped(fleet)
    assert "SIGINT" in fleet.last_words(0)
    assert "SIGHUP" in fleet.last_words(0)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_kill_leaves_no_process(folder):
    fleet = Fleet(folder, [sys.executable, "-c", "import time; time.sleep(60)"], [dict(os.environ)] * 2)
    fleet.start_all()
    pids = [process.pid for process in fleet._processes.values()]
    fleet.kill()
    assert len(fleet) == 0
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
