"""Component: anything with a name, declared parameters and a card. Every slot of a policy is filled by one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from automix.errors import SettingError, unknown_name
from automix.mixing.domains import Domain, TrialLike
from automix.mixing.params import Param

__all__ = ["Card", "Component"]


@dataclass(frozen=True)
class Card:
    """What a reader wants to know before using a method.

    Args:
        title: the published title, or a plain name.
        summary: what it does, in one or two sentences.
        authors: as cited.
        year: of publication; 0 where there is none.
        arxiv: id, where there is one.
        code: owner/name of the official or closest public code.
        use_when: where it is known to help, and where not.
        cost: what it adds to a training step.
        differences: where this implementation leaves the publication, and why.
    """

    title: str
    summary: str
    authors: str = ""
    year: int = 0
    arxiv: str = ""
    code: str = ""
    use_when: str = ""
    cost: str = "none to speak of"
    differences: str = ""


class Component:
    """Base of mixers, ratio laws, pairings, label rules, guides and input treatments.

    A subclass sets `name` and `card` and declares parameters in its body (`automix.mixing.params`). The constructor
    takes them as keywords, checks them and stores them under the same names.

    Attributes:
        kind: which slot it fills: mixer, ratio, pairing, labels, guide or input.
        name: how policies and spaces call it: lower case, unique within its kind.
        card: what it is and where it comes from.
        params: name -> declaration, in the order of declaration, inherited ones first.
        ordered: pairs of parameters of which the first may not exceed the second.
    """

    kind: ClassVar[str] = ""
    name: ClassVar[str] = ""
    card: ClassVar[Card]
    params: ClassVar[Mapping[str, Param[Any]]] = MappingProxyType({})
    ordered: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited: dict[str, Param[Any]] = {}
        for base in reversed(cls.__mro__):
            inherited.update({k: v for k, v in vars(base).items() if isinstance(v, Param)})
        cls.params = MappingProxyType(inherited)
        keyword = inspect.Parameter.KEYWORD_ONLY
        declared = [inspect.Parameter(p.name, keyword, default=p.default) for p in inherited.values()]
        # The signature that help() and the conformance kit see is the declared one.
        cls.__signature__ = inspect.Signature(declared)  # type: ignore[attr-defined]  # read by inspect.signature

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(self.check(values))

    @classmethod
    def check(cls, values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
        """Validate parameter values and fill in defaults.

        Args:
            values: by parameter name; missing ones take their default.
            where: file and line, for messages.

        Returns:
            A value for every declared parameter.

        Raises:
            SettingError: a value is out of range, a pair is out of order, or a value was given that has no effect.
            UnknownNameError: a name that is not declared.
        """
        place = where or f"{cls.kind} {cls.name}"
        for key in values:
            if key not in cls.params:
                raise unknown_name("parameter", key, cls.params, place)
        full = {k: p.check(values[k], place) if k in values else p.default for k, p in cls.params.items()}
        for key, param in cls.params.items():
            if full[key] != param.default and not param.is_active(full):
                needs = " and ".join(f"`{k}` is {' or '.join(map(str, v))}" for k, v in param.when.items())
                raise SettingError(f"`{key}` = {full[key]!r} has no effect ({place}): it matters only when {needs}.")
        for low, high in cls.ordered:
            if full[low] > full[high]:
                raise SettingError(f"Expected `{low}` <= `{high}` but got {full[low]!r} > {full[high]!r} ({place}).")
        return full

    @classmethod
    def suggest(cls, trial: TrialLike, keys: Mapping[str, str], domains: Mapping[str, Domain]) -> dict[str, Any]:
        """Ask a trial for this component's parameters; override for what declarations cannot say.

        Args:
            trial: an Optuna trial.
            keys: parameter name -> name under which the study knows it.
            domains: parameter name -> what may be chosen.

        Returns:
            Values for the constructor. Parameters whose `when` does not hold are left out. Ordered pairs are drawn
            independently and swapped where they come out of order.
        """
        chosen: dict[str, Any] = {}
        for name in cls._by_dependence():
            if cls.params[name].is_active({**cls.defaults_of(), **chosen}):
                chosen[name] = domains[name].suggest(trial, keys[name])
        for low, high in cls.ordered:
            if low in chosen and high in chosen and chosen[low] > chosen[high]:
                chosen[low], chosen[high] = chosen[high], chosen[low]
        return chosen

    @classmethod
    def defaults_of(cls) -> dict[str, Any]:
        """Return every parameter's default."""
        return {name: param.default for name, param in cls.params.items()}

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Describe an entry of a policy document as JSON Schema."""
        properties = {"name": {"const": cls.name}, **{k: p.json_schema() for k, p in cls.params.items()}}
        return {
            "type": "object",
            "properties": properties,
            "required": ["name"],
            "additionalProperties": False,
        }

    def config(self) -> dict[str, Any]:
        """Return name and parameters, as a policy document writes them."""
        return {"name": self.name, **{key: getattr(self, key) for key in self.params}}

    def __repr__(self) -> str:
        inner = ", ".join(f"{key}={getattr(self, key)!r}" for key in self.params)
        return f"{type(self).__name__}({inner})"

    @classmethod
    def _by_dependence(cls) -> list[str]:
        """Order parameters so that those named in a `when` come before those that depend on them."""
        ordered: list[str] = []

        def visit(name: str) -> None:
            if name in ordered:
                return
            for needed in cls.params[name].when:
                visit(needed)
            ordered.append(name)

        for name in cls.params:
            visit(name)
        return ordered
