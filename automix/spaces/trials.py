"""Stand-ins for an Optuna trial: one writes down what it is asked, one answers from what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from automix.mixing.domains import Value

__all__ = ["Parameter", "Recorder", "Replay"]


@dataclass(frozen=True)
class Parameter:
    """One Optuna parameter of a space.

    Args:
        name: in the study.
        type: "float", "int" or "categorical".
        low: smallest number (float and int).
        high: largest number (float and int).
        log: whether the scale is logarithmic.
        choices: in Optuna's order (categorical).
        condition: when it is asked for, in words; empty for always.
    """

    name: str
    type: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()
    condition: str = ""

    @property
    def range(self) -> str:
        """What may be chosen, exactly."""
        return " | ".join(map(str, self.choices)) if self.choices else f"{self.low!r} .. {self.high!r}"

    @property
    def scale(self) -> str:
        """The scale of a number; empty for a categorical."""
        return "" if self.choices else "log" if self.log else "linear"

    def __str__(self) -> str:
        return " ".join(filter(None, [self.type, self.range, self.scale]))


class Recorder:
    """A trial that notes each parameter it is asked for; gates come out open (the last choice is taken)."""

    def __init__(self) -> None:
        self.parameters: dict[str, Parameter] = {}

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Note a float."""
        self.parameters[name] = Parameter(name, "float", low, high, log)
        return low

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Note an integer."""
        self.parameters[name] = Parameter(name, "int", low, high, log)
        return low

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Note a categorical."""
        self.parameters[name] = Parameter(name, "categorical", choices=tuple(choices))
        return choices[-1]

    def under(self, condition: str) -> list[Parameter]:
        """Return what was noted, with the condition under which it is asked for."""
        return [replace(parameter, condition=condition) for parameter in self.parameters.values()]


class Replay:
    """A trial that answers from known parameters.

    Raises:
        ValueError: (when asked) for a parameter that is not known or not in the range asked for.
    """

    def __init__(self, params: Mapping[str, Value]) -> None:
        self._params = params

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Answer with the known float."""
        return float(self._within(name, low, high))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Answer with the known integer."""
        return int(self._within(name, low, high))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Answer with the known choice."""
        value = self._known(name)
        if value not in choices:
            raise ValueError(f"`{name}` is searched among {', '.join(map(str, choices))} but got {value!r}")
        return value

    def _within(self, name: str, low: float, high: float) -> float:
        value = float(self._known(name))
        if not low <= value <= high:
            raise ValueError(f"`{name}` is searched in [{low:g}, {high:g}] but got {value:g}")
        return value

    def _known(self, name: str) -> Value:
        if name not in self._params:
            raise ValueError(f"`{name}` is needed but not known")
        return self._params[name]
