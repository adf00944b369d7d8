"""Benchmarks are scripts that import each other by name; tests find them the same way."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.extend([str(Path(__file__).parents[2] / "benchmarks"), str(Path(__file__).parent)])
