from __future__ import annotations

import math

import pytest
from scipy import stats

from automix.report.verdict import MAX_SEEDS, Comparison


def compare(own: list[float], none: list[float], n_test: int = 1000) -> Comparison:
    return Comparison(policy="mixup", seeds=tuple(range(len(own))), own=tuple(own), none=tuple(none), n_test=n_test)


@pytest.mark.parametrize("n", [2, 3, 5, MAX_SEEDS])
def test_interval_is_that_of_a_paired_t_test(n: int) -> None:
    own = [0.9 + 0.01 * math.sin(i) for i in range(n)]
    none = [0.85 + 0.02 * math.cos(3 * i) for i in range(n)]
    found = compare(own, none).interval
    expected = stats.ttest_rel(own, none).confidence_interval(0.95)
    assert found == pytest.approx((expected.low, expected.high), abs=2e-5)


def test_interval_on_one_side_of_zero_is_a_finding() -> None:
    assert compare([0.90, 0.91, 0.92], [0.80, 0.81, 0.81]).finding == "better"
    assert compare([0.80, 0.81, 0.81], [0.90, 0.91, 0.92]).finding == "worse"


def test_interval_that_holds_zero_shows_no_difference_and_says_so() -> None:
    found = compare([0.90, 0.80], [0.80, 0.81])
    assert found.finding == "no difference shown"
    assert "no difference is shown" in found.sentence()
    assert "helps" not in found.sentence()


def test_single_seed_shows_nothing_however_large_the_difference() -> None:
    found = compare([0.99], [0.10])
    assert found.interval is None
    assert found.finding == "no difference shown"
    assert "one seed has no interval" in found.sentence()


def test_seeds_that_agree_exactly_still_have_an_interval() -> None:
    found = compare([0.51, 0.51], [0.50, 0.50], n_test=100)
    assert found.interval is not None
    assert found.interval[0] < 0 < found.interval[1]


def test_sentence_names_both_accuracies_seeds_and_images() -> None:
    text = compare([0.90, 0.91, 0.92], [0.80, 0.81, 0.81]).sentence()
    for words in ("3 fresh paired seeds", "1000 test images", "mixup", "91.00 %", "80.67 %", "mixing helps"):
        assert words in text


def test_plain_form_holds_what_a_reader_of_a_policy_needs() -> None:
    found = compare([0.90, 0.91], [0.80, 0.81]).to_dict()
    assert found["finding"] == "better"
    assert found["interval_95"][0] < found["delta_test_top1"] < found["interval_95"][1]
