from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from automix.errors import PolicyError
from automix.mixing import BoxPlan, FixedLaw, ReversePairing, boxes_around
from automix_cutmix.mixer import CutMix


def paste_slowly(images: torch.Tensor, perm: list[int], boxes: list[list[int]]) -> torch.Tensor:
    out = images.clone()
    for i, (y0, x0, y1, x1) in enumerate(boxes):
        for y in range(y0, y1):
            for x in range(x0, x1):
                out[i, :, y, x] = images[perm[i], :, y, x]
    return out


def test_boxes_given_by_hand_are_pasted_and_weighed(make_batch: Any) -> None:
    batch = make_batch(4, size=(6, 9), num_classes=4)
    perm = torch.tensor([3, 2, 1, 0])
    boxes = torch.tensor([[0, 0, 3, 3], [1, 2, 6, 9], [0, 0, 6, 9], [4, 4, 4, 9]])
    plan = BoxPlan.from_boxes(perm, boxes, (6, 9))
    mixed = CutMix().apply(batch.images, plan)
    assert torch.equal(mixed.images, paste_slowly(batch.images, perm.tolist(), boxes.tolist()))
    torch.testing.assert_close(plan.lam, torch.tensor([1 - 9 / 54, 1 - 35 / 54, 0.0, 1.0]))
    expected = torch.zeros(4, 4)
    for i in range(4):
        expected[i, i] += plan.lam[i]
        expected[i, perm[i]] += 1 - plan.lam[i]
    torch.testing.assert_close(mixed.targets(batch.labels, 4), expected)


def official_box(height: int, width: int, lam: float, cy: int, cx: int) -> list[int]:
    """rand_bbox of the official code, with the first axis taken for what it is."""
    cut_h, cut_w = int(height * np.sqrt(1.0 - lam)), int(width * np.sqrt(1.0 - lam))
    y0, y1 = np.clip([cy - cut_h // 2, cy + cut_h // 2], 0, height)
    x0, x1 = np.clip([cx - cut_w // 2, cx + cut_w // 2], 0, width)
    return [int(y0), int(x0), int(y1), int(x1)]


@pytest.mark.parametrize("size", [(32, 32), (20, 48), (7, 5)])
def test_boxes_are_those_of_the_official_code(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    lam = rng.beta(1, 1, 300).astype(np.float32)
    centres = np.stack([rng.integers(0, size[0], 300), rng.integers(0, size[1], 300)], axis=1)
    ours = boxes_around(torch.from_numpy(centres), torch.from_numpy(lam), size).tolist()
    assert ours == [official_box(*size, float(w), *c) for w, c in zip(lam, centres.tolist(), strict=True)]


def test_axes_are_kept_apart_on_pictures_that_are_not_square(make_batch: Any) -> None:
    """Pitfall: the official code takes the first spatial axis for the width."""
    mixer = CutMix(ratio=FixedLaw(value=0.75))
    plan = mixer.draw(make_batch(200, 1, (40, 10)), torch.Generator().manual_seed(0))
    sides = plan.boxes[:, 2:] - plan.boxes[:, :2]
    assert sides[:, 0].max() == 20  # half of the height
    assert sides[:, 1].max() == 4  # half of the width, its odd pixel lost as in the official code
    assert plan.boxes[:, 2].max() == 40
    assert plan.boxes[:, 3].max() == 10


def test_lam_is_recomputed_when_the_box_is_clipped(make_batch: Any) -> None:
    plan = CutMix(ratio=FixedLaw(value=0.5)).draw(make_batch(300, 1, (16, 16)), torch.Generator().manual_seed(0))
    areas = (plan.boxes[:, 2] - plan.boxes[:, 0]) * (plan.boxes[:, 3] - plan.boxes[:, 1])
    assert areas.min() < 100 <= areas.max() == 10 * 10  # floor(16 sqrt(0.5)) = 11, ends at centre -+ 5
    torch.testing.assert_close(plan.lam, 1 - areas / 256)


def test_centres_are_uniform_over_the_picture(make_batch: Any) -> None:
    mixer = CutMix(ratio=FixedLaw(value=0.984))  # a box of 2 x 2 in 16 x 16
    plan = mixer.draw(make_batch(4000, 1, (16, 16)), torch.Generator().manual_seed(0))
    upper = plan.boxes[:, 2]  # centre + 1, never clipped from above except at 16
    counts = torch.bincount(upper, minlength=17)[1:]
    assert counts.min() > 180
    assert counts.max() < 320


@pytest.mark.parametrize(("lam", "whose"), [(1.0, 0), (0.0, 1)])
def test_lam_at_its_ends(make_batch: Any, lam: float, whose: int) -> None:
    """lam = 0 asks for a box as big as the picture; clipped, it covers it only when centred."""
    batch = make_batch(2, size=(8, 8))
    mixer = CutMix(ratio=FixedLaw(value=lam), pairing=ReversePairing())
    plan = mixer.draw(batch, torch.Generator().manual_seed(1))
    if lam == 1.0:
        assert torch.equal(mixer.apply(batch.images, plan).images, batch.images)
        assert torch.equal(plan.lam, torch.ones(2))
    else:
        assert (plan.boxes[:, 2:] - plan.boxes[:, :2]).min() >= 4


@pytest.mark.parametrize(("size", "grid"), [((32, 32), 8), ((28, 42), 7)])
def test_a_box_grid_never_cuts_a_patch(make_batch: Any, size: tuple[int, int], grid: int) -> None:
    mixer = CutMix(box_grid=grid)
    batch = make_batch(60, 1, size)
    plan = mixer.draw(batch, torch.Generator().manual_seed(0))
    steps = torch.tensor([size[0] // grid, size[1] // grid] * 2)
    assert torch.all(plan.boxes % steps == 0)
    shares = mixer.apply(batch.images, plan).shares(grid, grid)
    assert set(shares.unique().tolist()) <= {0.0, 1.0}


def test_a_grid_finer_than_the_picture_is_refused(make_batch: Any) -> None:
    with pytest.raises(PolicyError, match=r"`box_grid` of at most 8 .* got 14"):
        CutMix(box_grid=14).draw(make_batch(2, size=(8, 12)), torch.Generator())


def test_one_box_serves_the_whole_batch_in_the_official_way(make_batch: Any) -> None:
    plan = CutMix(draw_unit="batch").draw(make_batch(9), torch.Generator().manual_seed(2))
    assert len({tuple(box) for box in plan.boxes.tolist()}) == 1
