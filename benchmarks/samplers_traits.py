"""A policy as numbers that are near for policies that train alike, whatever their methods.

Optuna knows a policy by its parameters, and `alpha.mixup` tells it nothing about `alpha.cutmix`. Here both say two
things: how large the method's own alpha is, and how large alpha is. So what one method taught of the probability, the
law of lam or the schedule is carried to the others, and a policy outside the search space has its place too.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from automix.mixing.domains import Value
from automix.policy import Branch, PolicyDocument
from automix.policy.document import SLOTS

__all__ = ["Traits"]

_Trait: TypeAlias = tuple[str, float, Value]
"""What it is, the share of the batches that it holds for, and its value."""


class Traits:
    """Measures policies against a pool of policies of the same space.

    A number counts as the share of the pool's that lie below it, minus a half: so scales do not matter, logarithmic
    ones neither, and what a policy does not have counts as average. A name counts as the share of the batches that it
    holds for. What is the same in the whole pool is left out.

    Args:
        pool: policies drawn from the space; at least one.
    """

    def __init__(self, pool: Sequence[PolicyDocument]) -> None:
        numbers: dict[str, list[float]] = defaultdict(list)
        kinds = set()
        for name, _, value in (trait for document in pool for trait in _traits(document)):
            if isinstance(value, (str, bool)):
                kinds.add(f"{name}={value}")
            else:
                numbers[name].append(float(value))
        self._sorted = {name: sorted(values) for name, values in numbers.items()}
        self._columns = {name: i for i, name in enumerate(sorted([*numbers, *kinds]))}
        rows = self._rows(pool)
        self._varied = np.flatnonzero(np.ptp(rows, axis=0) > 0)

    def of(self, documents: Sequence[PolicyDocument]) -> NDArray[np.float64]:
        """Return (N, D), a row per policy."""
        return self._rows(documents)[:, self._varied]

    def _rows(self, documents: Sequence[PolicyDocument]) -> NDArray[np.float64]:
        rows = np.zeros((len(documents), len(self._columns)))
        for row, document in zip(rows, documents, strict=True):
            for name, share, value in _traits(document):
                is_kind = isinstance(value, (str, bool))
                column = self._columns.get(f"{name}={value}" if is_kind else name)
                if column is not None:
                    row[column] += share if is_kind else share * self._level(name, float(value))
        return rows

    def _level(self, name: str, value: float) -> float:
        values = self._sorted[name]
        return (bisect_left(values, value) + bisect_right(values, value)) / (2 * len(values)) - 0.5


def _traits(document: PolicyDocument) -> Iterator[_Trait]:
    total = sum(branch.weight for branch in document.branches)
    for branch in document.branches:
        yield from _of_branch(branch, branch.weight / total)
    yield "branches", 1.0, len(document.branches)
    yield "label_smoothing", 1.0, document.label_smoothing
    yield "start", 1.0, document.schedule.start
    yield "stop", 1.0, document.schedule.stop


def _of_branch(branch: Branch, share: float) -> Iterator[_Trait]:
    for slot in SLOTS:
        component = getattr(branch, slot)
        if component is None:
            continue
        yield slot, share, component.name
        for key, value in component.params.items():
            yield f"{slot}.{key}", share, value
            yield f"{branch.mixer.name}.{slot}.{key}", share, value
