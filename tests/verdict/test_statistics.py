from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from automix.goal import ACCURACY
from automix.verdict.statistics import LEVEL, paired_difference, t_quantile


def table(n: int, m: int, *, seeds: float, images: float, rest: float, mean: float = 0.0, key: int = 0) -> np.ndarray:
    generator = np.random.Generator(np.random.Philox(key=key))
    parts = generator.normal(size=(n, 1)) * seeds, generator.normal(size=m) * images
    return mean + parts[0] + parts[1] + generator.normal(size=(n, m)) * rest


@pytest.mark.parametrize("freedom", [1, 1.3, 2, 4.5, 30, 900, 1e6])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.975, 0.985])
def test_quantile_is_that_of_scipy(share: float, freedom: float) -> None:
    assert t_quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=1e-3, abs=1e-6)


def test_with_seeds_alone_the_interval_is_that_of_a_paired_t_test() -> None:
    by_seed = np.array([0.02, 0.05, 0.03, 0.07])
    found = paired_difference(np.repeat(by_seed[:, None], 500, axis=1), np.zeros((4, 500)))
    expected = stats.ttest_1samp(by_seed, 0).confidence_interval(LEVEL)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_with_images_alone_the_interval_is_that_of_a_paired_t_test_over_images() -> None:
    by_image = table(1, 400, seeds=0, images=0, rest=1.0)[0]
    found = paired_difference(np.repeat(by_image[None], 5, axis=0), np.zeros((5, 400)))
    expected = stats.ttest_1samp(by_image, 0).confidence_interval(LEVEL)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-3)


def test_order_of_seeds_and_of_images_changes_nothing() -> None:
    ours, theirs = table(4, 60, seeds=0.1, images=0.5, rest=1.0), table(4, 60, seeds=0.1, images=0.5, rest=1.0, key=1)
    found = paired_difference(ours, theirs)
    turned = paired_difference(ours[::-1, ::-1], theirs[::-1, ::-1])
    assert (found.low, found.high) == pytest.approx((turned.low, turned.high))
    swapped = paired_difference(theirs, ours)
    assert (swapped.low, swapped.high) == pytest.approx((-found.high, -found.low))


@pytest.mark.parametrize(("seeds", "images", "rest"), [(0.016, 0.1, 0.3), (0.0, 0.15, 0.3), (0.05, 0.0, 0.05)])
@pytest.mark.parametrize("n", [3, 5])
def test_interval_holds_the_truth_as_often_as_it_says(n: int, seeds: float, images: float, rest: float) -> None:
    n_studies, hits = 1000, 0
    for key in range(n_studies):
        values = table(n, 250, seeds=seeds, images=images, rest=rest, mean=0.03, key=key)
        found = paired_difference(values, np.zeros_like(values))
        hits += found.low <= 0.03 <= found.high
    # Three standard errors of the simulation below the level; it may be cautious.
    assert hits / n_studies > LEVEL - 3 * np.sqrt(LEVEL * (1 - LEVEL) / n_studies)


def test_smallest_gain_is_found_in_about_four_of_five_studies() -> None:
    n_studies, found = 600, 0
    spread = {"seeds": 0.01, "images": 0.1, "rest": 0.3}
    smallest = np.mean([_zero(key, spread).smallest for key in range(100)])
    for key in range(n_studies):
        values = table(5, 300, **spread, mean=float(smallest), key=key)
        found += paired_difference(values, np.zeros_like(values)).is_above
    assert 0.72 < found / n_studies < 0.9


def _zero(key: int, spread: dict[str, float]):
    values = table(5, 300, **spread, key=1000 + key)
    return paired_difference(values, np.zeros_like(values))


def test_equal_answers_still_have_an_interval() -> None:
    same = np.ones((3, 50), dtype=bool)
    found = paired_difference(same, same)
    assert found.low < 0 < found.high
    assert not found.is_above
    assert not found.is_below


def test_one_number_per_model_is_compared_by_a_paired_t_test_over_seeds() -> None:
    ours, theirs = np.array([[0.21], [0.25], [0.28], [0.22]]), np.array([[0.20], [0.21], [0.20], [0.19]])
    found = paired_difference(ours, theirs)
    expected = stats.ttest_rel(ours[:, 0], theirs[:, 0]).confidence_interval(LEVEL)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-4)
    assert not found.is_by_image


def test_difference_is_said_in_points_with_its_level() -> None:
    text = paired_difference(table(3, 80, seeds=0, images=0, rest=0.1, mean=0.2), np.zeros((3, 80))).text(ACCURACY)
    assert text.startswith("+")
    assert "97 % interval" in text
