"""A study taken up by its name asks again what was asked last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automix.errors import StudyError, UnknownNameError
from automix.resuming import plan_again
from automix.search.config import load_config, save_config
from automix.search.folder import StudyFolder


@pytest.fixture
def plan(make_plan: Callable[..., Any], tmp_path: Path) -> Any:
    """A study that was started."""
    made = make_plan(epochs=3, trials=7, confirm=2, budget="1h", work=tmp_path / "work")
    save_config(StudyFolder(made.work, made.config.name), made.config)
    return made


def test_study_is_planned_as_it_was_asked_for_from_any_folder(
    plan: Any, host: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    again = plan_again(plan.work, plan.config.name, host)
    assert replace(again.config, study_id="", asked={}) == replace(plan.config, study_id="", asked={})
    assert (again.confirm, again.budget_s, again.out) == (2, 3600.0, plan.out)
    assert plan_again(plan.work, "", host).config.name == plan.config.name


def test_what_is_asked_otherwise_now_wins_and_is_kept(plan: Any, host: Any) -> None:
    again = plan_again(plan.work, plan.config.name, host, trials=20, confirm=5, workers=None)
    assert (again.config.n_trials, again.confirm) == (20, 5)
    assert again.config.asked["trials"] == 20
    assert again.config.asked["budget"] == "1h"


def test_study_of_images_from_python_is_refused_in_one_line(plan: Any, host: Any) -> None:
    folder = StudyFolder(plan.work, plan.config.name)
    save_config(folder, replace(load_config(folder), asked={}))
    with pytest.raises(StudyError, match="came from Python") as caught:
        plan_again(plan.work, plan.config.name, host)
    assert "\n" not in str(caught.value)


def test_unknown_study_is_named_with_its_neighbour(plan: Any, host: Any) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean"):
        plan_again(plan.work, plan.config.name[:-1], host)


def test_study_whose_plugins_are_others_is_refused_and_nothing_is_made(plan: Any, host: Any) -> None:
    folder = StudyFolder(plan.work, plan.config.name)
    plugins = {**plan.config.plugins, "mixer": [*plan.config.plugins["mixer"], "stripmix"]}
    save_config(folder, replace(plan.config, plugins=plugins))
    from automix.search.ledger import Ledger
    from automix.storage import optuna_storage

    Ledger(optuna_storage(folder.optuna_file), folder.name, create=True)
    with pytest.raises(StudyError, match="not those of study"):
        plan_again(plan.work, plan.config.name, host)
    assert len(list((plan.work / "studies").iterdir())) == 1
