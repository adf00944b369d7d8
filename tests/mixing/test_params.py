"""Parameters: what they accept, what they say when they refuse, what a search sees of them."""

from __future__ import annotations

import math

import pytest

from automix.errors import SettingError
from automix.mixing import Bool, Card, Choice, Component, Float, Int, Text
from automix.mixing.domains import ChoiceDomain, Fixed, FloatDomain, IntDomain


class Knobs(Component):
    kind = "mixer"
    name = "knobs"
    card = Card(title="Knobs", summary="One of each.")
    alpha = Float(1.0, low=0.01, high=10.0, search=(0.1, 4.0), scale="log", zero=True, doc="A float.", source="ours")
    grid = Int(4, low=1, high=64, search=(2, 16), doc="An int.", source="ours")
    shape = Choice("box", choices=("box", "disc"), doc="A name.", source="ours")
    warm = Bool(False, doc="A flag.", source="ours")
    fixed = Float(0.5, low=0.0, high=1.0, doc="Not searched.", source="ours", searched=False)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("alpha", 11, "Expected `alpha` 0 or in [0.01, 10] but got 11.0 (here)."),
        ("alpha", 0.001, "Expected `alpha` 0 or in [0.01, 10] but got 0.001 (here)."),
        ("alpha", math.nan, "Expected `alpha` a finite number but got nan (here)."),
        ("alpha", math.inf, "Expected `alpha` a finite number but got inf (here)."),
        ("alpha", "1e-4", "Expected `alpha` a finite number but got '1e-4' (here)."),
        ("alpha", True, "Expected `alpha` a finite number but got True (here)."),
        ("grid", 65, "Expected `grid` in [1, 64] but got 65 (here)."),
        ("grid", 3.0, "Expected `grid` an integer but got 3.0 (here)."),
        ("grid", True, "Expected `grid` an integer but got True (here)."),
        ("shape", "star", "Expected `shape` as one of box, disc but got 'star' (here)."),
        ("warm", 1, "Expected `warm` true or false but got 1 (here)."),
    ],
)
def test_a_refused_value_is_named_with_what_was_expected_and_where(name: str, value: object, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Knobs.params[name].check(value, "here")
    assert str(caught.value) == message


@pytest.mark.parametrize(("name", "value"), [("alpha", 0), ("alpha", 0.01), ("alpha", 10), ("grid", 1), ("grid", 64)])
def test_bounds_belong_to_the_range(name: str, value: float) -> None:
    assert Knobs.params[name].check(value) == value


def test_float_turns_integers_into_floats() -> None:
    assert isinstance(Knobs(alpha=2).alpha, float)


@pytest.mark.parametrize(
    ("name", "override", "domain"),
    [
        ("alpha", None, FloatDomain(0.1, 4.0, log=True, zero=True)),
        ("alpha", 2, Fixed(2.0)),
        ("alpha", [0.5, 2], FloatDomain(0.5, 2.0, log=True)),
        ("alpha", [2, 2], Fixed(2.0)),
        ("alpha", {"low": 0.2, "scale": "linear"}, FloatDomain(0.2, 4.0)),
        ("alpha", {"zero": True}, FloatDomain(0.1, 4.0, log=True, zero=True)),
        ("grid", None, IntDomain(2, 16)),
        ("grid", [1, 64], IntDomain(1, 64)),
        ("grid", 8, Fixed(8)),
        ("grid", {"high": 32, "scale": "log"}, IntDomain(2, 32, log=True)),
        ("shape", None, ChoiceDomain(("box", "disc"))),
        ("shape", "disc", Fixed("disc")),
        ("shape", ["disc"], Fixed("disc")),
        ("shape", ["disc", "box"], ChoiceDomain(("disc", "box"))),
        ("warm", None, ChoiceDomain((False, True))),
        ("warm", True, Fixed(True)),
        ("warm", [True, False], ChoiceDomain((False, True))),
        ("fixed", None, Fixed(0.5)),
        ("fixed", [0.2, 0.4], FloatDomain(0.2, 0.4)),
    ],
)
def test_a_space_narrows_widens_or_fixes(name: str, override: object, domain: object) -> None:
    assert Knobs.params[name].domain(override) == domain


@pytest.mark.parametrize(
    ("name", "override"),
    [
        ("alpha", [4, 0.5]),
        ("alpha", [0.5]),
        ("alpha", [0.5, 99]),
        ("alpha", [0, 1]),
        ("alpha", {"from": 1}),
        ("alpha", {"scale": "square"}),
        ("grid", {"zero": True}),
        ("grid", [1.5, 3]),
        ("shape", ["disc", "star"]),
        ("shape", []),
        ("warm", [0, 1]),
    ],
)
def test_an_override_that_does_not_fit_is_refused_with_its_place(name: str, override: object) -> None:
    with pytest.raises(SettingError, match=r"space\.yaml line 3"):
        Knobs.params[name].domain(override, "space.yaml line 3")


def test_text_is_of_its_form_and_searched_only_where_a_space_lists_values() -> None:
    class Worded(Component):
        grid = Text("", pattern=r"(?:\d+x\d+)?", doc="A grid.", source="ours")

    assert Worded(grid="2x3").grid == "2x3"
    for wrong in ("2x", "2x3 ", 23, None):
        with pytest.raises(SettingError, match="Expected `grid` as text of the form"):
            Worded(grid=wrong)
    assert Worded.grid.domain() == Fixed("")
    assert Worded.grid.domain("1x2") == Fixed("1x2")
    assert Worded.grid.domain(["1x2", "2x2"]) == ChoiceDomain(("1x2", "2x2"))
    with pytest.raises(SettingError):
        Worded.grid.domain(["1x2", "no"])
    assert Worded.grid.json_schema()["pattern"] == r"^(?:(?:\d+x\d+)?)$"


def test_schema_says_what_check_says() -> None:
    properties = Knobs.json_schema()["properties"]
    assert properties["name"] == {"const": "knobs"}
    assert properties["alpha"]["anyOf"] == [{"type": "number", "minimum": 0.01, "maximum": 10.0}, {"const": 0}]
    assert properties["grid"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 64,
        "default": 4,
        "description": "An int.",
    }
    assert properties["shape"]["enum"] == ["box", "disc"]
    assert properties["warm"]["type"] == "boolean"
    assert Knobs.json_schema()["additionalProperties"] is False


def test_the_attribute_is_the_declaration_on_the_class_and_the_value_on_an_instance() -> None:
    assert isinstance(Knobs.grid, Int)
    assert Knobs(grid=7).grid == 7
