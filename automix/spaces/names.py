"""Names of Optuna parameters: ``alpha.cutmix``, and ``alpha2.cutmix`` in the second branch.

MLflow's comparison plots cut labels at ten characters and merge what then looks alike, so no two names of a space begin
with the same ten (checked by a test over the shipped spaces).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from automix.spaces.tree import Leaf, Path

__all__ = ["CUT", "name_leaves"]

CUT = 10
"""Characters that MLflow shows of a label."""


@dataclass(frozen=True)
class _Label:
    """What a name is made of: ``head`` (parameter), ``branch`` ("" or "2") and ``tail`` (mixer)."""

    head: str
    branch: str
    tail: str

    def name(self, width: int | None = None) -> str:
        return f"{self.head[:width]}{self.branch}.{self.tail}"


def name_leaves(leaves: Iterable[Leaf]) -> dict[Path, str]:
    """Name every leaf.

    A parameter keeps its own name where that is unique within its mixer; otherwise its component's name is added, and
    its slot's where that is still not enough. Where searched names agree in their first ten characters, they are
    shortened to what sets them apart, and numbered where nothing does.

    Args:
        leaves: of all branches; those with nothing to choose are named too, but do not count for the ten characters.

    Returns:
        Path -> name. It depends on nothing but the paths, their order and which leaves are free.
    """
    ordered = list(leaves)
    top: dict[Path, str] = {leaf.path: leaf.path[0] for leaf in ordered if len(leaf.path) == 1}
    inner = [leaf for leaf in ordered if len(leaf.path) > 1]
    heads = _heads([leaf.path for leaf in inner])
    labels = {leaf.path: _Label(heads[leaf.path], leaf.path[0].removeprefix("mixer"), leaf.path[1]) for leaf in inner}
    free = {leaf.path: labels[leaf.path] for leaf in inner if leaf.domain.is_free}
    searched = _set_apart(
        free,
        taken={label.name() for path, label in labels.items() if path not in free},
        taken_starts={name[:CUT] for name in top.values()},
    )
    return {**top, **{path: label.name() for path, label in labels.items()}, **searched}


def _heads(paths: list[Path]) -> dict[Path, str]:
    """Name each leaf within its mixer, by as few parts of its path as set it apart."""
    heads = {path: path[-1] for path in paths}
    for depth in (2, 3):
        uses = Counter((*path[:2], heads[path]) for path in paths)
        for path in paths:
            # A mixer's own parameter and a slot's choice have short paths and keep their name.
            if uses[*path[:2], heads[path]] > 1 and len(path) > 3:
                heads[path] = "_".join(reversed(path[-depth:]))
    return heads


def _set_apart(free: dict[Path, _Label], taken: set[str], taken_starts: set[str]) -> dict[Path, str]:
    """Name searched leaves so that no two begin alike."""
    names = {path: label.name() for path, label in free.items()}
    groups: dict[str, list[Path]] = defaultdict(list)
    for path, name in names.items():
        groups[name[:CUT]].append(path)
    number = 0
    for group in (group for group in groups.values() if len(group) > 1):
        others = taken_starts | {name[:CUT] for path, name in names.items() if path not in group}
        chosen = _shortened([free[path] for path in group], taken, others)
        if chosen is None:
            chosen = [f"{free[path].head[:3]}-{number + i}.{free[path].tail}" for i, path in enumerate(group, start=1)]
            number += len(group)
        names.update(zip(group, chosen, strict=True))
    return names


def _shortened(labels: list[_Label], taken: set[str], taken_starts: set[str]) -> list[str] | None:
    """Return the longest shortening that sets names apart from each other and from all others, if there is one."""
    for width in range(max(len(label.head) for label in labels), 0, -1):
        names = [label.name(width) for label in labels]
        starts = {name[:CUT] for name in names}
        if len(starts) == len(names) and not starts & taken_starts and not taken & set(names):
            return names
    return None
