from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from automix.mixing import BetaLaw, FixedLaw, ReversePairing, TruncatedBetaLaw
from automix_resizemix.functional import pasted_boxes
from automix_resizemix.mixer import ResizeMix, ResizePlan


def shrink_slowly(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Nearest neighbour, pixel by pixel, in whole numbers."""
    channels, H, W = image.shape
    out = torch.zeros(channels, height, width)
    for y in range(height):
        for x in range(width):
            out[:, y, x] = image[:, y * H // height, x * W // width]
    return out


HAND_MADE = [[0, 0, 6, 4], [2, 3, 12, 10], [5, 5, 6, 6], [3, 3, 3, 8]]


def hand_made(size: tuple[int, int] = (12, 10)) -> ResizePlan:
    return ResizePlan.from_boxes(torch.tensor([3, 2, 1, 0]), torch.tensor(HAND_MADE), size)


def test_the_whole_partner_is_shrunk_into_boxes_given_by_hand(make_batch: Any) -> None:
    batch, plan = make_batch(4, num_classes=4), hand_made()
    mixed = ResizeMix().apply(batch.images, plan)
    expected = batch.images.clone()
    for i, (y0, x0, y1, x1) in enumerate(HAND_MADE):
        expected[i, :, y0:y1, x0:x1] = shrink_slowly(batch.images[3 - i], y1 - y0, x1 - x0)
    assert torch.equal(mixed.images, expected)
    torch.testing.assert_close(plan.lam, torch.tensor([1 - 24 / 120, 1 - 70 / 120, 1 - 1 / 120, 1.0]))
    assert float(mixed.targets(batch.labels, 4)[0, 3]) == pytest.approx(24 / 120)


@pytest.mark.parametrize("box", [[0, 0, 6, 5], [2, 1, 11, 8], [0, 0, 12, 10]])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_shrinking_agrees_with_torch(make_batch: Any, box: list[int], interpolation: str) -> None:
    batch = make_batch(2)
    plan = ResizePlan.from_boxes(torch.tensor([1, 0]), torch.tensor([box, box]), (12, 10))
    y0, x0, y1, x1 = box
    mixed = ResizeMix(interpolation=interpolation).apply(batch.images, plan)
    small = F.interpolate(batch.images.flip(0), size=(y1 - y0, x1 - x0), mode=interpolation)
    torch.testing.assert_close(mixed.images[:, :, y0:y1, x0:x1], small)


def official_box(height: int, width: int, rate: float, cy: int, cx: int) -> list[int]:
    """getbox_new of the official code."""
    dy, dx = int(height * rate), int(width * rate)
    y0 = int(np.clip(cy - dy // 2, 0, height))
    x0 = int(np.clip(cx - dx // 2, 0, width))
    y1, x1 = min(y0 + dy, height), min(x0 + dx, width)
    return [max(y1 - dy, 0), max(x1 - dx, 0), y1, x1]


@pytest.mark.parametrize("size", [(32, 32), (17, 40)])
def test_boxes_are_those_of_the_official_code(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    rate = rng.uniform(0.1, 0.8, 300)
    centres = np.stack([rng.integers(0, size[0], 300), rng.integers(0, size[1], 300)], axis=1)
    ours = pasted_boxes(torch.from_numpy(rate), torch.from_numpy(centres), size)
    expected = [official_box(*size, float(r), *c) for r, c in zip(rate, centres.tolist(), strict=True)]
    assert ours.tolist() == expected


def test_by_default_rates_are_uniform_from_a_tenth_to_eight_tenths(make_batch: Any) -> None:
    """The ratio slot draws the side's rate, not lam and not the area."""
    plan = ResizeMix().draw(make_batch(4000, 1, (100, 100)), torch.Generator().manual_seed(0))
    sides = plan.boxes[:, 2] - plan.boxes[:, 0]
    assert torch.equal(sides, plan.boxes[:, 3] - plan.boxes[:, 1])
    assert sides.min() == 10
    assert sides.max() == 79
    assert abs(float(sides.float().mean()) - 44.5) < 1
    torch.testing.assert_close(plan.lam, 1 - sides**2 / 10000)


def test_the_box_lies_fully_inside_everywhere(make_batch: Any) -> None:
    plan = ResizeMix(ratio=FixedLaw(value=0.5)).draw(make_batch(500, 1, (9, 16)), torch.Generator().manual_seed(0))
    assert plan.boxes.min() == 0
    assert plan.boxes[:, 2].max() == 9
    assert plan.boxes[:, 3].max() == 16
    assert set((plan.boxes[:, 2:] - plan.boxes[:, :2]).unique(dim=0).flatten().tolist()) == {4, 8}


def test_one_rate_per_batch_still_has_places_per_image_as_officially(make_batch: Any) -> None:
    plan = ResizeMix(draw_unit="batch").draw(make_batch(30, 1, (32, 32)), torch.Generator().manual_seed(0))
    assert len(set(plan.lam.tolist())) == 1
    assert len(plan.boxes.unique(dim=0)) > 20


@pytest.mark.parametrize(("rate", "lam"), [(0.0, 1.0), (1.0, 0.0)])
def test_rates_at_their_ends(make_batch: Any, rate: float, lam: float) -> None:
    batch = make_batch(2)
    mixer = ResizeMix(ratio=FixedLaw(value=rate), pairing=ReversePairing())
    plan = mixer.draw(batch, torch.Generator())
    assert plan.lam.tolist() == [lam, lam]
    assert torch.equal(mixer.apply(batch.images, plan).images, batch.images if lam else batch.images.flip(0))


@pytest.mark.parametrize("law", [BetaLaw(alpha=0.2), TruncatedBetaLaw(alpha=1.0)])
def test_other_laws_draw_the_rate_as_well(make_batch: Any, law: Any) -> None:
    batch = make_batch(50, 1, (16, 16))
    mixed = ResizeMix(ratio=law).apply(batch.images, ResizeMix(ratio=law).draw(batch, torch.Generator().manual_seed(0)))
    assert torch.isfinite(mixed.images).all()
    assert mixed.weights.min() >= 0


def test_a_row_that_is_its_own_partner_keeps_its_pixels_though_a_box_was_drawn(make_batch: Any) -> None:
    """Shrunk into itself it would change."""
    batch = make_batch(2)
    plan = ResizePlan.from_boxes(torch.tensor([0, 0]), torch.tensor([[1, 1, 7, 7], [1, 1, 7, 7]]), (12, 10))
    mixed = ResizeMix().apply(batch.images, plan)
    assert torch.equal(mixed.images[0], batch.images[0])
    assert not torch.equal(mixed.images[1], batch.images[1])
    assert torch.equal(mixed.shares(3, 3)[0, 0], torch.ones(3, 3))


def carry_slowly(heat: torch.Tensor, box: list[int], size: tuple[int, int], fine: int) -> torch.Tensor:
    """Spread each cell's mass over fine points, move the points, and count them where they land."""
    h, w = heat.shape
    out = torch.zeros(h, w, dtype=torch.float64)
    y0, x0, y1, x1 = box
    for i in range(h * fine):
        for j in range(w * fine):
            y = y0 + (i + 0.5) / (h * fine) * (y1 - y0)
            x = x0 + (j + 0.5) / (w * fine) * (x1 - x0)
            out[int(y / size[0] * h), int(x / size[1] * w)] += float(heat[i // fine, j // fine]) / fine**2
    return out.float()


def test_carry_shrinks_the_partners_map_into_the_box_and_keeps_its_mass() -> None:
    plan = hand_made()
    maps = torch.rand(4, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    carried = ResizeMix().carry(maps, plan)
    for i in range(3):
        expected = carry_slowly(maps[3 - i, 0], HAND_MADE[i], (12, 10), fine=30)
        torch.testing.assert_close(carried[i, 1], expected, atol=0.02, rtol=0)
        assert float(carried[i, 1].sum()) == pytest.approx(float(maps[3 - i].sum()), rel=1e-5)
    assert float(carried[3, 1].sum()) == 0  # an empty box shows nothing
    covered = ResizeMix().shares(plan, 4, 5, "area")[:, 1]
    torch.testing.assert_close(carried[:, 0], maps[:, 0] * (1 - covered))


def test_carry_at_pixel_resolution_of_a_box_of_half_the_side_is_a_sum_over_blocks() -> None:
    maps = torch.arange(16.0).view(1, 1, 4, 4).expand(2, 1, 4, 4)
    plan = ResizePlan.from_boxes(torch.tensor([1, 0]), torch.tensor([[0, 2, 2, 4]] * 2), (4, 4))
    expected = torch.zeros(4, 4)
    expected[0:2, 2:4] = maps[0, 0].unflatten(0, (2, 2)).unflatten(2, (2, 2)).sum(dim=(1, 3))
    torch.testing.assert_close(ResizeMix().carry(maps, plan)[0, 1], expected)
