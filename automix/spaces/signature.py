"""What makes two spaces the same, and how to say that they are not.

Optuna cannot change a categorical's choices within a study, and a range that changes under it mixes trials that mean
different things; so a study keeps its space's outline and is not resumed with another one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

__all__ = ["signature_diff", "signature_of"]

_CATEGORICAL = "categorical"


def signature_of(outline: Mapping[str, str]) -> str:
    """Return 16 hexadecimal digits that are equal for equal outlines."""
    return hashlib.sha256(json.dumps(outline, sort_keys=True).encode()).hexdigest()[:16]


def signature_diff(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Say in words how two spaces differ.

    Args:
        old: `Space.outline` of the one.
        new: of the other.

    Example:
        >>> signature_diff({"mixer": "categorical cutmix | none"}, {"mixer": "categorical fmix | none"})
        ['mixer: no longer cutmix, now also fmix']
    """
    lines = [_changed(name, old[name], new[name]) for name in old if name in new and old[name] != new[name]]
    moved = _choices(old.get("mixer", "")) ^ _choices(new.get("mixer", ""))
    # What belongs to a mixer that came or went is said by its coming or going.
    gone = [name for name in old if name not in new and _mixer_of(name) not in moved]
    come = [name for name in new if name not in old and _mixer_of(name) not in moved]
    return [*lines, *(f"{name}: gone ({old[name]})" for name in gone), *(f"{name}: new ({new[name]})" for name in come)]


def _changed(name: str, old: str, new: str) -> str:
    before, after = _choices(old), _choices(new)
    has_choice = any(text.startswith(_CATEGORICAL) for text in (old, new))
    if not has_choice or not before or not after or before == after:
        return f"{name}: was {old}, is now {new}"
    lost, won = ", ".join(sorted(before - after)), ", ".join(sorted(after - before))
    return f"{name}: " + ", ".join(filter(None, [lost and f"no longer {lost}", won and f"now also {won}"]))


def _choices(text: str) -> set[str]:
    """Read the choices from an outline's text; a fixed value is the only one."""
    kind, _, names = text.partition(" ")
    return set(names.split(" | ")) if kind in (_CATEGORICAL, "=") else set()


def _mixer_of(name: str) -> str:
    return name.removesuffix("?").rpartition(".")[2]
