from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from automix.errors import UnknownNameError
from automix.mixing import Batch, Card, FixedLaw, Guide, ReversePairing
from automix_saliencymix.functional import fine_grained_saliency, peak_pixels
from automix_saliencymix.guide import Saliency
from automix_saliencymix.mixer import SaliencyMix


def saliency_slowly(image: Tensor) -> Tensor:
    """Centre against surround, window by window (StaticSaliencyFineGrained of OpenCV, without its rounding)."""
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    grey = ((image * weights).sum(dim=0) if len(image) == 3 else image.mean(dim=0)).double()
    height, width = grey.shape

    def at(picture: Tensor, y: int, x: int) -> float:
        y, x = abs(y), abs(x)
        y, x = (2 * (height - 1) - y if y >= height else y), (2 * (width - 1) - x if x >= width else x)
        return float(picture[y, x])

    for _ in range(2):
        blurred = torch.zeros_like(grey)
        for y in range(height):
            for x in range(width):
                for dy, wy in ((-1, 1), (0, 2), (1, 1)):
                    for dx, wx in ((-1, 1), (0, 2), (1, 1)):
                        blurred[y, x] += wy * wx / 16 * at(grey, y + dy, x + dx)
        grey = blurred
    out = torch.zeros_like(grey)
    for reach in (12, 24, 28, 48, 56, 112):
        for y in range(height):
            for x in range(width):
                window = grey[max(y - reach + 1, 0) : y + reach + 1, max(x - reach + 1, 0) : x + reach + 1]
                out[y, x] += (grey[y, x] - (window.sum() - grey[y, x]) / (window.numel() - 1)).abs()
    return out.float()


@pytest.mark.parametrize("shape", [(3, 20, 33), (1, 9, 8), (2, 30, 3), (3, 2, 2)])
def test_saliency_is_centre_against_surround(shape: tuple[int, int, int]) -> None:
    images = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    ours = fine_grained_saliency(images)
    assert ours.shape == (2, 1, *shape[1:])
    for image, found in zip(images, ours, strict=True):
        torch.testing.assert_close(found[0], saliency_slowly(image), atol=2e-5, rtol=1e-4)


def test_saliency_of_a_picture_without_contrast_is_zero() -> None:
    flat = torch.full((2, 3, 16, 12), 7.5)
    assert float(fine_grained_saliency(flat).abs().max()) < 1e-4
    assert torch.isfinite(fine_grained_saliency(torch.ones(1, 1, 1, 1))).all()


