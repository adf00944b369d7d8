from __future__ import annotations

import json

import pytest

from automix.errors import SpaceError
from automix.tracking import Tracker, keys, short_names_distinct
from automix.tracking.views import compare_view, view_key

PARAMS = ["mixer", "alpha.cutmix", "prob.cutmix", "alpha.mixup"]


def charts(view, kind):
    return [chart for chart in view["compareRunCharts"] if chart["type"] == kind]


def test_each_method_has_a_chart_of_its_own_parameters():
    view = json.loads(compare_view("quick", PARAMS))
    axes = {chart["displayName"]: chart["selectedParams"] for chart in charts(view, "PARALLEL")}
    assert axes == {"all methods": ["mixer"], "cutmix": ["alpha.cutmix", "prob.cutmix"], "mixup": ["alpha.mixup"]}


def test_view_shows_the_slots_of_one_study_best_first():
    view = json.loads(compare_view("quick", PARAMS))
    assert view["searchFilter"] == "tags.`automix.study` = 'quick' and tags.`automix.kind` = 'slot'"
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`best/val_top1`", False)


def test_chart_ids_are_unique_and_name_a_section():
    view = json.loads(compare_view("quick", PARAMS))
    ids = [chart["uuid"] for chart in view["compareRunCharts"]]
    sections = {section["uuid"] for section in view["compareRunSections"]}
    assert len(set(ids)) == len(ids)
    assert {chart["metricSectionId"] for chart in view["compareRunCharts"]} <= sections


def test_view_of_forty_methods_fits_into_an_experiment_tag(tracker: Tracker, client):
    params = ["mixer", *(f"{param}.m{i:02}" for i in range(40) for param in ("alpha", "prob", "low", "high"))]
    tracker.prepare_view("digits", "quick", params)
    tags = client.get_experiment_by_name("digits").tags
    assert json.loads(tags[keys.SHARED_VIEW + view_key("quick")])["runsHiddenMode"] == "SHOW_ALL"


def test_view_keys_differ_by_study_and_need_no_escaping():
    assert view_key("a b/ü") != view_key("a b/u")
    assert view_key("a b/ü").isalnum()


def test_names_that_agree_in_their_first_ten_characters_are_refused():
    with pytest.raises(SpaceError, match=r"'prob_unit\.cutmix' and 'prob_unit\.mixup'"):
        short_names_distinct(["mixer", "prob_unit.cutmix", "prob_unit.mixup"])
    short_names_distinct(["prob_unit.cutmix", "prob_unit.mixup"], width=11)
