"""The registry: what may be registered, how it is looked up, and what it says when it is not there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import pytest
import typer

from automix.errors import PluginError, SettingError, UnknownNameError
from automix.mixing import BetaLaw, Card, Component, Pairing, RatioLaw, UniformLaw
from automix.registry import COMPONENT_KINDS, REGISTER_HOOKS, Entry, Registry


def law(name: str = "some_law", **attributes: Any) -> type[Component]:
    return type("SomeLaw", (UniformLaw,), {"name": name, **attributes})


def entry(kind: str, obj: Any, name: str = "thing", plugin: str = "plug") -> Entry:
    return Entry(name, kind, obj, plugin, "some-dist", "1.2")


def test_create_passes_parameters_to_the_component() -> None:
    registry = Registry()
    registry.add(entry("ratio", BetaLaw, "beta"))
    assert registry.create("ratio", "beta", alpha=0.3).alpha == 0.3


def test_names_and_entries_are_sorted() -> None:
    registry = Registry()
    for name in ("zebra", "ant", "mole"):
        registry.add(entry("ratio", law(name), name))
    assert registry.names("ratio") == ["ant", "mole", "zebra"]
    assert [found.name for found in registry.entries("ratio")] == ["ant", "mole", "zebra"]


def test_one_name_may_stand_in_two_kinds() -> None:
    registry = Registry()
    registry.add(entry("metric", len))
    registry.add(entry("data_source", open))
    assert registry.get("metric", "thing").obj is len
    assert registry.get("data_source", "thing").obj is open


def test_unknown_name_suggests_the_nearest_and_says_where() -> None:
    registry = Registry()
    registry.add(entry("ratio", law("cutoff"), "cutoff"))
    with pytest.raises(UnknownNameError, match=r"Unknown ratio 'cutof' in small.yaml line 3. Did you mean 'cutoff'\?"):
        registry.get("ratio", "cutof", "small.yaml line 3")


def test_unknown_kind_is_an_error_everywhere() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'mixer'"):
        Registry().names("mixers")


def test_only_components_can_be_created() -> None:
    with pytest.raises(SettingError, match="got 'metric'"):
        Registry().create("metric", "thing")


def test_second_claim_of_a_name_is_refused_with_both_plugins_named() -> None:
    registry = Registry()
    registry.add(entry("metric", len, plugin="first"))
    with pytest.raises(PluginError, match=r"'thing'.*'first' .*keeps it.*'second' .*is refused.*block 'first'"):
        registry.add(entry("metric", max, plugin="second"))
    assert registry.get("metric", "thing").obj is len


@pytest.mark.parametrize("name", ["", "CutMix", "cut-mix", "1mix", "cut mix", "mélange", None, 3])
def test_component_name_must_be_a_lower_case_identifier(name: Any) -> None:
    with pytest.raises(PluginError, match="Expected the name of a ratio to match"):
        entry("ratio", law(), name)


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (UniformLaw(), "a class, not an object"),
        (dict, "a class, not an object"),
        (len, "a class, not an object"),
        (Pairing, "kind 'ratio' but Pairing has `kind` = 'pairing'"),
        (RatioLaw, "RatioLaw does not define: sample"),
        (law(card=None), "class attribute `card`"),
    ],
    ids=["object", "other-class", "function", "other-kind", "abstract", "no-card"],
)
def test_what_is_not_a_complete_component_is_refused(obj: Any, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        entry("ratio", obj)


def test_method_left_abstract_is_found_without_abcmeta() -> None:
    class Open(Component):
        kind = "guide"
        name = "open"
        card = Card("Open", "Left open.")

        @abstractmethod
        def maps(self) -> None: ...

    with pytest.raises(PluginError, match="does not define: maps"):
        entry("guide", Open, "open")


@pytest.mark.parametrize(
    ("kind", "obj"), [("policy", 3), ("data_source", "x"), ("metric", None), ("command", print)], ids=str
)
def test_object_of_another_type_is_refused(kind: str, obj: Any) -> None:
    with pytest.raises(PluginError, match=f"Expected {kind} 'thing' to be .* but got"):
        entry(kind, obj)


def test_command_name_may_have_hyphens() -> None:
    assert Entry("try-out", "command", typer.Typer()).name == "try-out"


def test_policy_is_a_document_or_made_from_the_registry() -> None:
    registry = Registry()
    registry.add(entry("policy", {"name": "fixed"}, "fixed"))
    registry.add(entry("policy", lambda known: {"name": ",".join(known.names("policy"))}, "made"))
    assert registry.policy("fixed") == {"name": "fixed"}
    assert registry.policy("made") == {"name": "fixed,made"}


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda registry: 1 / 0, "raised ZeroDivisionError"), (lambda registry: ["no"], r"a mapping but got \['no'\]")],
    ids=["raises", "no-mapping"],
)
def test_policy_function_that_goes_wrong_is_reported_with_its_plugin(
    make: Callable[[Registry], Any], message: str
) -> None:
    registry = Registry()
    registry.add(entry("policy", make))
    with pytest.raises(PluginError, match=rf"'thing' of plugin 'plug' \(some-dist 1.2\).*{message}"):
        registry.policy("thing")


def test_a_kind_is_filled_once_and_only_when_asked_for() -> None:
    asked: list[str] = []
    registry = Registry(lambda _, kind: asked.append(kind))
    assert asked == []
    registry.names("mixer")
    registry.names("mixer")
    registry.names("command")
    assert asked == ["mixer", "command"]


def test_component_kinds_come_first_among_all_kinds() -> None:
    assert tuple(REGISTER_HOOKS)[: len(COMPONENT_KINDS)] == COMPONENT_KINDS
