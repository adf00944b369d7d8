"""Locks end with their holder and tell who it is."""

from __future__ import annotations

import subprocess
import sys

from automix.search.locks import is_locked, try_lock

HOLD = """
import sys, time
from pathlib import Path
from automix.search.locks import try_lock
lock = try_lock(Path(sys.argv[1]), "held")
print("ready", flush=True)
time.sleep(60)
"""


def test_a_second_taker_gets_nothing_until_release(tmp_path):
    path = tmp_path / "new" / "lock"
    first = try_lock(path, "one")
    assert first is not None
    assert is_locked(path)
    assert try_lock(path, "two") is None
    assert path.read_text() == "one"
    first.release()
    assert not is_locked(path)
    with try_lock(path, "two"):
        assert path.read_text() == "two"


def test_a_missing_lock_is_free(tmp_path):
    assert not is_locked(tmp_path / "none")


def test_looking_does_not_free_a_lock(tmp_path):
    path = tmp_path / "lock"
    with try_lock(path):
        assert is_locked(path)
        assert is_locked(path)


def test_a_killed_holder_frees_its_lock(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        assert try_lock(path) is None
        process.kill()
    with try_lock(path) as lock:
        assert lock is not None
