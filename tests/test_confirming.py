"""The last step of a search: who is trained again, what the verdict leaves behind, and how it is taken up again."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest

from automix.confirming import Confirmation, choose_too, confirm, is_unfinished, stored_confirmation
from automix.errors import UnknownNameError
from automix.manager import build_host
from automix.outputs import Outputs, export_results
from automix.planning import SearchRequest, plan_search
from automix.policy import load_document
from automix.registry import Entry
from automix.search import confirm_stage
from automix.search.confirm_worker import settle_round, train_round
from automix.search.launch import Machine
from automix.search.rounds import ConfirmPlan
from automix.verdict.statistics import level_of

POLICIES = {
    "cutmix a=1": ("cutmix", (0.9,), ""),
    "mixup a=1": ("mixup", (0.8,), ""),
    "none": ("none", (0.7,), "none"),
    "resizemix": ("resizemix", (0.6,), ""),
    "again": ("cutmix", (0.55,), ""),
    "timm_default": ("mixup", (0.5,), "timm_default"),
    "failed": ("fmix", None, ""),
}


@pytest.fixture
def plan(make_plan: Callable[..., Any], tmp_path: Path) -> Any:
    return make_plan(epochs=1, confirm=2, name=tmp_path.name)  # a study of its own for each test


@pytest.fixture
def result(plan: Any, make_result: Callable[..., Any]) -> Any:
    return make_result(plan, POLICIES)


@pytest.fixture
def in_process(plan: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Train in this process; returns the names of what was trained."""
    trained: list[str] = []

    def run(stage: ConfirmPlan, folder: Any, *_: Any, **__: Any) -> bool:
        for one in stage.rounds(folder):
            if one.result() is None:
                trained.append(one.entrant.name)
                settle_round(
                    one,
                    partial(train_round, data=plan.data, settings=plan.settings, registry=plan.host.registry),
                    lambda: False,
                )
        return True

    monkeypatch.setattr(confirm_stage, "run_confirm_stage", run)
    return trained


def run(plan: Any, result: Any) -> Confirmation:
    found = confirm(plan, result, Machine(n_workers=1, n_cores=1), lambda _: None)
    assert found is not None
    return found


