"""Checks that labels, shares and pixels tell the same story."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from automix.mixing import Batch, MixedBatch, Mixer, MixPlan
from automix.testing.findings import Check, NotApplicable, expect, expect_close, expect_equal
from automix.testing.subject import Subject

__all__ = ["ACCOUNT_CHECKS"]

_STEPS = 12


def weights_are_shares_of_one(subject: Subject) -> None:
    """Sources are rows of the batch, label weights lie in [0, 1], and a row's weights sum to 1."""
    for n in (1, 7):
        batch = subject.batch(n)
        for step in range(_STEPS):
            mixed = subject.mix(batch, step)
            inside = (mixed.sources >= 0) & (mixed.sources < n)
            expect(bool(inside.all()), f"expected sources in [0, {n}) but got {mixed.sources[~inside].tolist()}")
            low, high = float(mixed.weights.min()), float(mixed.weights.max())
            expect(low >= 0.0 and high <= 1.0, f"expected weights in [0, 1] but got {low:.6g} .. {high:.6g}")
            expect_close(mixed.weights.sum(dim=1), torch.ones(len(mixed.weights)), "sums of label weights")


def pixel_share_is_label_weight(subject: Subject) -> None:
    """On images of one colour each, the mean colour of a row is that of its sources by label weight."""
    if not subject.mixer.share_equals_weight:
        raise NotApplicable("the mixer declares share_equals_weight = False")
    batch = subject.flat_batch()
    colours = batch.images[:, :, 0, 0]
    for step in range(_STEPS):
        mixed = subject.mix(batch, step)
        expected = torch.einsum("bs,bsc->bc", mixed.weights, colours[mixed.sources])
        expect_close(mixed.images.mean(dim=(2, 3)), expected, "mean colour of mixed one-colour images", 1e-4)


def shares_agree_with_pixels(subject: Subject) -> None:
    """On images of one colour each, every pixel is its sources' colours by share."""
    if not subject.mixer.share_equals_weight:
        raise NotApplicable("the mixer declares share_equals_weight = False")
    batch = subject.flat_batch()
    for step in range(_STEPS):
        mixed = subject.mix(batch, step)
        expected = torch.einsum("bshw,bschw->bchw", _pixel_shares(mixed, batch), batch.images[mixed.sources])
        expect_close(mixed.images, expected, "pixels of mixed one-colour images", 1e-4)


def sources_are_where_shares_say(subject: Subject) -> None:
    """Changing one image of the batch changes exactly the pixels of which it has a share, plan given."""
    batch = subject.batch(5)
    for step in range(4):
        plan = subject.plan(batch, step)
        before = subject.mixer.apply(batch.images, plan)
        shares = _pixel_shares(before, batch)
        for j in range(len(batch)):
            images = batch.images.clone()
            images[j] = subject.batch(5, seed=1).images[j]
            changed = (subject.mixer.apply(images, plan).images - before.images).abs().amax(dim=1) > 1e-4
            held = (shares * (before.sources == j)[:, :, None, None]).sum(dim=1)
            stray = changed & (held < 1e-6)
            expect(
                not bool(stray.any()),
                f"image {j} shows in rows {_rows(stray)}, where sources and shares say that it is not",
            )
            missing = ~changed & (held > 0.05)
            expect(
                int(missing.sum()) <= 0.05 * int((held > 0.05).sum()),
                f"image {j} does not show in rows {_rows(missing)}, where sources and shares say that it is",
            )


def shares_sum_to_at_most_one(subject: Subject) -> None:
    """Shares lie in [0, 1] and sum to 1 at most, at any grid and with either way of resampling."""
    batch = subject.batch(size=subject.picture_sizes[-1])
    for step in range(4):
        mixed = subject.mix(batch, step)
        for how in ("area", "nearest"):
            for grid in ((1, 1), (3, 5), (4, 4)):
                shares = _expanded(mixed, grid, how)
                expect(bool((shares >= -1e-6).all()), f"expected shares >= 0 at {grid} ({how})")
                total = float(shares.sum(dim=1).max())
                expect(
                    total <= 1.0 + 1e-4, f"expected shares to sum to 1 at most but got {total:.6g} at {grid} ({how})"
                )


