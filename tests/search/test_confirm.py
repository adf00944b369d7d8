"""Policies are compared on the same fresh seeds, and the test images are looked at after the last epoch."""

from __future__ import annotations

import pytest

from automix.data import open_data
from automix.errors import SettingError
from automix.manager import build_host
from automix.policy import PolicyDocument
from automix.search.confirm import Confirmation, ConfirmedRun, confirm, fresh_seeds
from automix.training.settings import TrainSettings

SETTINGS = TrainSettings(epochs=2, device="cpu")
POLICIES = {"none": PolicyDocument.of("none"), "again": PolicyDocument.of("none"), "mixup": PolicyDocument.of("mixup")}


@pytest.fixture(scope="module")
def registry():
    return build_host().registry


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return open_data("digits", work=tmp_path_factory.mktemp("work"), limit=128)


def test_differences_are_taken_seed_by_seed():
    values = {("a", 1): 0.9, ("b", 1): 0.5, ("b", 2): 0.6, ("a", 2): 0.8}
    runs = [ConfirmedRun(policy=p, seed=s, metrics={"test/top1": v}) for (p, s), v in values.items()]
    difference = Confirmation(tuple(runs)).difference("a", "b")
    assert difference.values == pytest.approx((0.4, 0.2))
    assert difference.mean == pytest.approx(0.3)
    assert difference.sd == pytest.approx(0.2 / 2**0.5)


def test_one_seed_has_no_spread():
    runs = [ConfirmedRun(policy=p, seed=1, metrics={"test/top1": 0.5}) for p in "ab"]
    assert Confirmation(tuple(runs)).difference("a", "b").sd is None


def test_fresh_seeds_are_distinct_repeatable_and_follow_the_study():
    assert fresh_seeds(0, 3) == fresh_seeds(0, 5)[:3]
    assert len({*fresh_seeds(0, 5), *fresh_seeds(1, 5), 0, 1}) == 12


def test_equal_policies_come_out_equal_on_each_seed_and_seeds_differ(data, registry):
    told = []
    found = confirm(data, POLICIES, SETTINGS, fresh_seeds(0, 2), registry=registry, on_run=told.append)
    assert tuple(told) == found.runs
    assert len(found.runs) == 6
    for metric in ("test/top1", "test/logloss", "val/top1", "val/logloss"):
        assert found.difference("again", "none", metric).values == (0.0, 0.0)
    assert found.difference("mixup", "none", "test/logloss").values != (0.0, 0.0)
    first, second = found.values("none", "test/logloss").values()
    assert first != second


@pytest.mark.parametrize("seeds", [[], [0], [5, 5]])
def test_seeds_of_the_search_or_repeated_ones_are_refused(data, registry, seeds):
    with pytest.raises(SettingError, match="`seeds`"):
        confirm(data, POLICIES, SETTINGS, seeds, registry=registry)
