"""Shares in closed form agree with painting the boxes and resampling the picture."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from automix.mixing.shares import box_coverage, constant_shares, mask_shares, resample_mask

SIZES = [(8, 8), (9, 7), (32, 20)]
GRIDS = [(1, 1), (2, 2), (4, 4), (3, 5), (7, 7), (8, 8), (16, 16)]


def boxes_for(size: tuple[int, int], n: int = 20) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    ends = [torch.randint(0, s + 1, (n, 2), generator=generator).sort(dim=1).values for s in size]
    return torch.stack((ends[0][:, 0], ends[1][:, 0], ends[0][:, 1], ends[1][:, 1]), dim=1)


def painted(boxes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    planes = torch.zeros(len(boxes), 1, *size)
    for plane, (y0, x0, y1, x1) in zip(planes, boxes.tolist(), strict=True):
        plane[:, y0:y1, x0:x1] = 1.0
    return planes


def cell_means(plane: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Mean over cells that need not end at pixel borders: every pixel cut into as many parts as there are cells."""
    fine = plane.repeat_interleave(grid[0], dim=-2).repeat_interleave(grid[1], dim=-1)
    return F.avg_pool2d(fine, (plane.shape[-2], plane.shape[-1]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("grid", GRIDS)
def test_area_of_boxes_is_the_mean_over_painted_cells(size, grid) -> None:
    boxes = boxes_for(size)
    expected = cell_means(painted(boxes, size), grid)[:, 0]
    torch.testing.assert_close(box_coverage(boxes, size, *grid, "area"), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("grid", GRIDS)
def test_nearest_of_boxes_is_nearest_interpolation(size, grid) -> None:
    boxes = boxes_for(size)
    expected = F.interpolate(painted(boxes, size), grid, mode="nearest")[:, 0]
    assert torch.equal(box_coverage(boxes, size, *grid, "nearest"), expected)


@pytest.mark.parametrize("grid", [(1, 1), (2, 4), (8, 4)])
def test_area_of_masks_is_adaptive_pooling_where_cells_divide(grid) -> None:
    mask = torch.rand(3, 1, 8, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(resample_mask(mask, *grid, "area"), F.adaptive_avg_pool2d(mask, grid)[:, 0])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("grid", GRIDS)
def test_masks_are_resampled_like_pictures(size, grid) -> None:
    mask = torch.rand(3, 1, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(resample_mask(mask, *grid, "area"), cell_means(mask, grid)[:, 0], atol=1e-5, rtol=0)
    assert torch.equal(resample_mask(mask, *grid, "nearest"), F.interpolate(mask, grid, mode="nearest")[:, 0])


def test_half_a_box_in_a_cell_counts_half() -> None:
    # A 4 x 4 picture, one box over rows 0..1 and columns 0..3: cells of 2 x 2 hold all, half, none, none.
    box = torch.tensor([[0, 0, 2, 3]])
    assert box_coverage(box, (4, 4), 2, 2, "area").tolist() == [[[1.0, 0.5], [0.0, 0.0]]]


def test_shares_of_a_pair_sum_to_one() -> None:
    mask = torch.rand(3, 1, 6, 6)
    torch.testing.assert_close(mask_shares(mask, 4, 4, "area").sum(dim=1), torch.ones(3, 4, 4))
    assert constant_shares(torch.tensor([[0.3, 0.7]])).shape == (1, 2, 1, 1)
