"""What a search may choose for one parameter, and how Optuna is asked for it.

A `Domain` is what is left of a parameter after a search space narrowed or fixed it. It can propose a value (`suggest`)
and write a known value in the same terms (`encode`), so that a policy from elsewhere can be enqueued.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["ChoiceDomain", "Domain", "Fixed", "FloatDomain", "IntDomain", "TrialLike", "Value"]

Value = float | int | str | bool


class TrialLike(Protocol):
    """The part of an Optuna trial that a domain needs."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Propose a float."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Propose an integer."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Propose one of the choices."""


class Domain(ABC):
    """The values that a search may give one parameter."""

    @property
    def is_free(self) -> bool:
        """Whether there is anything to choose."""
        return True

    @abstractmethod
    def suggest(self, trial: TrialLike, name: str) -> Value:
        """Ask the trial for a value under ``name``."""

    @abstractmethod
    def encode(self, name: str, value: Value) -> dict[str, Value]:
        """Write a known value as Optuna parameters.

        Raises:
            ValueError: the value is not in the domain; the message says what was expected.
        """

    @abstractmethod
    def describe(self) -> str:
        """Say the range in a few characters, for tables."""


@dataclass(frozen=True)
class Fixed(Domain):
    """One value; nothing to choose."""

    value: Value

    @property
    def is_free(self) -> bool:
        """Nothing to choose."""
        return False

    def suggest(self, trial: TrialLike, name: str) -> Value:
        """Return the value without asking."""
        return self.value

    def encode(self, name: str, value: Value) -> dict[str, Value]:
        """Accept the one value."""
        if value != self.value:
            raise ValueError(f"`{name}` is fixed at {self.value!r} but got {value!r}")
        return {}

    def describe(self) -> str:
        """Say the value."""
        return f"= {self.value}"


@dataclass(frozen=True)
class FloatDomain(Domain):
    """A range of floats, optionally logarithmic, optionally with 0 for "off" beside it."""

    low: float
    high: float
    log: bool = False
    zero: bool = False

    @property
    def is_free(self) -> bool:
        """Whether the ends differ or 0 is a choice."""
        return self.zero or self.low != self.high

    def suggest(self, trial: TrialLike, name: str) -> Value:
        """Ask for a float; with `zero`, first under ``name?`` whether the parameter is on at all."""
        if self.zero and not trial.suggest_categorical(f"{name}?", [False, True]):
            return 0.0
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def encode(self, name: str, value: Value) -> dict[str, Value]:
        """Write a float; 0 as "off" where that is a choice."""
        number = float(value)
        if self.zero and number == 0.0:
            return {f"{name}?": False}
        if not self.low <= number <= self.high:
            raise ValueError(f"`{name}` is searched in [{self.low:g}, {self.high:g}] but got {number:g}")
        return {f"{name}?": True, name: number} if self.zero else {name: number}

    def describe(self) -> str:
        """Say range and scale."""
        return f"{'0 or ' if self.zero else ''}{self.low:g} .. {self.high:g}{' log' if self.log else ''}"


@dataclass(frozen=True)
class IntDomain(Domain):
    """A range of integers, optionally logarithmic."""

    low: int
    high: int
    log: bool = False

    @property
    def is_free(self) -> bool:
        """Whether the ends differ."""
        return self.low != self.high

    def suggest(self, trial: TrialLike, name: str) -> Value:
        """Ask for an integer."""
        return trial.suggest_int(name, self.low, self.high, log=self.log)

    def encode(self, name: str, value: Value) -> dict[str, Value]:
        """Write an integer."""
        if not self.low <= int(value) <= self.high:
            raise ValueError(f"`{name}` is searched in [{self.low}, {self.high}] but got {value!r}")
        return {name: int(value)}

    def describe(self) -> str:
        """Say range and scale."""
        return f"{self.low} .. {self.high}{' log' if self.log else ''}"


@dataclass(frozen=True)
class ChoiceDomain(Domain):
    """Some of a list of names or flags."""

    choices: tuple[Value, ...]

    @property
    def is_free(self) -> bool:
        """Whether there are two choices or more."""
        return len(self.choices) > 1

    def suggest(self, trial: TrialLike, name: str) -> Value:
        """Ask for one of the choices."""
        chosen: Value = trial.suggest_categorical(name, list(self.choices))
        return chosen

    def encode(self, name: str, value: Value) -> dict[str, Value]:
        """Write one of the choices."""
        if value not in self.choices:
            raise ValueError(f"`{name}` is searched among {', '.join(map(str, self.choices))} but got {value!r}")
        return {name: value}

    def describe(self) -> str:
        """Say the choices."""
        return " | ".join(map(str, self.choices))
