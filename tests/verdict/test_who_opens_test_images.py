"""By construction: who could read a test image at all, read off the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import automix

HOME = Path(automix.__file__).parent
OPENERS = {"load_data", "open_data"}
SEES_ALL = {"verdict/opening.py", "api.py"}
"""The verdict; and `automix.preview`, which draws pictures and trains nothing."""
SEARCHES = {"search", "training", "tracking", "spaces", "policy", "mixing", "planning.py", "costing.py"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(HOME.rglob("*.py")):
        name = path.relative_to(HOME).as_posix()
        if not name.startswith("data/"):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def is_opening(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OPENERS


def test_whoever_opens_data_outside_the_verdict_seals_the_test_images_at_once() -> None:
    opened, sealed = set(), set()
    for name, tree in modules():
        nodes = list(ast.walk(tree))
        opened |= {(name, node.lineno) for node in nodes if is_opening(node)}
        sealed |= {
            (name, node.value.lineno)
            for node in nodes
            if isinstance(node, ast.Attribute) and node.attr == "without_test" and is_opening(node.value)
        }
    assert {name for name, _ in opened} >= {"planning.py", "search/confirm_worker.py", "verdict/opening.py"}
    assert {name for name, _ in opened - sealed} == SEES_ALL


def test_no_part_of_search_or_training_imports_what_opens_the_test_images() -> None:
    importers = {
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and node.module == "automix.verdict.opening")
        or (isinstance(node, ast.Import) and any(one.name == "automix.verdict.opening" for one in node.names))
    }
    assert "confirming.py" in importers
    assert not {name for name in importers if name.partition("/")[0] in SEARCHES}
