from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from automix.errors import SettingError
from automix.mixing import FixedLaw, MaskPlan
from automix_gridmix.functional import crop_boxes, grid_profiles, hole_sizes
from automix_gridmix.mixer import GridMix


def reference_mask(
    size: tuple[int, int], area: float, aspect: float, place: tuple[float, float], lam: float, n_holes: int
) -> np.ndarray:
    """_get_gridmask of IlyaDobrynin/GridMixup: hole by hole; the crop cut to the picture, holes to what fits."""
    height, width = size
    crop_area = int(height * width * area)
    crop_w = int(np.sqrt(crop_area / aspect))
    crop_h = min(max(int(crop_w * aspect), 2), height)
    crop_w = min(max(crop_w, 2), width)
    yc, xc = int((height - crop_h) * place[0]), int((width - crop_w) * place[1])
    nx = min(n_holes, crop_w // 2)
    patch = math.ceil(crop_w / nx)
    ny = math.ceil(crop_h / patch)
    hole = min(max(int(patch * np.sqrt(1 - lam)), 1), patch - 1)
    mask = np.zeros(size)
    for i in range(nx + 1):
        for j in range(ny + 1):
            x1, y1 = min(patch * i, crop_w), min(patch * j, crop_h)
            x2, y2 = min(x1 + hole, crop_w), min(y1 + hole, crop_h)
            mask[yc + y1 : yc + y2, xc + x1 : xc + x2] = 1
    return mask


@pytest.mark.parametrize("size", [(32, 32), (20, 45), (31, 9), (8, 8)])
def test_holes_are_where_the_reference_cuts_them(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        area, aspect, lam = rng.uniform(0.5, 1), rng.uniform(0.5, 2), float(np.float32(rng.uniform(0, 1)))
        place, n_holes = rng.uniform(0, 1, 2), int(rng.integers(2, 7))
        crop = crop_boxes(torch.tensor([area]), torch.tensor([aspect]), torch.from_numpy(place)[None], size)
        patch, hole = hole_sizes(crop[:, 3] - crop[:, 1], torch.tensor([n_holes]), torch.tensor([lam]))
        rows, columns = grid_profiles(crop, patch, hole, size)
        ours = (rows[0, :, None] & columns[0]).numpy()
        np.testing.assert_array_equal(ours, reference_mask(size, area, aspect, tuple(place), lam, n_holes))


def test_a_grid_by_hand_shows_the_partner_in_its_holes(make_batch: Any) -> None:
    batch = make_batch(2, 1, (4, 4), num_classes=2)
    rows = torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0]])
    columns = torch.tensor([[1.0, 0, 1, 0], [1, 1, 1, 1]])
    plan = MaskPlan.from_profiles(torch.tensor([1, 0]), rows, columns, torch.device("cpu"))
    mixed = GridMix().apply(batch.images, plan)
    expected = batch.images.clone()
    for y in (0, 2):
        for x in (0, 2):
            expected[0, 0, y, x] = batch.images[1, 0, y, x]
    assert torch.equal(mixed.images, expected)
    assert torch.equal(mixed.targets(batch.labels, 2), torch.tensor([[0.75, 0.25], [0.0, 1.0]]))


@pytest.mark.parametrize("size", [(8, 8), (64, 8), (8, 64), (33, 21)])
def test_crops_never_leave_the_picture(make_batch: Any, size: tuple[int, int]) -> None:
    """The reference's crop can be longer than the picture, and its place then negative."""
    plan = GridMix().draw(make_batch(300, 1, size), torch.Generator().manual_seed(0))
    assert plan.mask.shape == (300, 1, *size)
    torch.testing.assert_close(plan.lam, plan.mask.mean(dim=(1, 2, 3)))


@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_lam_at_its_ends_still_shows_both_images(make_batch: Any, lam: float) -> None:
    """Holes are at least 1 pixel wide and at most one less than their patch."""
    plan = GridMix(ratio=FixedLaw(value=lam)).draw(make_batch(50, 1, (24, 24)), torch.Generator().manual_seed(0))
    assert plan.lam.min() > 0
    assert plan.lam.max() < 1
    assert (plan.lam > 0.7).all() if lam == 1.0 else (plan.lam < 0.8).all()


def test_the_number_of_holes_is_drawn_from_its_range(make_batch: Any) -> None:
    mixer = GridMix(min_area=1.0, min_aspect=1.0, max_aspect=1.0, ratio=FixedLaw(value=0.75))
    mask = mixer.draw(make_batch(300, 1, (60, 60)), torch.Generator().manual_seed(0)).mask
    first_row = 1 - mask[:, 0, 0]  # the crop is the whole picture: each hole along the width starts here
    starts = first_row[:, :1].sum(dim=1) + (first_row.diff(dim=1) == 1).sum(dim=1)
    counts = torch.bincount(starts.long(), minlength=7)
    assert counts[:2].sum() == 0
    assert counts[2:7].min() > 30
    assert counts.sum() == counts[2:7].sum()


def test_by_default_alpha_is_that_of_the_benchmark() -> None:
    assert GridMix().ratio.config() == {"name": "beta", "alpha": 0.2}


def test_ranges_must_be_in_order() -> None:
    with pytest.raises(SettingError, match=r"`min_holes` <= `max_holes`"):
        GridMix(min_holes=7, max_holes=3)


def test_the_card_says_which_gridmix_this_is() -> None:
    assert "GridMixup" in GridMix.card.title
    assert "Not the method of the paper" in GridMix.card.differences
