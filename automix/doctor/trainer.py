"""Checks of a policy in the trainer that it is meant for: what is done twice, or in the wrong place.

A script is read, never run. What cannot be seen in it is not judged.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from automix.doctor.finding import Finding
from automix.errors import SettingError
from automix.policy import PolicyDocument

__all__ = ["check_smoothing", "check_trainer", "smoothing_in"]

_SMOOTHING = {"label_smoothing", "smoothing"}
_MIXERS = {"Mixup", "FastCollateMixup", "MixUp", "CutMix", "RandomMixup", "RandomCutmix"}


def check_smoothing(policy: PolicyDocument, trainers: dict[str, float]) -> Finding:
    """Find labels that are smoothed twice: by the policy and by the trainer's own loss.

    Args:
        policy: that is trained with.
        trainers: where the trainer smooths -> by how much.
    """
    own = policy.label_smoothing
    twice = {where: amount for where, amount in trainers.items() if amount > 0}
    if own and twice:
        where = "; ".join(f"{amount:g} ({where})" for where, amount in twice.items())
        return Finding(
            "label smoothing",
            "warn",
            f"the policy smooths labels by {own:g}, the trainer again by {where}",
            "set the trainer's to 0: the policy was searched with its own",
        )
    if own:
        return Finding("label smoothing", "ok", f"the policy smooths labels by {own:g}; the trainer's must be 0")
    return Finding("label smoothing", "ok", "the policy smooths no labels; the trainer may")


def check_trainer(script: Path) -> list[Finding]:
    """Find mixing that is done twice or in the workers that load data.

    Raises:
        SettingError: the script cannot be read.
    """
    tree = _parsed(script)
    found = []
    for call in _calls(tree):
        place = f"{script}:{call.lineno}"
        if _name(call.func) in _MIXERS:
            text = f"{place} mixes with `{_name(call.func)}`, too: batches would be mixed twice"
            found.append(Finding("mixing twice", "warn", text, "mix with the policy alone"))
        for keyword in call.keywords:
            if keyword.arg == "collate_fn" and _mixes_in(tree, keyword.value):
                text = f"{place} mixes in `collate_fn`, on the processor"
                found.append(Finding("mixing on CPU", "warn", text, "mix after the batch is on the GPU"))
    return found or [Finding("trainer", "ok", f"{script}: no second mixing was found")]


def smoothing_in(script: Path) -> dict[str, float]:
    """Return where a script smooths labels, and by how much.

    Raises:
        SettingError: the script cannot be read.
    """
    return {
        f"{script}:{keyword.value.lineno}": float(keyword.value.value)
        for call in _calls(_parsed(script))
        for keyword in call.keywords
        if keyword.arg in _SMOOTHING
        and isinstance(keyword.value, ast.Constant)
        and isinstance(keyword.value.value, (int, float))
    }


def _parsed(script: Path) -> ast.Module:
    try:
        return ast.parse(script.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as err:
        raise SettingError(f"Expected a Python script but {str(script)!r} cannot be read: {err} (--trainer).") from err


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _name(function: ast.expr) -> str:
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _mixes_in(tree: ast.Module, collate: ast.expr) -> bool:
    """Whether what is given as ``collate_fn`` calls what `load_policy` returned."""
    policies = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _name(node.value.func) == "load_policy"
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    bodies: list[ast.AST] = [collate]
    bodies += [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == _name(collate)]
    return any(isinstance(node, ast.Name) and node.id in policies for body in bodies for node in ast.walk(body))
