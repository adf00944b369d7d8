"""Policies to choose among: drawn from the whole space, or near a known one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from automix.mixing.domains import Value

__all__ = ["Draw"]

_REDRAWN = 0.2
_STEP = 0.15
"""How far a number moves, as a share of its range (one standard deviation)."""


class Draw:
    """A trial that answers by chance, near known parameters where there are any; it keeps what it answered.

    Args:
        rng: what it draws from.
        near: parameters of a known policy. Each is drawn anew with probability 0.2; otherwise a number moves a little
            and a name stays.
    """

    def __init__(self, rng: np.random.Generator, near: Mapping[str, Value] | None = None) -> None:
        self.params: dict[str, Value] = {}
        self._rng = rng
        self._near = near or {}

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Draw a float."""
        value = self._number(name, low, high, log)
        if step is not None:
            value = low + step * round((value - low) / step)
        value = min(high, max(low, value))
        self.params[name] = value
        return value

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Draw an integer; the ends are as likely as what lies between."""
        half = 0.0 if log else step / 2
        value = low + step * round((self._number(name, low - half, high + half, log) - low) / step)
        value = min(high, max(low, value))
        self.params[name] = value
        return value

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of the choices."""
        known = self._near.get(name)
        stays = known in choices and self._rng.random() >= _REDRAWN
        value: Any = known if stays else choices[int(self._rng.integers(len(choices)))]
        self.params[name] = value
        return value

    def _number(self, name: str, low: float, high: float, log: bool) -> float:
        start, end = (math.log(low), math.log(high)) if log else (low, high)
        known = self._near.get(name)
        if known is None or self._rng.random() < _REDRAWN:
            value = self._rng.uniform(start, end)
        else:
            centre = math.log(float(known)) if log else float(known)
            value = min(end, max(start, self._rng.normal(centre, _STEP * (end - start))))
        return math.exp(value) if log else float(value)