def test_brightness_and_contrast_of_the_whole_picture_do_not_move_the_maximum() -> None:
    images = torch.randn(8, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    expected = peak_pixels(fine_grained_saliency(images), (24, 24))
    assert torch.equal(peak_pixels(fine_grained_saliency(images * 40 + 90), (24, 24)), expected)


def test_the_maximum_lies_on_the_object_in_front_of_a_plain_background() -> None:
    for size in ((32, 32), (64, 40)):
        for y, x in ((5, 8), (20, 30), (31, 3)):
            image = torch.zeros(1, 3, *size)
            image[:, :, y - 2 : y + 3, x - 2 : x + 3] = -1.5  # darker counts as brighter does
            found = peak_pixels(Saliency().maps(image, torch.tensor([0])), size)[0]
            assert (found - torch.tensor([y, x])).abs().max() <= 2


def spots(places: list[tuple[int, int]], size: tuple[int, int]) -> Tensor:
    images = torch.zeros(len(places), 3, *size)
    for row, (y, x) in enumerate(places):
        images[row, :, y, x] = 1.0
    return images


PLACES = [(4, 15), (18, 6), (10, 28), (2, 2)]


def test_the_box_lies_on_the_maximum_of_the_partner_at_its_place() -> None:
    batch = Batch(spots(PLACES, (24, 32)), torch.arange(4), 4)
    mixer = SaliencyMix(ratio=FixedLaw(value=0.75), pairing=ReversePairing())
    plan = mixer.draw(batch, torch.Generator().manual_seed(0))
    expected = []
    for y, x in reversed(PLACES):  # sides 12 and 16, half of the picture's
        expected.append([max(y - 6, 0), max(x - 8, 0), min(y + 6, 24), min(x + 8, 32)])
    assert plan.boxes.tolist() == expected
    areas = [(y1 - y0) * (x1 - x0) for y0, x0, y1, x1 in expected]
    torch.testing.assert_close(plan.lam, 1 - torch.tensor(areas) / (24 * 32))
    mixed = mixer.apply(batch.images, plan).images
    for row, (y, x) in enumerate(reversed(PLACES)):
        assert torch.equal(mixed[row, :, y, x], torch.ones(3))


def test_one_box_per_batch_is_centred_on_the_first_partner_as_officially() -> None:
    batch = Batch(spots(PLACES, (24, 32)), torch.arange(4), 4)
    mixer = SaliencyMix(ratio=FixedLaw(value=0.75), pairing=ReversePairing(), draw_unit="batch")
    plan = mixer.draw(batch, torch.Generator().manual_seed(0))
    assert plan.boxes.tolist() == [[0, 0, 8, 10]] * 4  # around (2, 2)


class _Corner(Guide):
    name = "corner"
    card = Card(title="Lower right", summary="Always the same corner.")

    def maps(self, images: Tensor, labels: Tensor, clean: Any = None) -> Tensor:
        out = torch.zeros(len(images), 1, 2, 2)
        out[:, :, 1, 1] = 1.0
        return out


def test_any_guide_of_any_resolution_can_be_named(make_batch: Any) -> None:
    mixer = SaliencyMix(guide=_Corner(), ratio=FixedLaw(value=0.75))
    plan = mixer.draw(make_batch(3, size=(16, 8)), torch.Generator().manual_seed(0))
    assert plan.boxes.tolist() == [[8, 4, 16, 8]] * 3  # around the middle of the cell, (12, 6)


def test_maps_that_come_with_the_batch_are_used(make_batch: Any) -> None:
    batch = make_batch(3, size=(16, 16))
    mine = torch.zeros(3, 1, 16, 16)
    mine[:, 0, 3, 4] = 1.0
    mixer = SaliencyMix(ratio=FixedLaw(value=0.9375))
    plan = mixer.draw(replace(batch, guides={"saliency": mine}), torch.Generator().manual_seed(0))
    assert plan.boxes.tolist() == [[1, 2, 5, 6]] * 3
    others = replace(batch, guides={"another": mine})
    assert mixer.draw(others, torch.Generator().manual_seed(0)).boxes.tolist() != plan.boxes.tolist()


@pytest.mark.parametrize(("lam", "area"), [(1.0, 0), (0.0, 16 * 16)])
def test_lam_at_its_ends(lam: float, area: int) -> None:
    batch = Batch(spots([(8, 8), (8, 8)], (16, 16)), torch.arange(2), 2)
    plan = SaliencyMix(ratio=FixedLaw(value=lam)).draw(batch, torch.Generator().manual_seed(0))
    sides = plan.boxes[:, 2:] - plan.boxes[:, :2]
    assert sides.prod(dim=1).tolist() == [area, area]


def test_peaks_take_the_first_of_several_maxima() -> None:
    assert peak_pixels(torch.ones(2, 1, 4, 4), (8, 8)).tolist() == [[1, 1], [1, 1]]


def test_maps_carry_no_gradient() -> None:
    images = torch.randn(1, 3, 8, 8, requires_grad=True)
    assert not Saliency().maps(images, torch.tensor([0])).requires_grad


def test_an_unknown_guide_is_named(registry: Any) -> None:
    with pytest.raises(UnknownNameError, match="saliency"):
        registry.create("guide", "salience")
