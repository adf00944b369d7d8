"""Hook specifications: typed, documented, and complete against what the registry and the host call."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest

from automix import hookspecs
from automix.registry import REGISTER_HOOKS

HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("automix_")}
EVENTS = [thing for thing in vars(hookspecs).values() if isinstance(thing, type) and dataclasses.is_dataclass(thing)]
MOMENTS = sorted(HOOKS.keys() - set(REGISTER_HOOKS.values()))


def test_every_kind_has_its_register_hook() -> None:
    assert set(REGISTER_HOOKS.values()) == {name for name in HOOKS if name.startswith("automix_register_")}


@pytest.mark.parametrize("name", HOOKS)
def test_hook_says_when_it_is_called_what_it_takes_and_what_two_plugins_do(name: str) -> None:
    text = inspect.getdoc(HOOKS[name]) or ""
    (argument,) = inspect.signature(HOOKS[name]).parameters
    assert re.search(r"\b[Oo]nce\b", text)
    assert f"{argument}: " in text
    assert "Two plugins:" in text


@pytest.mark.parametrize("name", HOOKS)
def test_hook_is_typed_and_returns_nothing(name: str) -> None:
    signature = inspect.signature(HOOKS[name])
    assert signature.return_annotation == "None"
    assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())


@pytest.mark.parametrize("name", MOMENTS)
def test_moment_takes_an_event_of_its_own_name(name: str) -> None:
    expected = name.removeprefix("automix_").title().replace("_", "")
    assert inspect.signature(HOOKS[name]).parameters["event"].annotation == expected
    assert expected in {event.__name__ for event in EVENTS}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_event_is_frozen_and_names_its_study(event: type) -> None:
    values = {field.name: 0 for field in dataclasses.fields(event)}
    made = event(**values)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.study = "another"
    assert "study" in values


def test_public_names_exist() -> None:
    assert all(hasattr(hookspecs, name) for name in hookspecs.__all__)
