from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automix.errors import AutomixError, SettingError
from automix.policy import PolicyDocument

Plan = Callable[..., Any]


def test_same_request_finds_its_study_again(make_plan: Plan) -> None:
    assert make_plan().config.name == make_plan().config.name


@pytest.mark.parametrize(
    "change",
    [{"trials": 9}, {"workers": 1}, {"budget": "2h"}, {"confirm": 2}, {"final_epochs": 300}, {"fidelity": "epochs:1"}],
)
def test_what_may_change_from_start_to_start_keeps_the_study(make_plan: Plan, change: dict[str, Any]) -> None:
    assert make_plan(**change).config.name == make_plan().config.name


def test_results_may_go_elsewhere_the_next_time(make_plan: Plan, tmp_path: Path) -> None:
    assert make_plan(out=tmp_path / "other").config.name == make_plan().config.name


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 3},
        {"lr": 0.1},
        {"seed": 5},
        {"space": "default"},
        {"batch_size": 8},
        {"limit": 90},
        {"goal": "log_loss"},
        {"fidelity": "images:0.5"},
    ],
)
def test_what_decides_a_value_makes_another_study(make_plan: Plan, change: dict[str, Any]) -> None:
    assert make_plan(**change).config.name != make_plan().config.name


def test_goal_and_fidelity_reach_the_study(make_plan: Plan) -> None:
    plan = make_plan(goal="calibration", fidelity="epochs:0.5", epochs=40, final_epochs=200)
    assert (plan.config.goal, plan.config.fidelity) == ("calibration", {"axis": "epochs", "share": 0.5})
    assert (plan.config.n_epochs, plan.settings.epochs) == (20, 40)
    assert "biased against" in plan.warnings[0]
    assert set(plan.warnings) <= set(plan.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"goal": "acuracy"}, "Did you mean 'accuracy'"),
        ({"fidelity": "half"}, "--fidelity"),
        ({"final_epochs": 0}, "--final-epochs"),
    ],
)
def test_goal_and_fidelity_that_do_not_exist_are_refused(
    make_plan: Plan, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(AutomixError, match=message):
        make_plan(**options)


def test_no_mixing_is_the_first_arm_and_equal_arms_are_trained_once(make_plan: Plan) -> None:
    plan = make_plan(preset="quick", confirm=0)
    names = [arm.name for arm in plan.config.arms]
    assert names[0] == "none"
    assert "timm_default" in names
    assert "deit" not in names
    assert any("'deit' is the same policy as 'timm_default'" in note for note in plan.notes)
    keys = [PolicyDocument.from_dict(arm.policy).key() for arm in plan.config.arms]
    assert len(keys) == len(set(keys))


def test_every_method_of_the_space_is_an_arm_as_published(make_plan: Plan) -> None:
    plan = make_plan(preset="quick")
    assert set(plan.space.mixers) <= {arm.name for arm in plan.config.arms}


def test_trials_that_hold_only_arms_are_refused(make_plan: Plan) -> None:
    with pytest.raises(SettingError, match=r"above 3.*none, trivialmix, timm_default.*got 3"):
        make_plan(trials=3)


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("batch_size", 0), ("trials", 0), ("workers", -1), ("confirm", -1), ("confirm", 21), ("seed", -1)],
)
def test_value_out_of_range_is_named_with_its_option(make_plan: Plan, name: str, value: int) -> None:
    with pytest.raises(SettingError, match=rf"`{name}`.*{value}.*--{name.replace('_', '-')}"):
        make_plan(**{name: value})


def test_mistakes_are_found_before_data_are_decoded(make_plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(AutomixError, match="--budget"):
        make_plan(data="folder:nowhere", budget="soon", work=tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_facts_tell_a_transformer_from_a_convolutional_net(make_plan: Plan) -> None:
    convolutional = make_plan().config.facts
    transformer = make_plan(model="automix_vit_mini", image_size=16).config.facts
    assert (convolutional["has_attention"], transformer["has_attention"]) == (False, True)
    assert convolutional["patch_grid"] is None
    assert transformer["patch_grid"] > 1


def test_plan_writes_nothing_but_the_decoded_images(make_plan: Plan, tmp_path: Path) -> None:
    make_plan(work=tmp_path / "work", out=tmp_path / "out")
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["data"]
    assert not (tmp_path / "out").exists()