def coarse_shares_pool_fine_ones(subject: Subject) -> None:
    """Area shares are means over cells of the pixels' shares; nearest ones are the pixels that resizing takes."""
    batch = subject.batch()
    for step in range(4):
        mixed = subject.mix(batch, step)
        fine = _pixel_shares(mixed, batch)
        for grid in ((1, 1), (2, 4), (3, 5)):
            if batch.size[0] % grid[0] == 0 and batch.size[1] % grid[1] == 0:
                pooled = F.adaptive_avg_pool2d(fine, grid)
                expect_close(_expanded(mixed, grid, "area"), pooled, f"area shares at {grid} against pooling")
            else:
                whole = _expanded(mixed, grid, "area").mean(dim=(2, 3))
                expect_close(whole, fine.mean(dim=(2, 3)), f"mean of the area shares at {grid}")
            nearest = F.interpolate(fine, grid, mode="nearest")
            expect_close(_expanded(mixed, grid, "nearest"), nearest, f"nearest shares at {grid} against resizing")


def carry_keeps_mass(subject: Subject) -> None:
    """`carry` gives one map per source, non-negative, with no more mass than the source had."""
    batch = subject.batch()
    rare = {name: value for name, value in (("prob", 0.5), ("prob_unit", "batch")) if name in subject.mixer.params}
    for mixer in (subject.mixer, subject.build(**rare)):
        for step in range(6):
            plan = subject.plan(batch, step, mixer)
            for h, w in (batch.size, (4, 4), (1, 1)):
                _expect_carried(mixer, batch.images[:, :1, :h, :w].abs(), plan)


def _expect_carried(mixer: Mixer, maps: Tensor, plan: MixPlan) -> None:
    carried = mixer.carry(maps, plan)
    expected = (*plan.sources.shape, *maps.shape[-2:])
    expect(tuple(carried.shape) == expected, f"expected carried maps {expected} but got {tuple(carried.shape)}")
    expect(bool((carried >= 0).all()), "expected carried maps to be non-negative")
    gained = float((carried.sum(dim=(2, 3)) - maps.sum(dim=(1, 2, 3))[plan.sources]).max())
    expect(gained <= 1e-3, f"expected no gain of mass but a map gained {gained:.4g}")


def dense_labels_agree(subject: Subject) -> None:
    """Class indices and one-hot rows give the same plan and the same float32 targets, which sum to 1."""
    batch = subject.batch(7)
    rows = F.one_hot(batch.labels, batch.num_classes).float()
    dense = Batch(images=batch.images, labels=rows, num_classes=batch.num_classes)
    for step in range(4):
        mixed, other = subject.mix(batch, step), subject.mix(dense, step)
        expect_equal(other.images, mixed.images, "images under one-hot labels")
        targets = mixed.targets(batch.labels, batch.num_classes)
        expect(targets.dtype == torch.float32, f"expected float32 targets but got {targets.dtype}")
        expect_close(other.targets(rows, batch.num_classes), targets, "targets from one-hot labels")
        expect_close(targets.sum(dim=1), torch.ones(len(targets)), "sums of target rows")


def _expanded(mixed: MixedBatch, grid: tuple[int, int], how: str) -> Tensor:
    shares = mixed.shares(*grid, how)
    rows = tuple(mixed.sources.shape)
    expect(
        tuple(shares.shape) in ((*rows, *grid), (*rows, 1, 1)),
        f"expected shares {(*rows, *grid)} or {(*rows, 1, 1)} but got {tuple(shares.shape)}",
    )
    return shares.expand(*rows, *grid)


def _pixel_shares(mixed: MixedBatch, batch: Batch) -> Tensor:
    """(B', S, H, W): shares at the resolution of the picture."""
    return _expanded(mixed, batch.size, "area")


def _rows(places: Tensor) -> list[int]:
    return [int(row) for row in places.flatten(1).any(dim=1).nonzero()[:, 0]]


ACCOUNT_CHECKS: tuple[Check, ...] = (
    weights_are_shares_of_one,
    pixel_share_is_label_weight,
    shares_agree_with_pixels,
    sources_are_where_shares_say,
    shares_sum_to_at_most_one,
    coarse_shares_pool_fine_ones,
    carry_keeps_mass,
    dense_labels_agree,
)