def test_verdict_is_come_to_once_and_leaves_models_and_files(plan: Any, result: Any, in_process: list[str]) -> None:
    assert is_unfinished(plan, result)
    found = run(plan, result)
    # The three best that mix, then the references; what failed takes no part.
    names = {"none", "slot 0", "slot 1", "slot 3", "timm_default"}
    assert set(found.rounds) == names
    assert sorted(in_process) == sorted([*names, *names])
    assert not is_unfinished(plan, result)

    again = run(plan, result)
    assert len(in_process) == 2 * len(names)
    assert again.verdict == found.verdict
    assert again.verdict.subject.opened == 1
    stored = stored_confirmation(plan, result)
    assert stored is not None
    assert stored.verdict == found.verdict

    outputs = Outputs(plan.out)
    export_results(plan, result, confirmation=found)
    document = load_document(outputs.policy)
    assert document.verdict["kind"] == found.verdict.kind
    assert document.is_mixing == (found.verdict.kind == "helps")
    assert outputs.candidate.exists() == (found.verdict.kind == "no_difference")
    assert len(list(outputs.models.iterdir())) == 2 * len(names)
    rows = list(csv.DictReader(outputs.confirm.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 2 * len(names)
    assert all((plan.out / row["model"]).exists() for row in rows)
    opened = {row["arm"] for row in rows if row["test/top1"]}
    assert {"none", "timm_default"} <= opened
    assert len(opened) <= 3
    assert found.verdict.kind in outputs.report.read_text(encoding="utf-8")


def test_another_winner_opens_the_test_images_again_and_that_is_told(
    plan: Any, result: Any, in_process: list[str]
) -> None:
    run(plan, result)
    looks = result.folder.path / "confirm" / "opened.json"
    looks.write_text(json.dumps([["an-earlier-look"]]), encoding="utf-8")
    assert run(plan, result).verdict.subject.opened == 2


def test_search_that_was_stopped_has_no_verdict_yet(plan: Any, make_result: Callable[..., Any]) -> None:
    result = make_result(plan, POLICIES, "stopped")
    assert confirm(plan, result, Machine(n_workers=1, n_cores=1), lambda _: None) is None


def test_without_no_mixing_there_is_nothing_to_compare_with(plan: Any, make_result: Callable[..., Any]) -> None:
    result = make_result(plan, {"cutmix": ("cutmix", (0.9,), "")})
    assert confirm(plan, result, Machine(n_workers=1, n_cores=1), lambda _: None) is None


@pytest.mark.slow
def test_workers_train_what_is_missing_and_tell_how_far_they_are(plan: Any, result: Any) -> None:
    from automix.search.config import save_config

    save_config(result.folder, plan.config)
    told: list[str] = []
    found = confirm(plan, result, Machine(n_workers=2, n_cores=2), told.append)
    assert found is not None
    assert any(line.startswith("[10/10]") for line in told)


def brier(probs: Any, labels: Any) -> float:
    """A metric of a plugin: the less the better."""
    return float(((probs - np.eye(probs.shape[1])[labels]) ** 2).sum(axis=1).mean())


@pytest.mark.parametrize(
    ("name", "by_image"), [("balanced_accuracy", True), ("robustness", True), ("images_per_s", False), ("brier", False)]
)
def test_goal_is_measured_on_fresh_seeds_and_decides(
    name: str,
    by_image: bool,
    make_result: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = build_host()
    brier.maximize = False  # type: ignore[attr-defined]
    host.registry.add(Entry("brier", "metric", brier))
    request = {"preset": "smoke", "limit": 100, "epochs": 1, "confirm": 2, "device": "cpu", "goal": name}
    plan = plan_search(SearchRequest(**request, work=tmp_path, out=tmp_path / "out"), host)
    result = make_result(plan, {"cutmix": ("cutmix", (0.9,), ""), "none": ("none", (0.7,), "none")})

    def train_all(stage: ConfirmPlan, folder: Any, *_: Any, **__: Any) -> bool:
        given = {"data": plan.data, "settings": plan.settings, "registry": host.registry, "goal": plan.goal}
        for one in stage.rounds(folder):
            settle_round(one, partial(train_round, **given), lambda: False)
        return True

    monkeypatch.setattr(confirm_stage, "run_confirm_stage", train_all)
    verdict = run(plan, result).verdict
    key = plan.goal.key
    best = max(verdict.arms, key=lambda arm: plan.goal.sort_key(mean(arm.val[key])))
    assert verdict.winner == best.name
    looked_at = [arm for arm in verdict.arms if arm.test]  # the winner and the references, nobody else
    assert {"none", best.name} <= {arm.name for arm in looked_at} <= {"none", "timm_default", best.name}
    assert all(len(arm.test[key]) == 2 for arm in looked_at)
    if verdict.gain is not None:
        assert verdict.gain.is_by_image == by_image
    elif verdict.to_default:
        assert verdict.to_default[key].is_by_image == by_image
    again = stored_confirmation(plan, result)
    assert again is not None
    assert again.verdict == verdict
    assert set(again.by_policy()) == {"cutmix-key", "none-key"}


def test_policy_named_by_hand_takes_part_from_then_on(plan: Any, result: Any, in_process: list[str]) -> None:
    choose_too(result, ["4"])
    found = run(plan, result)
    assert ConfirmPlan.load(result.folder).chosen == (result.slots[4].proposal.key,)
    assert "slot 4" in found.rounds
    with pytest.raises(UnknownNameError, match=r"'nobody' in --policies"):
        choose_too(result, ["nobody"])
    with pytest.raises(UnknownNameError, match=r"'6'"):  # it failed
        choose_too(result, ["6"])


def test_seeds_grow_and_do_not_become_fewer(
    plan: Any, result: Any, in_process: list[str], make_plan: Callable[..., Any], tmp_path: Path
) -> None:
    first = run(plan, result)
    more = run(make_plan(epochs=1, confirm=3, name=tmp_path.name), result)
    assert len(in_process) == 3 * len(first.rounds)  # what was trained is kept
    assert len(more.verdict.subject.seeds) == 3
    assert more.verdict.subject.seeds[:2] == first.verdict.subject.seeds
    assert more.verdict.subject.opened == 2
    for gain, level in ((first.verdict.gain, 0.97), (more.verdict.gain, level_of(2))):
        assert gain is None or gain.level == level
    # The command that was given first does not take the second look back, nor does one without a verdict.
    assert run(plan, result).verdict == more.verdict
    assert stored_confirmation(make_plan(epochs=1, confirm=0, name=tmp_path.name), result) is not None
