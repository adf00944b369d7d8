"""Every mistake gives one line on the error stream and exit code 2."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

SMOKE = ("search", "--preset", "smoke", "--device", "cpu", "--confirm", "0")


def one_line(outcome: Any) -> str:
    assert outcome.code == 2, outcome
    assert outcome.err.count("\n") == 1, outcome.err
    assert outcome.err.startswith("automix: error: ")
    assert "Traceback" not in outcome.err
    return str(outcome.err)


def make_images(folder: Path, counts: dict[str, int], size: tuple[int, int] = (12, 10)) -> Path:
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = np.random.default_rng(i).integers(0, 255, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serch"], ["Unknown command 'serch'", "Did you mean 'search'"]),
        (["search", "--trails", "3"], ["--trails", "--trials"]),
        (["search", "--trials", "x"], ["--trials"]),
        (["methods", "show"], ["name"]),
        (["methods", "show", "cutmx"], ["Unknown method 'cutmx'", "Did you mean 'cutmix'"]),
        (["methods", "list", "--kind", "mixr"], ["Unknown kind 'mixr'", "mixer"]),
        (["status"], ["no study", "--work"]),
        (["leaderboard", "--work", "nowhere"], ["no study", "nowhere"]),
        (["policy", "show", "nope.yaml"], ["no file 'nope.yaml'"]),
        (["check", "cutmx"], ["Unknown plugin or mixer 'cutmx'", "cutmix"]),
        (["preview", "--pairs", "0"], ["at least 1 pair", "0"]),
        (["preview", "--methods", "cutmx"], ["Unknown mixer 'cutmx'", "cutmix"]),
        (["plugins", "new", "Not A Name"], ["Not A Name"]),
        (["worker", "--study", "nope"], ["nope"]),
        (["search", "--preset", "smok"], ["Unknown preset 'smok'", "Did you mean 'smoke'"]),
        (["search", "--space", "smal"], ["Unknown search space 'smal'", "small"]),
        (["search", "--budget", "xyz"], ["2h", "'xyz'", "--budget"]),
        (["search", "--label-noise", "2"], ["label_noise", "[0, 1)", "2"]),
        (["search", "--epochs", "0"], ["`epochs`", "at least 1", "0"]),
        (["search", "--batch-size", "0"], ["`batch_size`", "at least 1", "0"]),
        (["search", "--workers", "0"], ["`workers`", "at least 1", "0"]),
        (["search", "--lr", "-1"], ["`lr`", "above 0", "-1"]),
        (["search", "--lr", "nan"], ["`lr`", "nan"]),
        (["search", "--confirm", "-1"], ["`confirm`", "-1"]),
        (["search", "--confirm", "99"], ["`confirm`", "99"]),
        (["search", "--seed", "-1"], ["`seed`", "-1"]),
        (["search", "--name", "a/b"], ["study name", "'a/b'"]),
        (["search", "--image-size", "1"], ["image_size", "1"]),
        (["search", "--limit", "0"], ["limit", "0"]),
        (["search", "--data", "folder:nowhere"], ["nowhere"]),
        (["search", "--data", "bogus:x"], ["Unknown data source 'bogus'", "folder"]),
        ([*SMOKE, "--trials", "1"], ["`trials`", "reference", "1"]),
        ([*SMOKE, "--device", "tpu"], ["`device`", "'tpu'"]),
        ([*SMOKE, "--model", "resnet81"], ["Unknown model 'resnet81'", "resnet18"]),
        ([*SMOKE, "--model", "vit_tiny_patch16_224"], ["vit_tiny_patch16_224", "8 x 8", "--image-size"]),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) and value[0].islower() else "",
)
def test_mistake_is_named_in_one_line(cli: Callable[..., Any], arguments: list[str], words: list[str]) -> None:
    line = one_line(cli(*arguments))
    assert [word for word in words if word not in line] == []


def test_bare_call_and_group_show_their_help(cli: Callable[..., Any]) -> None:
    assert "search" in cli().out
    assert "list" in cli("methods").out


def test_debug_shows_where_a_mistake_was_found_wherever_it_stands(cli: Callable[..., Any]) -> None:
    for arguments in (("--debug", "status"), ("status", "--debug")):
        outcome = cli(*arguments)
        assert outcome.code == 2
        assert "Traceback" in outcome.err
        assert outcome.err.splitlines()[-1].startswith("automix: error: ")


def test_empty_folder_is_refused_with_the_layout_that_was_expected(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "one sub-folder per class" in one_line(cli(*SMOKE, "--data", f"folder:{tmp_path / 'empty'}"))


def test_class_with_one_image_is_named(cli: Callable[..., Any], tmp_path: Path) -> None:
    folder = make_images(tmp_path / "photos", {"cat": 12, "dog": 1})
    line = one_line(cli(*SMOKE, "--data", f"folder:{folder}", "--dry-run"))
    assert "dog" in line
    assert "1" in line


def test_corrupt_images_are_skipped_and_told_or_refused_when_strict(cli: Callable[..., Any], tmp_path: Path) -> None:
    folder = make_images(tmp_path / "photos", {"cat": 12, "dog": 12})
    (folder / "dog" / "bad.png").write_bytes(b"no image at all")
    data = ("--data", f"folder:{folder}", "--batch-size", "4", "--epochs", "1", "--dry-run")
    told = cli(*SMOKE, *data)
    assert told.code == 0, told.err
    assert "1 unreadable image" in told.out
    assert "bad.png" in told.out
    assert "bad.png" in one_line(cli(*SMOKE, *data, "--strict"))


def test_unknown_mixer_in_a_space_is_named_with_file_line_and_neighbour(
    cli: Callable[..., Any], tmp_path: Path
) -> None:
    space = tmp_path / "mine.yaml"
    space.write_text("schema: automix.space/1\nmixers:\n  none:\n  cutmx:\n")
    line = one_line(cli(*SMOKE, "--space", space))
    for words in ("'cutmx'", "mine.yaml line 4", "Did you mean 'cutmix'"):
        assert words in line


def test_unknown_key_in_a_space_is_named_with_file_line_and_neighbour(cli: Callable[..., Any], tmp_path: Path) -> None:
    space = tmp_path / "mine.yaml"
    space.write_text("schema: automix.space/1\nmixers: [none, mixup]\nbranchs: 2\n")
    line = one_line(cli(*SMOKE, "--space", space))
    for words in ("'branchs'", "mine.yaml line 3", "'branches'"):
        assert words in line


@pytest.mark.parametrize("command", ["show", "validate"])
def test_mistake_in_a_policy_is_named_with_file_and_line(cli: Callable[..., Any], tmp_path: Path, command: str) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("schema: automix.policy/1\nbranches:\n- mixer: {name: cutmix, prob: 1.5}\n")
    line = one_line(cli("policy", command, policy))
    for words in ("`prob`", "1.5", "policy.yaml line 3"):
        assert words in line


def test_work_folder_that_cannot_be_made_is_told(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "file" in one_line(cli(*SMOKE, "--work", tmp_path / "file" / "work", "--dry-run"))


def test_full_disk_is_told_and_leaves_no_half_data_set(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    line = one_line(cli(*SMOKE, "--work", tmp_path / "work", "--dry-run"))
    assert "No space left" in line
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert cli(*SMOKE, "--work", tmp_path / "work", "--dry-run").code == 0


def test_budget_that_holds_no_trial_is_refused_before_anything_is_trained(
    cli: Callable[..., Any], tmp_path: Path
) -> None:
    line = one_line(cli(*SMOKE, "--work", tmp_path / "work", "--budget", "0.01s"))
    assert "--budget" in line
    assert not (tmp_path / "work" / "optuna.db").exists()


def test_no_plugins_at_all_leaves_nothing_to_search(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMIX_PLUGINS_ALLOW", "automix_basics")
    assert "No mixer is left" in one_line(cli(*SMOKE))


def test_preview_into_a_folder_that_cannot_be_written_is_told(cli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    line = one_line(cli("preview", "--methods", "mixup", "--pairs", "1", "--out", tmp_path / "file" / "sheet.png"))
    assert "sheet.png" in line


def test_interruption_exits_with_130_and_says_how_to_go_on(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("automix.planning.plan_search", interrupted)
    outcome = cli(*SMOKE)
    assert outcome.code == 130
    assert outcome.err == "automix: interrupted. The same command goes on from what is saved.\n"


def test_scaffold_does_not_write_over_a_folder(cli: Callable[..., Any], tmp_path: Path) -> None:
    assert cli("plugins", "new", "mymix", "--in", tmp_path).code == 0
    target = next(path for path in tmp_path.iterdir() if path.is_dir())
    before = sorted(path.relative_to(target) for path in target.rglob("*"))
    one_line(cli("plugins", "new", "mymix", "--in", tmp_path))
    assert sorted(path.relative_to(target) for path in target.rglob("*")) == before
    shutil.rmtree(target)
