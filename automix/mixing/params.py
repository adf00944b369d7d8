"""Parameters, declared once in the body of a component.

    class CutMix(BoxMixer):
        box_grid = Int(0, low=0, high=64, search=(0, 16), doc="...", source="...")

From that one line come the constructor's check, the search space, the JSON Schema, the method card and the docs. On an
instance the attribute is the value, on the class it is the declaration.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar, cast, overload

from automix.errors import SettingError
from automix.mixing.domains import ChoiceDomain, Domain, Fixed, FloatDomain, IntDomain, Value

__all__ = ["Bool", "Choice", "Float", "Int", "Param", "PatchCount", "Text"]

T = TypeVar("T", bound=Value)


class Param(ABC, Generic[T]):
    """A declared parameter.

    Args:
        default: the value where none is given; the paper's where a paper has one.
        doc: one sentence on what it does.
        source: where default and range come from (paper, code, "ours").
        when: other parameters of the same component that must have one of the given values for this one to matter; it
            is
            neither searched nor accepted (unless at its default) where they do not.
        searched: False for a parameter that a search leaves at its default unless a space names it.
    """

    type_name = ""

    def __init__(
        self,
        default: T,
        *,
        doc: str,
        source: str = "",
        when: Mapping[str, tuple[Value, ...]] | None = None,
        searched: bool = True,
    ) -> None:
        self.default = default
        self.doc = doc
        self.source = source
        self.when = dict(when or {})
        self.searched = searched
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        # Only the class gets here: an instance's own __dict__ is found first.
        return self if instance is None else self.default

    def is_active(self, values: Mapping[str, Any]) -> bool:
        """Whether `when` holds among the component's other values."""
        return all(values.get(name) in allowed for name, allowed in self.when.items())

    @abstractmethod
    def check(self, value: Any, where: str = "") -> T:
        """Return the value in its own type.

        Args:
            value: what was given.
            where: who was given it ("mixer cutmix"), for the message.

        Raises:
            SettingError: wrong type or out of range.
        """

    @abstractmethod
    def domain(self, override: Any = None, where: str = "") -> Domain:
        """Say what a search may choose.

        Args:
            override: from a search space: None for the declared range, a scalar to fix, a list or mapping to narrow or
                widen.
            where: file and line, for the message.

        Raises:
            SettingError: the override does not fit the declaration.
        """

    @abstractmethod
    def json_schema(self) -> dict[str, Any]:
        """Describe the accepted values as JSON Schema."""

    def _fail(self, expected: str, value: Any, where: str) -> SettingError:
        place = f" ({where})" if where else ""
        return SettingError(f"Expected `{self.name}` {expected} but got {value!r}{place}.")

    def _schema(self, **kind: Any) -> dict[str, Any]:
        return {**kind, "default": self.default, "description": self.doc}


class _Number(Param[T]):
    """What Float and Int share: bounds, a search range inside them, a scale."""

    def __init__(
        self,
        default: T,
        *,
        low: T,
        high: T,
        search: tuple[T, T] | None = None,
        scale: str = "linear",
        zero: bool = False,
        doc: str,
        source: str = "",
        when: Mapping[str, tuple[Value, ...]] | None = None,
        searched: bool = True,
    ) -> None:
        super().__init__(default, doc=doc, source=source, when=when, searched=searched)
        self.low, self.high = low, high
        self.search = search or (low, high)
        self.scale = scale
        self.zero = zero

    def _in_bounds(self, value: T, where: str) -> T:
        off = self.zero and value == 0
        if not off and not self.low <= value <= self.high:  # type: ignore[operator]  # T is a number here
            zero = "0 or " if self.zero else ""
            raise self._fail(f"{zero}in [{self.low:g}, {self.high:g}]", value, where)
        return value

    def domain(self, override: Any = None, where: str = "") -> Domain:
        """Read ``5`` (fixed), ``[1, 8]`` or ``{low, high, scale, zero}`` (a range within the accepted bounds)."""
        if override is None:
            return self._range(self.search, self.scale, self.zero, where) if self.searched else Fixed(self.default)
        if isinstance(override, Mapping):
            return self._mapped(override, where)
        if isinstance(override, (list, tuple)):
            return self._range(self._pair(override, where), self.scale, False, where)
        return Fixed(self.check(override, where))

    def _mapped(self, override: Mapping[str, Any], where: str) -> Domain:
        extra = set(override) - {"low", "high", "scale", "zero"}
        if extra:
            raise self._fail("as {low, high, scale, zero}", dict(override), where)
        scale = override.get("scale", self.scale)
        if scale not in ("linear", "log"):
            raise self._fail("scale linear or log", scale, where)
        pair = self._pair([override.get("low", self.search[0]), override.get("high", self.search[1])], where)
        zero = override.get("zero", False)
        if zero and not self.zero:
            raise self._fail("without zero: 0 does not switch it off", dict(override), where)
        return self._range(pair, scale, bool(zero), where)

    def _pair(self, ends: Any, where: str) -> tuple[T, T]:
        if len(ends) != 2:
            raise self._fail("as [low, high]", ends, where)
        low, high = self.check(ends[0], where), self.check(ends[1], where)
        if low > high:  # type: ignore[operator]  # T is a number here
            raise self._fail("as [low, high] with low <= high", list(ends), where)
        return low, high

    @abstractmethod
    def _range(self, ends: tuple[T, T], scale: str, zero: bool, where: str) -> Domain: ...


