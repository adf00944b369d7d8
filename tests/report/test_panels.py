"""What each panel shows of a study that is known, and what it says where the study has nothing for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from report_studies import EPOCHS, study, trial, verdict

from automix.goal import GOALS
from automix.report import StudyReport, TrialRow
from automix.report.panel import NothingToShow, View, safe, wrapped
from automix.report.panels import PANELS
from automix.report.panels.parallel import settings_of
from automix.verdict import Difference
from automix.verdict.classes import ClassGain

DRAW = {panel.key: panel.draw for panel in PANELS}


def traces(view: View, picture: int = 0) -> Sequence[Any]:
    found: Sequence[Any] = view.pictures[picture].figure.data
    return found


def named(view: View, name: str, picture: int = 0) -> Any:
    return next(trace for trace in traces(view, picture) if trace["name"] == name)


@pytest.mark.parametrize("key", sorted(DRAW))
def test_every_panel_has_caption_numbers_and_something_to_see(key: str) -> None:
    view = DRAW[key](study())
    assert view.caption
    assert view.table is not None
    assert view.table.rows
    assert all(len(row) == len(view.table.columns) for row in view.table.rows)
    assert view.pictures or view.strips


@pytest.mark.parametrize("key", sorted(DRAW))
def test_panel_without_data_says_why_in_a_sentence(key: str) -> None:
    with pytest.raises(NothingToShow, match=r"\w.*\.$"):
        DRAW[key](StudyReport("a", "b", [], {}, []))


def test_fresh_seeds_shows_a_dot_for_each_seed_and_split() -> None:
    view = DRAW["seeds"](study())
    assert sorted(named(view, "validation")["x"]) == pytest.approx([60, 70, 70, 80, 91, 93])
    assert sorted(named(view, "test")["x"]) == pytest.approx([80, 80, 90, 90])
    assert "2 policies with filled marks" in view.caption


def test_gain_is_drawn_with_its_interval_and_room_beside_it() -> None:
    figure = DRAW["seeds"](study()).pictures[1].figure
    assert list(figure.data[0].x) == pytest.approx([5.0, 15.0])
    low, high = figure.layout.xaxis.range
    assert low < 0 < 15 < high


def test_arms_whose_test_images_stayed_closed_say_so() -> None:
    table = DRAW["seeds"](study()).table
    assert table is not None
    assert [row[0] for row in table.rows if "not opened" in row] == ["trivialmix"]


def test_verdict_without_a_comparison_draws_no_interval() -> None:
    alone = replace(study(), verdict=verdict("do_not_mix", winner="none"))
    assert len(DRAW["seeds"](alone).pictures) == 1


def test_history_keeps_the_best_so_far_in_the_order_of_the_search() -> None:
    view = DRAW["history"](study())
    best = named(view, "best so far")
    assert list(best["x"]) == [0, 3, 4, 4]
    assert list(best["y"]) == pytest.approx([90, 91, 91, 91])


def test_history_of_a_goal_that_is_minimised_goes_down() -> None:
    goal = GOALS["log_loss"]
    trials = [trial(1, 1, "cutmix", 0.3), trial(2, 0, "none", 0.5, arm="none")]
    best = named(DRAW["history"](replace(study(), goal=goal, trials=trials)), "best so far")
    assert list(best["y"])[:2] == pytest.approx([0.5, 0.3])


def test_history_has_a_band_of_noise_and_says_where_it_is_from() -> None:
    view = DRAW["history"](study())
    (band,) = [shape for shape in view.pictures[0].figure.layout.shapes if shape.type == "rect"]
    assert (band.y0, band.y1) == pytest.approx((88, 92))
    assert "2.00 points; measured" in view.caption
    assert "is not known" in DRAW["history"](replace(study(), noise=None)).caption


def test_methods_have_a_row_each_with_ended_trials_hollow() -> None:
    view = DRAW["methods"](study())
    assert list(view.pictures[0].figure.layout.yaxis.ticktext) == ["mixup", "none", "cutmix"]
    assert list(traces(view)[0]["marker"]["symbol"]) == ["circle-open"]


def test_curves_of_a_method_are_one_trace_with_gaps_and_ended_ones_faded() -> None:
    view = DRAW["curves"](study())
    assert [picture.title for picture in view.pictures] == ["Accuracy", "Log-loss"]
    (mixup,) = [trace for trace in traces(view) if trace["name"] == "mixup"]
    assert "0.22" in mixup["line"]["color"]
    assert np.isnan(np.asarray(mixup["y"], dtype=float)[-1])
    assert np.asarray(mixup["y"], dtype=float)[:EPOCHS] == pytest.approx([17.5, 35, 52.5, 70])
    legend = [trace["name"] for trace in traces(view) if trace["showlegend"]]
    assert sorted(legend) == ["cutmix", "mixup", "none"]


def test_goal_of_its_own_gets_its_own_curves() -> None:
    goal = GOALS["calibration"]
    trials = [replace(one, curves={**one.curves, "val/ece": [0.1] * EPOCHS}) for one in study().trials]
    view = DRAW["curves"](replace(study(), goal=goal, trials=trials))
    assert [picture.title for picture in view.pictures][-1] == "Calibration error"


def test_settings_of_a_second_branch_go_by_the_names_of_the_first() -> None:
    second = study().trials[2]
    assert settings_of(second) == {"prob.cutmix": 1.0, "alpha.cutmix": 10.0}


def test_parallel_has_a_panel_per_method_with_several_settings_and_log_axes() -> None:
    view = DRAW["parallel"](study())
    assert [picture.title for picture in view.pictures] == ["cutmix (2 trials)"]
    heights = [list(trace["y"]) for trace in traces(view)]
    assert heights[0] == pytest.approx([1.0, 1.0, 0.0])  # the worse one first, so that the better is drawn over it
    assert heights[1] == pytest.approx([0.5, 0.0, 1.0])
    assert "mixup, none" in view.caption


def test_setting_that_a_trial_does_not_have_lies_below_its_axis() -> None:
    bare = trial(4, 5, "cutmix", 0.8, params={"mixer": "cutmix", "prob.cutmix": 0.2})
    view = DRAW["parallel"](replace(study(), trials=[*study().trials, bare]))
    assert list(traces(view)[0]["y"])[1] < 0


def test_importance_shows_the_method_first_and_what_chance_gives() -> None:
    view = DRAW["importance"](study())
    bar, chance = traces(view)
    assert list(bar["x"]) == pytest.approx([40])
    assert list(chance["x"]) == pytest.approx([20])
    assert "too few to rely on" in view.caption
    assert view.pictures[1].title == "Settings of cutmix, over 9 trials"


def test_front_connects_its_trials_by_cost() -> None:
    view = DRAW["cost"](study())
    assert list(named(view, "front")["x"]) == pytest.approx([0, 30])


def test_classes_are_sorted_and_the_tail_is_hatched() -> None:
    view = DRAW["classes"](study())
    (bars,) = traces(view)
    assert list(bars["x"]) == pytest.approx([-10, 0, 10])
    assert list(bars["marker"]["pattern"]["shape"]) == ["", "/", ""]
    assert "1 of 3 exclude zero" in view.caption


def test_of_many_classes_the_outermost_are_drawn_and_all_are_listed() -> None:
    many = [ClassGain(f"c{i}", "slot 3", 9, 9, 0.5, 0.5, Difference(i / 100, 0, 1, 1)) for i in range(90)]
    view = DRAW["classes"](replace(study(), classes=many))
    assert len(traces(view)[0]["x"]) == 40
    assert view.table is not None
    assert len(view.table.rows) == 90
    assert "40 outermost of 90" in view.caption


def test_rung_correlations_have_a_line_and_a_band_for_each_metric() -> None:
    view = DRAW["rungs"](study())
    assert list(named(view, "accuracy")["y"]) == pytest.approx([0.1, 0.2, 0.3])
    assert list(named(view, "log-loss")["x"]) == pytest.approx([25, 50, 75])
    assert "6 trials" in view.caption


def test_lam_panel_shows_pixels_and_label_against_what_was_asked_for() -> None:
    view = DRAW["lam"](study())
    pixels, label = traces(view)
    assert list(pixels["y"]) == pytest.approx([0.75, 0.5])
    assert list(label["y"]) == pytest.approx(list(label["x"]))


def test_leader_is_the_only_thick_line_beside_no_mixing() -> None:
    thick = {trace["name"] for trace in traces(DRAW["curves"](study())) if trace["line"]["width"] > 2}
    assert thick == {"cutmix", "none"}


def test_text_from_outside_is_harmless_in_a_label() -> None:
    assert safe("<a href='x'>&%{y}") == "&lt;a href='x'&gt;&amp;% {y}"
    assert wrapped("a" * 10 + " " + "b" * 20) == "a" * 10 + "<br>" + "b" * 20
    assert wrapped("") == ""


def test_colours_do_not_depend_on_the_order_of_the_trials() -> None:
    from automix.report.style import colours

    turned: list[TrialRow] = list(study().trials)[::-1]
    assert colours(study()) == colours(replace(study(), trials=turned))
