"""A worker works with what the study was made with, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from automix.errors import StudyError
from automix.manager import build_host
from automix.planning import SearchRequest, plan_search
from automix.search.bench import open_bench, study_space
from automix.search.config import StudyConfig
from automix.search.folder import StudyFolder


@pytest.fixture(scope="module", params=["small", "default"])
def plan(request, tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    return plan_search(SearchRequest(data="digits", preset="smoke", space=request.param, work=work), build_host())


def test_the_space_of_a_study_comes_back_from_its_file(plan):
    config = StudyConfig.from_json(plan.config.to_json())
    assert study_space(config, plan.host.registry).outline() == plan.space.outline()


def test_a_space_that_comes_out_differently_is_refused(plan):
    config = replace(plan.config, space_signature="something else")
    with pytest.raises(StudyError, match=r"search space .* has changed"):
        study_space(config, plan.host.registry)


def test_other_plugins_are_refused(plan):
    config = replace(plan.config, plugins={"mixer": ["none"]})
    with pytest.raises(StudyError, match="plugins of this process"):
        open_bench(config, StudyFolder(plan.work, plan.config.name))


def test_a_bench_holds_data_space_and_trainer(plan):
    bench = open_bench(plan.config, StudyFolder(plan.work, plan.config.name))
    assert bench.space.encode(bench.space.normal(plan.space.defaults("mixup")))["mixer"] == "mixup"
