"""Narrowing declared parameters to what a space file says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automix.errors import SettingError, SpaceError, unknown_name
from automix.mixing import Component, Float, Param
from automix.mixing.domains import Domain, Fixed, FloatDomain
from automix.spaces.document import SLOTS, SpaceDocument
from automix.spaces.tree import ComponentNode

__all__ = ["Override", "narrow", "policy_wide"]


@dataclass(frozen=True)
class Override:
    """What a space file says of one parameter.

    Args:
        value: as written.
        path: its place in the file.
        where: that place in words.
        is_exact: whether it is written for this very component; what is written for a wildcard or for ``own`` may meet
            components that lack the parameter.
    """

    value: Any
    path: tuple[str, ...]
    where: str
    is_exact: bool = True


class _PolicyWide(Component):
    """What a policy holds beside its branches, declared like any other parameter."""

    kind = "policy"

    label_smoothing = Float(0.0, low=0.0, high=0.9, search=(0.01, 0.2), zero=True, doc="Mass spread over all classes.")
    start = Float(0.0, low=0.0, high=1.0, doc="Share of training at which mixing begins.")
    stop = Float(1.0, low=0.0, high=1.0, doc="Share of training at which mixing ends.")


def narrow(cls: type[Component], overrides: Mapping[str, Override], base: Mapping[str, Any]) -> ComponentNode:
    """Say what may be chosen for each parameter of a component.

    Args:
        cls: the component.
        overrides: by parameter name.
        base: values of parameters that are not searched, by name.

    Raises:
        UnknownNameError: an override for a parameter that the component does not declare.
        SpaceError: an override outside what the parameter accepts.
    """
    for key, override in overrides.items():
        if override.is_exact and key not in cls.params:
            known = [*cls.params, *(SLOTS if cls.kind == "mixer" else ())]
            raise unknown_name(f"parameter of {cls.name}", key, known, override.where)
    domains = {key: _domain(cls, param, overrides.get(key), base[key]) for key, param in cls.params.items()}
    for key, param in cls.params.items():
        if not all(_can_be(domains[needed], allowed) for needed, allowed in param.when.items()):
            # It cannot matter in this space, so there is nothing to choose.
            domains[key] = Fixed(base[key])
    return ComponentNode(cls, domains)


def policy_wide(document: SpaceDocument) -> Mapping[str, Domain]:
    """Say what may be chosen beside the branches: label_smoothing, start, stop.

    Raises:
        SpaceError: out of range, or mixing could end before it begins.
    """
    written = {
        ("label_smoothing",): document.label_smoothing,
        ("schedule", "start"): document.schedule.start,
        ("schedule", "stop"): document.schedule.stop,
    }
    overrides = {path[-1]: Override(value, path, document.where(*path)) for path, value in written.items()}
    domains = narrow(_PolicyWide, overrides, _PolicyWide.defaults_of()).domains
    latest, earliest = _ends(domains["start"])[1], _ends(domains["stop"])[0]
    if latest >= earliest:
        raise SpaceError(
            f"Expected every `start` before every `stop` but `start` can be {latest:g} and `stop` {earliest:g} "
            f"({document.where('schedule')})."
        )
    return domains


def _domain(cls: type[Component], param: Param[Any], override: Override | None, base: Any) -> Domain:
    if override is None or override.value is None:
        declared = param.domain()
        return declared if declared.is_free else Fixed(base)
    try:
        return param.domain(override.value)
    except SettingError as err:
        whose = f"{cls.kind} {cls.name}".strip()
        raise SpaceError(f"{str(err).removesuffix('.')} ({whose}, {override.where}).") from err


def _can_be(domain: Domain, allowed: tuple[Any, ...]) -> bool:
    """Whether a domain can give one of the values."""
    return any(_holds(domain, value) for value in allowed)


def _holds(domain: Domain, value: Any) -> bool:
    try:
        domain.encode("", value)
    except ValueError:
        return False
    return True


def _ends(domain: Domain) -> tuple[float, float]:
    if isinstance(domain, FloatDomain):
        return domain.low, domain.high
    assert isinstance(domain, Fixed)  # a Float gives one of the two
    return float(domain.value), float(domain.value)
