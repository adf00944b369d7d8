"""Campaigns of kills as processes of their own, and what they may not change."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.extend([str(Path(__file__).parent), str(Path(__file__).parents[1] / "search")])


@dataclass(frozen=True)
class Report:
    """What a campaign came to."""

    kills: dict[str, int]
    n_kills: int
    n_starts: int
    studies: list[tuple[Path, str]]
    seconds: float

    def __str__(self) -> str:
        lines = [f"{count:5d}  {what}" for what, count in self.kills.items()]
        return "\n".join([f"{self.n_kills} kills in {self.n_starts} starts, {self.seconds:.0f} s", *lines])


@pytest.fixture
def campaign(tmp_path: Path) -> Callable[..., Report]:
    """Run a campaign in a fresh folder; what died where is printed (`-s`)."""

    def run(**values: Any) -> Report:
        script = Path(__file__).with_name("faults_study.py")
        asked = json.dumps({"work": str(tmp_path), **values})
        done = subprocess.run([sys.executable, str(script), asked], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-5000:]
        told = json.loads(done.stdout.splitlines()[-1])
        report = Report(**{**told, "studies": [(Path(work), name) for work, name in told["studies"]]})
        sys.stdout.write(f"\n{report}\n")
        return report

    return run