class Float(_Number[float]):
    """A float in ``[low, high]``; ``zero=True`` also accepts 0, meaning off."""

    type_name = "float"

    def check(self, value: Any, where: str = "") -> float:
        """Accept an int or float in bounds; not a bool, not a string, not NaN."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self._fail("a finite number", value, where)
        return self._in_bounds(float(value), where)

    def json_schema(self) -> dict[str, Any]:
        """Describe the bounds."""
        bounds: dict[str, Any] = {"type": "number", "minimum": self.low, "maximum": self.high}
        return self._schema(anyOf=[bounds, {"const": 0}]) if self.zero else self._schema(**bounds)

    def _range(self, ends: tuple[float, float], scale: str, zero: bool, where: str) -> Domain:
        low, high = ends
        if scale == "log" and low <= 0:
            raise self._fail("as a log range above 0", list(ends), where)
        return Fixed(low) if low == high and not zero else FloatDomain(low, high, log=scale == "log", zero=zero)


class Int(_Number[int]):
    """An integer in ``[low, high]``."""

    type_name = "int"

    def check(self, value: Any, where: str = "") -> int:
        """Accept an integer in bounds; not a bool, not 3.0."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._fail("an integer", value, where)
        return self._in_bounds(value, where)

    def json_schema(self) -> dict[str, Any]:
        """Describe the bounds."""
        return self._schema(type="integer", minimum=0 if self.zero else self.low, maximum=self.high)

    def _range(self, ends: tuple[int, int], scale: str, zero: bool, where: str) -> Domain:
        # 0 for "off" is an ordinary end of an integer range.
        low, high = (0, ends[1]) if zero else ends
        return Fixed(low) if low == high else IntDomain(low, high, log=scale == "log")


class PatchCount(Int):
    """A number of patches along a side of the model's input; 0 for pixels.

    A published recipe that names the patches of its own model is followed with those of the model at hand.
    """


class Choice(Param[str]):
    """One of some names."""

    type_name = "choice"

    def __init__(
        self,
        default: str,
        *,
        choices: tuple[str, ...],
        doc: str,
        source: str = "",
        when: Mapping[str, tuple[Value, ...]] | None = None,
        searched: bool = True,
    ) -> None:
        super().__init__(default, doc=doc, source=source, when=when, searched=searched)
        self.choices = choices

    def check(self, value: Any, where: str = "") -> str:
        """Accept one of the names."""
        if value not in self.choices:
            raise self._fail(f"as one of {', '.join(self.choices)}", value, where)
        return cast(str, value)

    def domain(self, override: Any = None, where: str = "") -> Domain:
        """Read a name (fixed) or a list of names."""
        if override is None:
            return ChoiceDomain(self.choices) if self.searched else Fixed(self.default)
        if isinstance(override, (list, tuple)) and override:
            names = tuple(self.check(one, where) for one in override)
            return ChoiceDomain(names) if len(names) > 1 else Fixed(names[0])
        return Fixed(self.check(override, where))

    def json_schema(self) -> dict[str, Any]:
        """List the names."""
        return self._schema(enum=list(self.choices))


class Bool(Param[bool]):
    """A flag."""

    type_name = "bool"

    def check(self, value: Any, where: str = "") -> bool:
        """Accept True and False only."""
        if not isinstance(value, bool):
            raise self._fail("true or false", value, where)
        return value

    def domain(self, override: Any = None, where: str = "") -> Domain:
        """Read a flag (fixed) or ``[true, false]``."""
        if override is None:
            return ChoiceDomain((False, True)) if self.searched else Fixed(self.default)
        if isinstance(override, (list, tuple)) and override:
            flags = tuple(sorted({self.check(one, where) for one in override}))
            return ChoiceDomain(flags) if len(flags) > 1 else Fixed(flags[0])
        return Fixed(self.check(override, where))

    def json_schema(self) -> dict[str, Any]:
        """Say that it is a flag."""
        return self._schema(type="boolean")


class Text(Param[str]):
    """Text of a given form; a search leaves it alone unless a space lists values.

    Args:
        default: as for every parameter, likewise doc, source and when.
        pattern: regular expression that the whole text must match.
    """

    type_name = "text"

    def __init__(
        self,
        default: str,
        *,
        pattern: str,
        doc: str,
        source: str = "",
        when: Mapping[str, tuple[Value, ...]] | None = None,
    ) -> None:
        super().__init__(default, doc=doc, source=source, when=when, searched=False)
        self.pattern = pattern

    def check(self, value: Any, where: str = "") -> str:
        """Accept text that matches the pattern."""
        if not isinstance(value, str) or re.fullmatch(self.pattern, value) is None:
            raise self._fail(f"as text of the form {self.pattern}", value, where)
        return value

    def domain(self, override: Any = None, where: str = "") -> Domain:
        """Read a text (fixed) or a list of texts."""
        if isinstance(override, (list, tuple)) and override:
            texts = tuple(self.check(one, where) for one in override)
            return ChoiceDomain(texts) if len(texts) > 1 else Fixed(texts[0])
        return Fixed(self.default if override is None else self.check(override, where))

    def json_schema(self) -> dict[str, Any]:
        """Give the pattern."""
        return self._schema(type="string", pattern=f"^(?:{self.pattern})$")
