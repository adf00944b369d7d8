"""Batches, plans and targets."""

from __future__ import annotations

import pytest
import torch

from automix.errors import DataError
from automix.mixing import Batch, BoxPlan, MixedBatch, PairPlan, dense_targets


def slow_targets(labels, k, sources, weights, smoothing, dense):
    """The same in loops, one addition at a time."""
    rows = [[0.0] * k for _ in sources]
    for i, (row, mass) in enumerate(zip(sources.tolist(), weights.tolist(), strict=True)):
        e = 0.0 if smoothing is None else float(smoothing[i])
        for source, weight in zip(row, mass, strict=True):
            for c in range(k):
                held = float(labels[source] == c) if labels.ndim == 1 else float(labels[source, c])
                rows[i][c] += (1 - e) * weight * held
        for c in range(k):
            rows[i][c] += e / k + (0.0 if dense is None else float(dense[i, c]))
    return torch.tensor(rows)


@pytest.mark.parametrize("n_sources", [1, 2, 6])
@pytest.mark.parametrize("is_dense_label", [False, True])
@pytest.mark.parametrize("is_smoothed", [False, True])
@pytest.mark.parametrize("has_dense", [False, True])
def test_targets_agree_with_a_slow_loop(n_sources, is_dense_label, is_smoothed, has_dense) -> None:
    generator = torch.Generator().manual_seed(0)
    k, rows = 4, 5
    labels = torch.rand(3, k, generator=generator) if is_dense_label else torch.tensor([1, 3, 1])
    sources = torch.randint(3, (rows, n_sources), generator=generator)
    weights = torch.rand(rows, n_sources, generator=generator)
    smoothing = torch.rand(rows, generator=generator) if is_smoothed else None
    dense = torch.rand(rows, k, generator=generator) if has_dense else None
    got = dense_targets(labels, k, sources, weights, smoothing=smoothing, dense=dense)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, slow_targets(labels, k, sources, weights, smoothing, dense))


def test_two_sources_of_one_class_add_up() -> None:
    targets = dense_targets(torch.tensor([2, 2]), 3, torch.tensor([[0, 1]]), torch.tensor([[0.3, 0.7]]))
    torch.testing.assert_close(targets, torch.tensor([[0.0, 0.0, 1.0]]))


def test_multi_hot_labels_are_averaged_by_weight() -> None:
    labels = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    targets = dense_targets(labels, 3, torch.tensor([[0, 1]]), torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(targets, torch.tensor([[0.25, 1.0, 0.75]]))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(3, 4, 4), torch.zeros(3, dtype=torch.long), r"images \(B, C, H, W\) with B >= 1"),
        (torch.zeros(0, 3, 4, 4), torch.zeros(0, dtype=torch.long), r"images \(B, C, H, W\) with B >= 1"),
        (torch.zeros(2, 3, 4, 4), torch.zeros(3, dtype=torch.long), "one label for each of 2 images"),
        (torch.zeros(2, 3, 4, 4), torch.zeros(2), r"pass \(B, K\) rows for soft labels"),
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, 4), "label rows of 5 classes but got 4"),
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, 5, 1), r"labels \(B,\) or \(B, K\)"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_with_its_shapes(images, labels, message) -> None:
    with pytest.raises(DataError, match=message):
        Batch(images, labels, 5)


def test_class_indices_of_dense_labels_are_the_strongest() -> None:
    batch = Batch(torch.zeros(2, 1, 2, 2), torch.tensor([[0.1, 0.9], [0.6, 0.4]]), 2)
    assert batch.class_indices.tolist() == [1, 0]


def test_pair_plan_lists_own_image_first() -> None:
    plan = PairPlan(perm=torch.tensor([1, 0]), lam=torch.tensor([0.75, 1.0]))
    assert plan.sources.tolist() == [[0, 1], [1, 0]]
    assert plan.weights.tolist() == [[0.75, 0.25], [1.0, 0.0]]


def test_a_plan_on_its_device_is_returned_as_it_is_and_otherwise_moved_whole() -> None:
    plan = BoxPlan.from_boxes(torch.tensor([1, 0]), torch.tensor([[0, 0, 2, 2], [0, 0, 0, 0]]), (4, 4))
    assert plan.to(torch.device("cpu")) is plan
    moved = plan.to(torch.device("meta"))
    assert {moved.perm.device.type, moved.lam.device.type, moved.boxes.device.type} == {"meta"}
    assert moved.size == (4, 4)


def test_replacing_a_field_renews_what_is_derived_from_it() -> None:
    plan = PairPlan(perm=torch.tensor([1, 0]), lam=torch.tensor([0.5, 0.5]))
    assert plan.weights.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert plan.replaced(lam=torch.ones(2)).weights.tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_unmixed_rows_are_their_own_only_source() -> None:
    images = torch.rand(3, 1, 2, 2)
    mixed = MixedBatch.unmixed(images)
    assert mixed.images is images
    assert mixed.sources.tolist() == [[0], [1], [2]]
    assert mixed.shares(2, 2).shape == (3, 1, 1, 1)
    torch.testing.assert_close(mixed.targets(torch.tensor([1, 0, 1]), 2), torch.tensor([[0.0, 1], [1, 0], [0, 1]]))


def test_shares_know_two_ways_of_resampling() -> None:
    with pytest.raises(DataError, match="`how` as area or nearest but got 'mean'"):
        MixedBatch.unmixed(torch.rand(1, 1, 2, 2)).shares(2, 2, "mean")
