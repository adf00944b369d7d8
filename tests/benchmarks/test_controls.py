"""The controls' cases, their tables, and a second look at a winner on seeds of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import controls
import controls_report
import pytest
from scipy.stats import t

from automix.policy import PolicyDocument
from automix.search.rounds import Entrant, fresh_seeds


def second_look(gain: float) -> dict[str, Any]:
    return {"seeds": 5, "gain": [gain, gain - 0.02, gain + 0.02], "holds": gain > 0.02}


def record(control: str, gain: float | None, *, again: float | None = None, seed: int = 1) -> dict[str, Any]:
    kind = "do_not_mix" if gain is None else "helps" if gain > 0.02 else "no_difference"
    top1 = {"mean": gain, "low": (gain or 0) - 0.02, "high": (gain or 0) + 0.02}
    return {
        "name": f"{control}-{seed}",
        "control": control,
        "options": {"limit": 300, "epochs": 60, "seed": seed},
        "kind": kind,
        "winner": "none" if gain is None else "timm_default",
        "to_none": {} if gain is None else {"top1": top1},
        "warnings": ["12 epochs are few."],
        "arms": {
            "none": {"title": "none", "top1": [0.7, 0.7], "logloss": [1.0, 1.0]},
            "timm_default": {"title": "timm", "top1": [0.7 + (gain or 0)] * 2, "logloss": [0.5, 0.5]},
        },
        "replication": None if again is None else second_look(again),
        "cpu_s": 60,
        "date": "2026-11-23",
        "commit": "abc",
    }


def test_chance_of_failing_is_that_of_one_more_search() -> None:
    gains = [0.20, 0.18, 0.16, 0.22]
    text = "\n".join(controls_report.lines([record("positive", gain, seed=i) for i, gain in enumerate(gains)]))
    # mean 0.19, sd 0.02582
    expected = t.cdf((0.05 - 0.19) / (0.0258199 * (1 + 1 / 4) ** 0.5), 3)
    assert f"probability of {expected:.1%}" in text


def test_null_counts_announced_wins_with_their_upper_limit() -> None:
    none = [record("null", 0.0, seed=i) for i in range(9)]
    text = "\n".join(controls_report.lines([*none, record("null", 0.05, again=0.0, seed=9)]))
    assert "1 of 10 searches announced a win" in text
    assert "up to 39%" in text  # Clopper-Pearson for 1 of 10
    assert "of 1 announced gains 0 held" in text


def test_regime_tells_the_sign_of_the_same_policy_and_what_the_tool_said() -> None:
    text = "\n".join(controls_report.lines([record("regime", None), record("regime", 0.013, seed=2)]))
    assert "-0.500" in text
    assert "`do_not_mix`" in text
    assert "12 epochs are few." in text


def test_replication_counts_gains_that_hold_and_that_lie_inside_the_announced_interval() -> None:
    found = [record("positive", 0.2, again=0.19, seed=1), record("noisy", 0.1, again=0.03, seed=2)]
    text = "\n".join(controls_report.lines(found))
    assert "of 2 announced gains 2 held" in text
    assert "1 with a gain inside the announced interval" in text


@pytest.mark.parametrize("quick", [True, False])
def test_every_case_has_a_name_of_its_own(quick: bool, tmp_path: Path) -> None:
    for folder, file in (("fashion-mnist-3k", "fashion_mnist_3k.npz"), ("cifar10-jpeg", "cifar10_jpeg.npz")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).touch()
    names = [case.name for case in controls._cases(tmp_path, quick)]
    assert len(set(names)) == len(names)
    assert {case.data for case in controls._cases(tmp_path / "missing", quick)} == {"digits"}


def test_replication_trains_winner_and_no_mixing_on_seeds_that_nobody_used(
    make_plan: Callable[..., Any], tmp_path: Path
) -> None:
    plan = make_plan(epochs=1, confirm=2, name=tmp_path.name)
    documents = {"none": PolicyDocument.of("none"), "mixup": PolicyDocument.of("mixup")}
    entrants = {name: Entrant(name, name, one.key(), one.to_dict()) for name, one in documents.items()}
    confirmation = SimpleNamespace(entrants=entrants, verdict=SimpleNamespace(winner="mixup"))
    found = controls._replicate(plan, confirmation)
    assert found["gain"][1] <= found["gain"][0] <= found["gain"][2]
    folder = plan.work / "studies" / plan.config.name / "replication"
    trained = {int(path.name.rpartition("-")[2]) for path in folder.iterdir()}
    assert len(trained) == found["seeds"] == controls.N_FRESH
    assert not trained & {*fresh_seeds(plan.config.seed, 20), plan.config.seed}
