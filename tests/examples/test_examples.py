"""The numbered examples run as they are, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script: str, cwd: Path, *flags: str) -> str:
    done = subprocess.run(
        [sys.executable, *flags, str(EXAMPLES / script)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_policy_in_a_loop_of_ones_own_learns(tmp_path: Path) -> None:
    *_, last = run("01_use_a_policy.py", tmp_path, "-W", "error").splitlines()
    assert float(last.split()[-1]) > 0.95


@pytest.mark.slow
def test_search_from_python_hands_back_a_policy_and_goes_on_when_run_again(tmp_path: Path) -> None:
    # Without warnings as errors: MLflow's own use of SQLAlchemy warns.
    first = run("02_search_from_python.py", tmp_path)
    results = tmp_path / "automix-out" / "example" / "out"
    assert (results / "policy.yaml").is_file()
    assert (results / "report.html").is_file()
    ranking = [line for line in first.splitlines() if line[:1].isdigit()]
    again = run("02_search_from_python.py", tmp_path)
    assert [line for line in again.splitlines() if line[:1].isdigit()] == ranking
    assert len(ranking) == 5


def test_timms_choices_give_timms_result(tmp_path: Path) -> None:
    output = run("03_plan_by_hand.py", tmp_path, "-W", "error")
    assert "images equal:  True" in output
    assert "targets equal: True" in output


def test_every_numbered_example_is_run_here() -> None:
    own = Path(__file__).read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES.glob("[0-9]*.py") if path.name not in own] == []
