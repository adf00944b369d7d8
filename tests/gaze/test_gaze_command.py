"""On real pictures (digits), with synthetic gaze at random places."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

N_DIGITS = 1797
FEW = ("--images", "32", "--rounds", "1")


@pytest.fixture
def synthetic(tmp_path: Path) -> Path:
    """Gaze on one random pixel of every digit but the first hundred."""
    maps = np.zeros((N_DIGITS - 100, 64), np.float32)
    maps[np.arange(len(maps)), np.random.default_rng(0).integers(0, 64, len(maps))] = 1
    maps += 0.01
    path = tmp_path / "synthetic.npz"
    np.savez(path, maps=maps.reshape(-1, 8, 8), index=np.arange(100, N_DIGITS))
    return path


def test_policies_are_compared_and_results_written(cli: Callable[..., Any], synthetic: Path) -> None:
    policies = [part for name in ("cutmix", "none", "mixup") for part in ("--policy", name)]
    outcome = cli("gaze", "--gaze", synthetic, *policies, *FEW)
    assert outcome.code == 0, outcome.err
    assert "mixes nothing" in outcome.out
    assert "have no gaze" in outcome.out
    assert "working definition" in outcome.out
    book = json.loads(Path("automix-gaze/gaze.json").read_text())
    cutmix, none, mixup = book["policies"]
    assert 0 < cutmix["low"] <= cutmix["inconsistency"] <= cutmix["high"] < 1
    assert (none["inconsistency"], none["unmixed"]) == (None, 32)
    assert mixup["to_first"] == pytest.approx(mixup["inconsistency"] - cutmix["inconsistency"], abs=0.05)
    rows = list(csv.DictReader(Path("automix-gaze/classes.csv").read_text().splitlines()))
    assert sum(int(row["samples"]) for row in rows if row["policy"] == "cutmix") == cutmix["samples"]
    assert [path.read_bytes()[1:4] for path in Path("automix-gaze").glob("*.png")] == [b"PNG", b"PNG"]


def test_mixup_of_equal_gaze_is_consistent_and_a_rule_that_needs_a_model_is_refused(
    cli: Callable[..., Any], tmp_path: Path
) -> None:
    np.savez(tmp_path / "flat.npz", maps=np.ones((N_DIGITS, 8, 8)), index=np.arange(N_DIGITS))
    flat = ("gaze", "--gaze", tmp_path / "flat.npz", *FEW, "--no-augment", "--json")
    for name in ("mixup", "cutmix"):
        (row,) = json.loads(cli(*flat, "--policy", name).out)
        assert row["high"] == pytest.approx(0, abs=1e-5)
    refused = cli(*flat, "--policy", "transmix_paper")
    assert refused.code == 2
    assert "--model" in refused.err


@pytest.mark.parametrize(
    ("maps", "index", "words"),
    [
        (np.ones((2, 8, 8)), [0, 5000], ["1 of 2", "do not exist", "5000"]),
        (np.ones((2, 8, 8)), [3, 3], ["both about", "digits[3]"]),
        (np.ones((N_DIGITS, 8, 16)), range(N_DIGITS), ["another frame", "5%"]),
        (np.zeros((N_DIGITS, 8, 8)), range(N_DIGITS), ["at least 2", "empty"]),
    ],
    ids=["no such image", "twice", "other frame", "all empty"],
)
def test_gaze_that_does_not_fit_is_named_in_one_line(
    cli: Callable[..., Any], tmp_path: Path, maps: Any, index: Any, words: list[str]
) -> None:
    np.savez(tmp_path / "g.npz", maps=maps, index=np.array(index))
    outcome = cli("gaze", "--gaze", tmp_path / "g.npz", "--policy", "cutmix", *FEW)
    assert outcome.code == 2, outcome
    assert outcome.err.count("\n") == 1
    assert [word for word in words if word not in outcome.err] == []
