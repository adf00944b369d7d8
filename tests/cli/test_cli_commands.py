from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

HEAVY = ("torch", "torchvision", "timm", "mlflow", "matplotlib", "sklearn")


@pytest.mark.parametrize(
    "arguments",
    [
        ("methods", "list"),
        ("methods", "show", "cutmix"),
        ("methods", "show", "none"),
        ("plugins", "list"),
        ("policy", "show", "timm_default"),
        ("policy", "validate", "trivialmix"),
        ("check", "none"),
    ],
    ids=" ".join,
)
def test_json_is_all_there_is_on_standard_output(cli: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    outcome = cli(*arguments, "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)


def test_everything_registered_is_listed_by_kind(cli: Callable[..., Any]) -> None:
    rows = json.loads(cli("methods", "list", "--json").out)
    assert {row["kind"] for row in rows} >= {"mixer", "ratio", "pairing", "labels", "guide", "input", "policy"}
    guides = {"saliency", "self_attention", "cam", "top_down"}
    assert {row["name"] for row in json.loads(cli("methods", "list", "--kind", "guide", "--json").out)} == guides


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("name", ["cutmix", "between_class", "beta", "saliency", "trivialmix"])
def test_card_fits_the_terminal(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = cli("methods", "show", name).out
    assert max(map(len, text.splitlines())) <= int(columns)


def test_card_says_what_where_from_and_each_parameter(cli: Callable[..., Any]) -> None:
    text = cli("methods", "show", "cutmix").out
    for words in ("automix_cutmix", "arXiv 1905.04899", "summary", "differences", "slots", "prob_unit", "0.3 .. 1"):
        assert words in text


def test_policy_is_shown_in_full_and_reads_back(cli: Callable[..., Any], tmp_path: Path) -> None:
    shown = cli("policy", "show", "timm_default").out
    assert "prob_unit" in shown
    (tmp_path / "again.yaml").write_text(shown)
    assert "valid policy" in cli("policy", "validate", tmp_path / "again.yaml").out


def test_check_reports_each_claim_and_exits_with_0_where_all_hold(cli: Callable[..., Any]) -> None:
    outcome = cli("check", "automix_none")
    assert outcome.code == 0
    assert "none: conforms." in outcome.out


def test_preview_writes_a_picture_of_the_methods_asked_for(cli: Callable[..., Any], tmp_path: Path) -> None:
    outcome = cli(
        "preview", "--methods", "mixup,cutmix", "--policy", "timm_default", "--pairs", "2", "--out", "a/b.png"
    )
    assert outcome.code == 0, outcome.err
    with Image.open(tmp_path / "a" / "b.png") as sheet:
        sheet.verify()
        assert sheet.format == "PNG"


def test_new_plugin_is_written_with_what_to_do_next(cli: Callable[..., Any], tmp_path: Path) -> None:
    outcome = cli("plugins", "new", "mymix", "--in", tmp_path)
    assert outcome.code == 0, outcome.err
    assert "pip install -e" in outcome.out
    assert list(tmp_path.rglob("pyproject.toml"))


def test_plan_is_shown_without_training_anything(cli: Callable[..., Any], tmp_path: Path) -> None:
    outcome = cli("search", "--preset", "smoke", "--limit", "60", "--epochs", "1", "--dry-run", "--device", "cpu")
    assert outcome.code == 0, outcome.err
    for words in ("Data", "60 train", "Model", "Augment", "Methods", "cutmix", "not named by", "Study", "14 trials"):
        assert words in outcome.out
    assert not (tmp_path / "automix-work" / "optuna.db").exists()
    assert not (tmp_path / "automix-out").exists()


def test_plan_as_json_is_all_there_is_on_standard_output(cli: Callable[..., Any]) -> None:
    arguments = ("search", "--preset", "smoke", "--limit", "60", "--epochs", "1", "--dry-run", "--device", "cpu")
    plan = json.loads(cli(*arguments, "--json").out)
    assert plan["trials"] == 14
    assert plan["trial_s"] > 0
    assert "none" in plan["arms"]


def test_names_blocked_on_the_command_line_take_no_part(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOMIX_PLUGINS_BLOCK", "")  # restored afterwards, whatever the command sets
    rows = json.loads(cli("--block-plugins", "automix_fmix", "plugins", "list", "--json").out)
    assert {row["plugin"]: row["status"] for row in rows}["automix_fmix"] == "blocked"


@pytest.mark.parametrize("command", ["", "search", "status", "leaderboard", "preview", "methods list", "check", "ui"])
def test_help_names_every_option_and_is_quick_to_import(command: str) -> None:
    code = (
        "import sys\nfrom automix.cli import main\n"
        f"try: main({[*command.split(), '--help']!r})\nexcept SystemExit as end: assert not end.code\n"
        f"print('heavy', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--help" in done.stdout
    assert done.stdout.splitlines()[-1] == "heavy []"
    assert "completion" not in done.stdout


def test_listing_plugins_imports_no_torch() -> None:
    code = (
        "import sys\nfrom automix.cli import main\n"
        "try: main(['plugins', 'list'])\nexcept SystemExit as end: assert not end.code\n"
        f"print('heavy', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy []"
