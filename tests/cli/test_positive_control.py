"""The positive control: where mixing helps by far, the real command finds it and says so.

Nothing is replaced: data, space, worker processes, fresh seeds, test images. ``docs/controls.md`` has the spread of the
gain over repeated searches of this kind, and how often this test would fail by chance.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from automix.policy import load_document

# 300 digits, two of five labelled at random: in 60 epochs a network without mixing learns the wrong labels by heart.
CONTROL = (
    *("--data", "digits", "--label-noise", "0.4", "--limit", "300", "--epochs", "60"),
    *("--space", "small", "--trials", "8", "--confirm", "3", "--workers", "1", "--device", "cpu", "--no-memory"),
)


@pytest.mark.slow
def test_search_on_randomly_labelled_digits_ends_with_a_mixing_policy_that_wins_by_more_than_five_points(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "automix", "search", *CONTROL, "--work", tmp_path, "--out", tmp_path / "out", "--json"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)["verdict"]
    assert verdict["kind"] == "helps"
    assert verdict["gain"][0] > 0.05
    assert load_document(tmp_path / "out" / "policy.yaml").is_mixing
