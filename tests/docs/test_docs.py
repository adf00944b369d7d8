"""The documentation says what the program does: every name is there, every link leads somewhere, the code runs."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import importlib.util
import inspect
import re
import shutil
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from automix import hookspecs
from automix.data.sources import BUILT_IN
from automix.manager import build_host
from automix.outputs import LEADERBOARD_METRICS, leaderboard_row
from automix.policy import Branch, PolicyDocument, Schedule
from automix.presets import PRESETS
from automix.spaces import list_spaces
from automix.tracking import keys
from automix.training.settings import TrainSettings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
HOOKS = [name for name in vars(hookspecs) if name.startswith("automix_")]
FENCE = re.compile(r"^```(\w*)[ ]*([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(name: str) -> dict[str, str]:
    """Return the lines of a page's tables by the names in code quotes in their first cell."""
    lines = [line for line in page(name).splitlines() if line.startswith("|")]
    return {name: line for line in lines for name in re.findall(r"`([^`]+)`", line.split("|")[1])}


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_of_the_command_line_is_up_to_date() -> None:
    written = load(DOCS / "generate.py").cli_page()
    assert page("docs/cli.md") == written, "run: python docs/generate.py"


@pytest.mark.parametrize("hook", HOOKS)
def test_hook_is_documented_with_what_it_gets(hook: str) -> None:
    row = rows("docs/writing-a-plugin.md")[hook]
    arguments = inspect.signature(getattr(hookspecs, hook)).parameters
    if "event" not in arguments:
        assert list(arguments) == ["register"]
        assert "`register(" in row
        return
    event = getattr(hookspecs, str(arguments["event"].annotation))
    assert re.findall(r"`(\w+)`", row)[1:] == [field.name for field in dataclasses.fields(event)]


def test_every_field_of_a_policy_is_documented() -> None:
    documented = rows("docs/files.md")
    fields = {name if name != "schema_" else "schema" for name in PolicyDocument.model_fields}
    assert fields | set(Branch.model_fields) <= set(documented)
    assert all(f"`{name}`" in documented["schedule"] for name in Schedule.model_fields)


def test_every_column_of_the_leaderboard_is_documented() -> None:
    text = page("docs/files.md").partition("Columns of `leaderboard.csv`")[2].partition("\n\n")[0]
    tree = ast.parse(inspect.getsource(leaderboard_row))
    (columns,) = (node for node in ast.walk(tree) if isinstance(node, ast.Dict))
    names = [key.value for key in columns.keys if isinstance(key, ast.Constant)]
    assert [name for name in (*names, *LEADERBOARD_METRICS) if f"`{name}`" not in text] == []


def test_every_training_setting_and_metric_is_documented() -> None:
    documented = rows("docs/training.md")
    assert {field.name for field in dataclasses.fields(TrainSettings)} <= set(documented)
    metrics = {value for value in vars(keys).values() if re.fullmatch(r"(val|train|cost)/\w+|lr", str(value))}
    assert metrics - {keys.COST_OVERHEAD, keys.COST_TOTAL_S} <= set(documented)


def test_every_data_source_preset_and_space_is_documented() -> None:
    assert {name.partition(":")[0] for name in rows("docs/data.md")} >= set(BUILT_IN)
    assert set(PRESETS) <= set(rows("README.md"))
    assert set(list_spaces()) <= set(rows("docs/search-spaces.md"))


def test_every_environment_variable_is_documented() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "automix").rglob("*.py"))
    assert set(re.findall(r"\bAUTOMIX_[A-Z_]+\b", source)) <= set(rows("docs/files.md"))


def test_architecture_names_every_dependency_and_layer() -> None:
    project = tomllib.loads(page("pyproject.toml"))
    packages = [re.split(r"[<>=]", text)[0] for text in project["project"]["dependencies"]]
    table = page("docs/architecture.md").partition("## Dependencies")[2]
    assert sorted(re.findall(r"^\| ([\w.-]+) \|", table, re.MULTILINE)[1:]) == sorted(packages)
    (contract,) = (one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    drawn = page("docs/architecture.md").partition("## Layers")[2]
    places = [drawn.find(f"\n    {layer}  ") for layer in contract["layers"]]
    assert -1 not in places
    assert places == sorted(places)


def test_readme_lists_every_method_and_its_source() -> None:
    listed = rows("README.md")
    registry = build_host().registry
    own = [entry for entry in registry.entries("mixer") if entry.distribution == "automix"]
    for entry in own:
        assert entry.name in listed
        assert entry.obj.card.arxiv in listed[entry.name]
    policies = [entry.name for entry in registry.entries("policy") if entry.distribution == "automix"]
    assert set(policies) <= set(listed)


def test_quick_start_is_two_blocks_of_one_command() -> None:
    blocks = FENCE.findall(page("README.md").partition("## Quick start")[2])
    assert [(language, body.strip()) for language, _, body in blocks[:2]] == [
        ("sh", "make quickstart"),
        ("sh", "make test"),
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files(path: Path) -> None:
    links = re.findall(r"(?:\]\(|src=\")(?!https?://)([^)\"#\s]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_in_examples_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    commands = set(re.findall(r"^ *(?:\S*/)?(automix [a-z]+(?: (?:list|show|new|validate))?)", text, re.MULTILINE))
    known = re.findall(r"^## `(automix[^`A-Z]*?) ?[A-Z]*`", page("docs/cli.md"), re.MULTILINE)
    assert commands <= set(known)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_policies_in_examples_are_valid(path: Path, tmp_path: Path) -> None:
    from automix.policy import complete, load_document

    for language, _, body in FENCE.findall(path.read_text(encoding="utf-8")):
        if language == "yaml" and "automix.policy/" in body:
            (tmp_path / "policy.yaml").write_text(body)
            complete(load_document(tmp_path / "policy.yaml"), build_host().registry)


def readers_own(folder: Path) -> dict[str, Any]:
    """Make what an example takes for granted: a policy file, a model and grey pictures of 8 px in ten classes."""
    shutil.copy(ROOT / "examples" / "policy.yaml", folder)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    images, labels = torch.randn(8, 1, 8, 8), torch.arange(8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    given = {"images": images, "labels": labels, "model": model, "optimizer": optimizer}
    return {"torch": torch, "loader": [(images, labels)], "epochs": 2, "test_images": images, **given}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_python_on_the_page_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = readers_own(tmp_path)
    for language, mark, body in FENCE.findall(path.read_text(encoding="utf-8")):
        if language == "python":
            code = compile(body, f"{path.name}: {body.strip().splitlines()[0]}", "exec")
            if mark != "not-run":
                exec(code, names)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(str(path), module_relative=False, optionflags=flags, verbose=False)
    assert found.failed == 0
