from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automix.data.splits import assign, stratified_subset
from automix.errors import DataError, SettingError


def counts(labels: np.ndarray, splits: np.ndarray, split: str) -> list[int]:
    return np.bincount(labels[splits == split], minlength=labels.max() + 1).tolist()


def test_cut_takes_fifteen_percent_of_each_class():
    labels = np.repeat([0, 1, 2], [200, 100, 20])
    splits = assign(labels, "abc", None, seed=0)
    assert counts(labels, splits, "val") == counts(labels, splits, "test") == [30, 15, 3]
    assert counts(labels, splits, "train") == [140, 70, 14]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(3, 40), min_size=2, max_size=6), st.integers(0, 99))
def test_every_class_of_three_or_more_is_in_every_split(sizes, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    splits = assign(labels, [str(k) for k in range(len(sizes))], None, seed)
    for split in ("train", "val", "test"):
        assert min(counts(labels, splits, split)) >= 1


def test_equal_seeds_give_equal_splits_and_others_differ():
    labels = np.arange(300) % 3
    same = [assign(labels, "abc", None, seed=s) for s in (1, 1, 2)]
    assert (same[0] == same[1]).all()
    assert (same[0] != same[2]).any()


def test_a_further_class_does_not_move_the_images_of_another():
    labels = np.repeat([0, 1], 50)
    more = np.concatenate([labels, np.full(30, 2)])
    assert (assign(labels, "ab", None, 0) == assign(more, "abc", None, 0)[:100]).all()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [([1, 9], r"at least 3 images of each class.*a \(1\)"), ([9, 2], r"b \(2\)"), ([1, 2], r"a \(1\), b \(2\)")],
)
def test_class_too_small_for_the_splits_is_named_with_its_count(sizes, message):
    with pytest.raises(DataError, match=message):
        assign(np.repeat([0, 1], sizes), "ab", None, 0)


@pytest.mark.parametrize(("present", "cut"), [("test", "val"), ("val", "test")])
def test_missing_split_is_cut_from_train_and_the_given_one_kept(present, cut):
    labels = np.array([0, 1] * 60)
    given_splits = ["train"] * 100 + [present] * 20
    splits = assign(labels, "ab", given_splits, 0)
    assert (splits[100:] == present).all()
    assert set(splits[:100]) == {"train", cut}
    assert counts(labels, splits, cut) == [8, 8]


def test_given_splits_are_left_alone():
    given_splits = ["train", "train", "val", "test", "val"]
    assert assign(np.array([0, 1, 0, 1, 1]), "ab", given_splits, 0).tolist() == given_splits


def test_class_of_val_that_is_not_in_train_is_named():
    with pytest.raises(DataError, match="No training images for class b"):
        assign(np.array([0, 0, 1, 1]), "ab", ["train", "test", "val", "test"], 0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=2, max_size=6), st.data(), st.integers(0, 9))
def test_limit_keeps_exactly_that_many_with_every_class(sizes, data, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    limit = data.draw(st.integers(len(sizes), len(labels)))
    chosen = stratified_subset(labels, limit, len(sizes), seed)
    assert len(set(chosen.tolist())) == limit
    kept = np.bincount(labels[chosen], minlength=len(sizes))
    assert kept.min() >= 1
    # No class has more than its share rounded up; those lifted to one image take from the others.
    assert (kept - np.array(sizes) * limit / len(labels)).max() <= 1


def test_limit_is_proportional_and_nested():
    labels = np.repeat([0, 1], [300, 100])
    small, large = (stratified_subset(labels, n, 2, seed=0) for n in (40, 80))
    assert np.bincount(labels[small]).tolist() == [30, 10]
    assert set(small) <= set(large)


def test_limit_below_the_number_of_classes_is_refused():
    with pytest.raises(SettingError, match="at least 3 training images"):
        stratified_subset(np.array([0, 1, 2, 2]), 2, 3, 0)
