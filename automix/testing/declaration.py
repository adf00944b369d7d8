"""Checks of what a component declares; they hold for every kind."""

from __future__ import annotations

import json
from typing import Any

from automix.errors import AutomixError
from automix.mixing import Bool, Choice, Component, Param
from automix.testing.findings import Check, expect
from automix.testing.schema import violations
from automix.testing.subject import Subject

__all__ = ["DECLARATION_CHECKS"]


def card_is_filled(subject: Subject) -> None:
    """The component has a name in lower case and a card with title and summary."""
    component = subject.component
    name = component.name
    expect(name.isidentifier() and name == name.lower(), f"expected a lower-case identifier as `name` but got {name!r}")
    card = getattr(type(component), "card", None)
    expect(card is not None, "expected a `card` but there is none: set card = Card(title=..., summary=...)")
    for part in ("title", "summary"):
        expect(bool(getattr(card, part, "").strip()), f"expected the card's `{part}` to say something but it is empty")


def parameters_are_documented(subject: Subject) -> None:
    """Every parameter says what it does and where its default and range come from."""
    for name, param in subject.component.params.items():
        expect(bool(param.doc.strip()), f"expected `doc` of the parameter `{name}` to say what it does")
        expect(bool(param.source.strip()), f"expected `source` of the parameter `{name}` to say where it comes from")


def constructor_takes_what_is_declared(subject: Subject) -> None:
    """Every declared parameter is a keyword of the constructor and is stored under its name."""
    kind = type(subject.component)
    for name, param in kind.params.items():
        for value in _accepted_values(kind, param, subject):
            stored = getattr(subject.build(**{name: value}), name)
            expect(stored == value, f"`{name}` was given {value!r} but {stored!r} is stored")


def constructor_refuses_what_is_not_declared(subject: Subject) -> None:
    """An unknown keyword and a value of the wrong type raise an AutomixError."""
    wrong: dict[str, Any] = {"not_a_parameter": 1, **dict.fromkeys(subject.component.params, object())}
    for name, value in wrong.items():
        try:
            subject.build(**{name: value})
        except AutomixError:
            continue
        expect(False, f"expected {name}={value!r} to be refused with an AutomixError but it was accepted")


def config_round_trips(subject: Subject) -> None:
    """`config()` survives JSON and builds an equal component."""
    config = subject.component.config()
    expect(config.get("name") == subject.component.name, f"expected the name in config() but got {config!r}")
    again = json.loads(json.dumps(config))
    expect(again == config, f"expected config() to survive JSON but {config!r} became {again!r}")
    rebuilt = subject.build(**{k: v for k, v in again.items() if k != "name"}).config()
    expect(rebuilt == config, f"expected the same config() after a rebuild but {config!r} became {rebuilt!r}")


def schema_accepts_own_config(subject: Subject) -> None:
    """`json_schema()` is JSON and accepts the component's own config, and no key more."""
    schema, config = subject.component.json_schema(), subject.component.config()
    expect(json.loads(json.dumps(schema)) == schema, "expected json_schema() to survive JSON")
    known = {k: v for k, v in config.items() if k == "name" or k in subject.component.params}
    found = violations(schema, known)
    expect(not found, f"json_schema() refuses the component's own config: {'; '.join(found)}")
    expect(bool(violations(schema, {**known, "not_a_parameter": 1})), "json_schema() accepts a key nobody declared")


def _accepted_values(kind: type[Component], param: Param[Any], subject: Subject) -> list[Any]:
    """Return values to try: all that `check` takes together with the other settings."""
    if isinstance(param, Choice):
        candidates: list[Any] = list(param.choices)
    elif isinstance(param, Bool):
        candidates = [False, True]
    else:
        candidates = [getattr(param, end) for end in ("low", "high") if hasattr(param, end)]
    declared = {k: v for k, v in subject.settings.items() if k in kind.params}
    return [value for value in candidates if _is_accepted(kind, {**declared, param.name: value})]


def _is_accepted(kind: type[Component], values: dict[str, Any]) -> bool:
    try:
        kind.check(values)
    except AutomixError:
        return False
    return True


DECLARATION_CHECKS: tuple[Check, ...] = (
    card_is_filled,
    parameters_are_documented,
    constructor_takes_what_is_declared,
    constructor_refuses_what_is_not_declared,
    config_round_trips,
    schema_accepts_own_config,
)
