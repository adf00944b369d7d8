from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import automix
from automix.errors import StorageError
from automix.outputs import Outputs, export_results, leaderboard_rows
from automix.policy import load_document
from automix.summary import headline, is_recommended, usage_lines

Make = Callable[..., Any]
TRIALS = {
    "none": ("none", [0.5, 0.80], "none"),
    "cutmix p=0.5": ("cutmix", [0.6, 0.85], ""),
    "mixup a=0.2": ("mixup", [0.6, 0.70], ""),
    "fmix": ("fmix", None, ""),
}


@pytest.fixture
def exported(make_plan: Make, make_result: Make) -> tuple[Any, Any, Outputs]:
    plan = make_plan()
    result = make_result(plan, TRIALS)
    export_results(plan, result)
    return plan, result, Outputs(result.out)


def test_every_file_that_is_named_is_there(exported: tuple[Any, Any, Outputs]) -> None:
    outputs = exported[2]
    missing = [name for name, path in outputs.files().items() if not path.exists()]
    assert missing == ["candidate", "model", "all models", "fresh seeds"]  # nothing was trained here


def test_leaderboard_has_a_row_for_each_slot_and_these_columns(exported: tuple[Any, Any, Outputs]) -> None:
    with exported[2].leaderboard.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["policy"] for row in rows] == ["cutmix p=0.5", "none", "mixup a=0.2", "fmix"]
    assert [row["rank"] for row in rows] == ["1", "2", "3", ""]
    assert float(rows[0]["delta_top1"]) == pytest.approx(0.05)
    assert rows[3]["state"] == "failed"
    assert rows[3]["error"] == "it <b>broke</b>"
    wanted = {"val/top1", "val/balanced_top1", "val/logloss", "val/ece", "epochs", "images_per_s", "overhead", "method"}
    assert wanted | {"arm", "slot", "copied_from", "policy_key", "delta_logloss"} <= set(rows[0])


def test_policy_says_where_it_comes_from_and_loads(exported: tuple[Any, Any, Outputs]) -> None:
    plan, _, outputs = exported
    document = load_document(outputs.policy)
    assert document.branches[0].mixer.name == "cutmix"
    assert document.classes == plan.data.classes
    assert document.found_by["content_hash"] == plan.data.fingerprint.content_hash
    assert document.trained_with["model"] == plan.settings.model
    assert document.verdict["val/top1"] == 0.85


def test_exported_policy_trains_a_step(exported: tuple[Any, Any, Outputs]) -> None:
    plan, _, outputs = exported
    mix = automix.load_policy(outputs.policy, num_classes=10, normalization=(plan.data.mean, plan.data.std))
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model[1].weight.detach().clone()
    loss = mix.loss(model, torch.randn(8, 1, 8, 8), torch.arange(8))
    loss.backward()
    optimiser.step()
    assert torch.isfinite(loss)
    assert not torch.equal(before, model[1].weight)
    images, targets = mix(torch.randn(8, 1, 8, 8), torch.arange(8))
    assert images.shape == (8, 1, 8, 8)
    assert targets.sum(1) == pytest.approx(torch.ones(8))


def test_lines_to_copy_run_as_they_stand(exported: tuple[Any, Any, Outputs]) -> None:
    plan, _, outputs = exported
    names: dict[str, Any] = {
        "model": torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)),
        "images": torch.randn(4, 1, 8, 8),
        "labels": torch.arange(4),
    }
    exec(usage_lines(outputs.policy, plan), names)
    assert names["loss"].ndim == 0


def test_pictures_are_valid(exported: tuple[Any, Any, Outputs]) -> None:
    with Image.open(exported[2].sheet) as sheet:
        sheet.verify()


def test_report_escapes_what_comes_from_trials(exported: tuple[Any, Any, Outputs]) -> None:
    html = exported[2].report.read_text()
    assert "it <b>broke</b>" not in html
    assert "it &lt;b&gt;broke" in html


@pytest.mark.parametrize(
    "trials",
    [{}, {"none": ("none", None, "none")}],
    ids=["nothing begun", "all failed"],
)
def test_results_are_written_when_nothing_was_found(make_plan: Make, make_result: Make, trials: dict[str, Any]) -> None:
    plan = make_plan()
    result = make_result(plan, trials, ending="stopped")
    assert export_results(plan, result) is None
    assert not Outputs(result.out).policy.exists()
    assert "No trial has trained to the end" in Outputs(result.out).report.read_text()


def test_no_mixing_in_front_is_said_and_nothing_is_recommended(make_plan: Make, make_result: Make) -> None:
    plan = make_plan()
    result = make_result(plan, {"none": ("none", [0.9], "none"), "mixup": ("mixup", [0.8], "")})
    assert headline(result, 100).startswith("No mixing leads with 90.00 %")
    assert not is_recommended(result, None)
    export_results(plan, result)
    assert "load_policy" not in Outputs(result.out).report.read_text()


def test_gain_within_chance_is_not_presented_as_one(make_plan: Make, make_result: Make) -> None:
    result = make_result(make_plan(), {"none": ("none", [0.80], "none"), "mixup": ("mixup", [0.81], "")})
    assert "this shows no difference" in headline(result, 100)
    assert "this shows no difference" not in headline(result, 100_000)


def test_rows_for_other_programs_agree_with_the_ranking(make_plan: Make, make_result: Make) -> None:
    result = make_result(make_plan(), TRIALS)
    assert [row["slot"] for row in leaderboard_rows(result)] == [row.slot for row in result.leaderboard]


def test_folder_that_cannot_be_written_is_told(make_plan: Make, make_result: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    plan = make_plan(out=tmp_path / "file" / "out")
    with pytest.raises(StorageError, match=r"Cannot write the results to .*file/out"):
        export_results(plan, make_result(plan, TRIALS))


def test_full_disk_is_told(make_plan: Make, make_result: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    plan = make_plan()
    result = make_result(plan, TRIALS)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="No space left on device"):
        export_results(plan, result)
