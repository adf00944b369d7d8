"""The conformance kit on two variants of stripmix, and what is particular to it."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from automix_demo_plugin.functional import strip_cover, strip_edges
from automix_demo_plugin.mixer import Stripmix, StripPlan

from automix.mixing import Batch, FixedLaw, ReversePairing
from automix.testing import MixerContract


class TestStripmix(MixerContract):
    mixer = Stripmix


class TestOneHorizontalStrip(MixerContract):
    mixer = Stripmix
    settings: ClassVar = {"direction": "horizontal", "strips": 1}


def one_hot_images(n: int, height: int, width: int) -> torch.Tensor:
    """(n, n, H, W): image i is 1 in channel i, so that a pixel says whose it is."""
    return torch.eye(n)[:, :, None, None].expand(n, n, height, width)


@pytest.mark.parametrize("direction", ["vertical", "horizontal"])
@pytest.mark.parametrize("how", ["area", "nearest"])
@pytest.mark.parametrize("grid", [(9, 14), (3, 7), (4, 5)])
def test_shares_equal_those_counted_in_the_pixels(direction: str, how: str, grid: tuple[int, int]) -> None:
    images = one_hot_images(4, 9, 14)
    mixer = Stripmix(strips=3, direction=direction, pairing=ReversePairing(), ratio=FixedLaw(value=0.4))
    plan = mixer.draw(Batch(images, torch.arange(4), 4), torch.Generator().manual_seed(1))
    mixed = mixer.apply(images, plan)
    own, partner = (mixed.images[torch.arange(4), mixed.sources[:, s]][:, None] for s in (0, 1))
    fine = torch.cat((own, partner), dim=1)
    if how == "area":  # exact means, also where cells do not divide the picture: count on a common multiple
        fine = fine.repeat_interleave(grid[0], 2).repeat_interleave(grid[1], 3)
    counted = torch.nn.functional.interpolate(fine, grid, mode=how)
    assert torch.allclose(mixed.shares(*grid, how), counted, atol=1e-5)


@pytest.mark.parametrize("strips", [1, 2, 5, 64])
def test_lam_is_the_share_of_own_pixels(strips: int) -> None:
    images = one_hot_images(6, 11, 17)
    mixer = Stripmix(strips=strips, pairing=ReversePairing())
    plan = mixer.draw(Batch(images, torch.arange(6), 6), torch.Generator().manual_seed(2))
    own = mixer.apply(images, plan).images[torch.arange(6), torch.arange(6)].mean(dim=(1, 2))
    assert torch.allclose(own, plan.weights[:, 0], atol=1e-6)


def test_lam_is_kept_up_to_rounding() -> None:
    lam = torch.linspace(0, 1, 21)
    edges = strip_edges(lam, torch.rand(21, generator=torch.Generator().manual_seed(0)), strips=4, side=224)
    pasted = (edges[..., 1] - edges[..., 0]).sum(dim=1) / 224
    assert torch.all((pasted - (1 - lam)).abs() <= 4 / 224)


@pytest.mark.parametrize(("lam", "pasted"), [(0.0, 12), (1.0, 0)])
def test_strips_are_everything_or_nothing_at_the_ends_of_lam(lam: float, pasted: int) -> None:
    edges = strip_edges(torch.tensor([lam]), torch.tensor([0.7]), strips=5, side=12)
    assert int(strip_cover(edges, side=12, cells=12).sum()) == pasted


@pytest.mark.parametrize(("vertical", "expected"), [(True, [[0, 9], [0, 9]]), (False, [[0, 0], [9, 9]])])
def test_plan_made_by_hand(vertical: bool, expected: list[list[float]]) -> None:
    images = torch.tensor([0.0, 9.0])[:, None, None, None].expand(2, 1, 2, 2)
    edges = torch.tensor([[[1, 2]], [[0, 0]]])
    plan = StripPlan.from_edges(torch.tensor([1, 0]), edges, (2, 2), vertical)
    assert Stripmix().apply(images, plan).images[0, 0].tolist() == expected
    assert plan.lam.tolist() == [0.5, 1.0]


def test_rows_that_stay_as_they_are_have_no_strips() -> None:
    mixer = Stripmix(prob=0.5)
    images = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    plan = mixer.draw(Batch(images, torch.arange(64), 64), torch.Generator().manual_seed(4))
    mixed = mixer.apply(images, plan)
    kept = plan.weights[:, 0] == 1.0
    assert 0 < int(kept.sum()) < 64
    assert torch.equal(mixed.images[kept], images[kept])
    assert torch.all(mixed.shares(4, 4)[kept, 0] == 1.0)
