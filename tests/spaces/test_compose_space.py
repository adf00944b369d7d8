"""Composing: who takes part, which ranges are left, what is left out and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from automix.errors import SpaceError
from automix.policy.yamlfile import parse_yaml
from automix.registry import Registry
from automix.spaces import Facts, Space, SpaceDocument, compose

Make = Callable[..., Space]


def from_text(text: str, registry: Registry, facts: Facts, **options: Any) -> Space:
    file = parse_yaml(f"schema: automix.space/1\n{text}", "mine.yaml", SpaceError)
    return compose(SpaceDocument.read(file, **options), registry, facts)


def ranges(space: Space) -> dict[str, str]:
    return {name: parameter.range for name, parameter in space.parameters.items()}


# Who takes part.


def test_all_means_everything_registered(make: Make, registry: Registry) -> None:
    assert make(mixers="all").mixers == registry.names("mixer")


def test_wildcards_name_several_and_exclude_takes_some_away(make: Make) -> None:
    space = make(mixers=["none", "*e*"], exclude=["tr*", "guided"])
    assert space.mixers == ["blend", "none", "steps", "waves"]


def test_who_does_not_take_part_is_told_with_the_reason(make: Make) -> None:
    space = make(mixers=["none", "blend", "guided", "waves"], exclude=["waves"], image_size=(8, 8))
    assert dict(space.left_out) == {
        "guided": "needs images of at least 16 px but they are 8x8",
        "steps": "not named by the space space",
        "treated": "not named by the space space",
        "waves": "excluded by the space space",
    }


def test_the_order_in_the_file_does_not_change_the_space(make: Make) -> None:
    one = make(mixers={"blend": {"ratio": ["beta", "uniform"]}, "none": {}})
    other = make(mixers={"none": {}, "blend": {"ratio": ["uniform", "beta"]}})
    assert one.signature() == other.signature()


def test_an_option_that_cannot_work_is_left_out_of_its_slot(make: Make) -> None:
    space = make(mixers=["none", "blend"], defaults={"labels": ["area", "watched"]})
    assert dict(space.left_out)["labels watched"] == "needs the attention of every block of the model"
    assert "labels.blend" not in space.parameters
    seen = make(mixers=["none", "blend"], defaults={"labels": ["area", "watched"]}, probes=frozenset({"attention"}))
    assert ranges(seen)["labels.blend"] == "area | watched"


def test_a_mixer_without_an_option_for_a_slot_is_left_out(make: Make) -> None:
    space = make(mixers={"none": None, "waves": None, "blend": {"labels": "watched"}})
    assert dict(space.left_out)["blend"] == "nothing is left for its labels"
    assert space.mixers == ["none", "waves"]


# Slots.


def test_a_mixer_that_says_nothing_fills_its_slots_as_published(make: Make) -> None:
    space = make(mixers=["none", "blend", "waves"])
    assert {"alpha.blend", "low.waves", "high.waves"} <= space.parameters.keys()
    assert "alpha.waves" not in space.parameters


def test_defaults_hold_for_mixers_that_say_nothing(make: Make) -> None:
    space = make(
        mixers={"blend": None, "waves": {"ratio": "beta"}},
        defaults={"ratio": ["own", "fixed"], "pairing": ["random", "different_class"]},
    )
    assert ranges(space)["ratio.blend"] == "beta | fixed"
    assert ranges(space)["pairing.blend"] == ranges(space)["pairing.waves"] == "different_class | random"
    assert "ratio.waves" not in space.parameters


def test_a_mixers_own_entry_wins_over_a_wildcards(make: Make) -> None:
    space = make(mixers={"blend": {"prob": [0.8, 0.9]}, "*e*": {"prob": [0.1, 0.2]}}, exclude=["none"])
    assert ranges(space)["prob.blend"] == "0.8 .. 0.9"
    assert ranges(space)["prob.waves"] == "0.1 .. 0.2"


def test_a_slot_without_a_default_offers_everything_registered(make: Make) -> None:
    assert "sigma.guided" in make(mixers=["none", "guided"]).parameters


def test_values_of_a_mixers_own_law_hold_where_they_are_not_searched(make: Make) -> None:
    space = make(mixers={"waves": {"ratio": {"own": {"low": [0.0, 0.2]}, "uniform": {"high": 0.7}}}, "none": None})
    assert space.defaults("waves").branches[0].ratio is not None
    assert ranges(space)["low.waves"] == "0.0 .. 0.2"
    assert "high.waves" not in space.parameters


# Ranges.


def test_a_value_fixes_a_pair_narrows_and_a_mapping_says_the_rest(make: Make) -> None:
    space = make(
        mixers={
            "waves": {
                "prob": 1.0,
                "near": [0.1, 0.3],
                "noise": {"low": 1, "high": 2.0, "scale": "linear"},
                "grid": [2, 8],
                "shape": ["square"],
            }
        }
    )
    found = {name: str(parameter) for name, parameter in space.parameters.items()}
    assert "prob.waves" not in found
    assert found["near.waves"] == "float 0.1 .. 0.3 linear"
    assert found["noise.waves"] == "float 1.0 .. 2.0 linear"
    assert found["grid.waves"] == "int 2 .. 8 linear"
    assert "shape.waves" not in found


def test_a_range_may_be_wider_than_the_searched_one(make: Make) -> None:
    space = make(mixers={"blend": {"prob": [0.0, 1.0], "ratio": {"beta": {"alpha": [0.01, 100]}}}})
    assert ranges(space) == {"prob.blend": "0.0 .. 1.0", "alpha.blend": "0.01 .. 100.0"}


def test_a_parameter_that_can_be_off_has_a_switch(make: Make) -> None:
    found = make(mixers=["waves", "none"]).parameters
    assert str(found["noise.waves?"]) == "categorical False | True"
    assert str(found["noise.waves"]) == "float 0.1 .. 10.0 log"


def test_what_depends_on_a_value_that_cannot_come_is_not_searched(make: Make) -> None:
    assert "duty.waves" in make(mixers=["waves"]).parameters
    assert "duty.waves" not in make(mixers={"waves": {"shape": "sine"}}).parameters


def test_conditions_are_told_in_words(make: Make) -> None:
    space = make(mixers={"waves": {"ratio": ["beta", "uniform"]}, "none": None})
    conditions = {row.name: row.condition for row in space.summary()}
    assert conditions["mixer"] == ""
    assert conditions["alpha.waves"] == "mixer = waves, ratio = beta"
    assert conditions["duty.waves"] == "mixer = waves, shape = square"


def test_patches_stands_for_the_models_grid(make: Make) -> None:
    space = make(mixers={"waves": {"grid": "patches"}}, patch_grid=14)
    assert space.outline()["grid.waves"] == "= 14"
    assert space.left_out[-1] != ("grid of waves", "the model has no patches")


def test_patches_means_the_default_where_the_model_has_none(make: Make) -> None:
    space = make(mixers={"waves": {"grid": "patches"}})
    assert space.outline()["grid.waves"] == "= 0"
    assert dict(space.left_out)["grid of waves"] == "the model has no patches"


# Refusals.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mixers: [none, blnd]", r"Unknown mixer 'blnd' in mine\.yaml line 2\. Did you mean 'blend'\?"),
        ("mixers:\n  none:\n  blnd: {prob: 1}", r"Unknown mixer 'blnd' in mine\.yaml line 4\."),
        ("mixers: all\nexclude: [wave]", r"Unknown mixer 'wave' in mine\.yaml line 3\. Did you mean 'waves'"),
        ("mixers: ['zz*']", r"Unknown mixer 'zz\*' in mine\.yaml line 2"),
        (
            "mixers:\n  blend:\n    prop: 0.5",
            r"Unknown parameter of blend 'prop' in mine\.yaml line 4\. Did you mean 'prob'\?",
        ),
        (
            "mixers:\n  blend:\n    pairng: random",
            r"Unknown parameter of blend 'pairng' in mine\.yaml line 4\. Did you mean 'pairing'\?",
        ),
        (
            "mixers:\n  blend:\n    ratio: [beta, unifrm]",
            r"Unknown ratio 'unifrm' in mine\.yaml line 4\. Did you mean 'uniform'\?",
        ),
        (
            "mixers: all\ndefaults:\n  ratio:\n    beta: {alhpa: 1}",
            r"Unknown parameter of beta 'alhpa' in mine\.yaml line 5\. Did you mean 'alpha'\?",
        ),
        (
            "mixers:\n  blend:\n    prob: [0.5, 1.3]",
            r"Expected `prob` in \[0, 1\] but got 1\.3 \(mixer blend, mine\.yaml line 4\)\.",
        ),
        (
            "mixers:\n  blend:\n    ratio:\n      beta:\n        alpha: {low: 0.5, heigh: 2}",
            r"Expected `alpha` as \{low, high, scale, zero\} but got .*heigh.* \(ratio beta, mine\.yaml line 6\)",
        ),
        ("mixers:\n  blend:\n    prob: [0.9, 0.1]", r"low <= high.*mine\.yaml line 4"),
        ("mixers:\n  blend:\n    prob: {low: 0, scale: log}", r"log range above 0.*\(mixer blend, mine\.yaml line 4\)"),
        ("mixers:\n  waves:\n    shape: [sine, round]", r"`shape` as one of sine, square but got 'round' .*line 4"),
        ("mixers:\n  waves:\n    near: patches", r"`near` a finite number but got 'patches' .*mine\.yaml line 4"),
        ("mixers: [none, blend]\nlabel_smoothing: 1.5", r"`label_smoothing` .*1\.5 \(policy, mine\.yaml line 3\)"),
        ("mixers: all\nschedule:\n  start: [0, 0.5]\n  stop: [0.4, 1]", r"every `start` before .*mine\.yaml line 3"),
        ("mixers:\n  none:\n    ratio: beta", r"'none' has no ratio: leave `ratio` out \(mine\.yaml line 4\)"),
        (
            "mixers:\n  '*e*':\n    frequency: 3",
            r"None of those for whom `frequency` is written has it \(mine\.yaml line 4\)",
        ),
        (
            "mixers:\n  blend:\n    ratio:\n      own: {low: 0}",
            r"None of those for whom `low` is written has it \(mine\.yaml line 5\)",
        ),
        ("mixers: none", r"no free parameter in mine\.yaml"),
        ("mixers:\n  blend:\n    prob: 1.0\n    ratio: {fixed: {value: 0.5}}", r"no free parameter in mine\.yaml"),
    ],
)
def test_mistakes_are_refused_with_file_and_line(registry: Registry, facts: Facts, text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        from_text(text, registry, facts)


def test_a_space_with_nobody_left_says_why(make: Make) -> None:
    with pytest.raises(SpaceError, match=r"No mixer is left in space .*guided: needs images of at least 16 px"):
        make(mixers=["guided"], image_size=(8, 8))


def test_overrides_of_a_mixer_that_cannot_work_are_still_checked(make: Make) -> None:
    with pytest.raises(SpaceError, match="Expected `prob`"):
        make(mixers={"none": None, "guided": {"prob": 3}}, image_size=(8, 8))


def test_a_shipped_space_goes_on_without_a_method_that_is_not_loaded(registry: Registry, facts: Facts) -> None:
    text = "mixers: {none: , blend: , gone: {prob: 1}, 'old*': {age: 3}}\ndefaults: {ratio: [own, lost]}"
    space = from_text(text, registry, facts, is_shipped=True)
    assert space.mixers == ["blend", "none"]
    assert {"gone", "old*", "ratio lost"} <= dict(space.left_out).keys()
    assert dict(space.left_out)["gone"] == "no loaded plugin has it"
