from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from automix.errors import PolicyError
from automix.mixing import BetaLaw, MaskPlan, ReversePairing
from automix_smoothmix.functional import bump_profile
from automix_smoothmix.mixer import SmoothMix


def bump_slowly(size: tuple[int, int], cy: float, cx: float, sy: float, sx: float) -> torch.Tensor:
    out = torch.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            out[y, x] = math.exp(-((y - cy) ** 2) / (2 * sy**2) - (x - cx) ** 2 / (2 * sx**2))
    return out


def plan_by_hand(size: tuple[int, int], cy: float, cx: float, sy: float, sx: float) -> MaskPlan:
    rows = bump_profile(torch.tensor([cy]), torch.tensor([sy]), size[0])
    columns = bump_profile(torch.tensor([cx]), torch.tensor([sx]), size[1])
    return MaskPlan.from_profiles(torch.tensor([1, 0]), rows, columns, torch.device("cpu"))


def test_the_partner_shines_through_in_a_gaussian_given_by_hand(make_batch: Any) -> None:
    batch = make_batch(2, size=(7, 11))
    mixed = SmoothMix().apply(batch.images, plan_by_hand((7, 11), 2.5, 9.0, 1.5, 3.0))
    bump = bump_slowly((7, 11), 2.5, 9.0, 1.5, 3.0)
    expected = (1 - bump) * batch.images + bump * batch.images.flip(0)
    torch.testing.assert_close(mixed.images, expected)


def test_the_own_label_weighs_what_is_left_of_the_own_image(make_batch: Any) -> None:
    """Pitfall: OpenMixup blends (1 - G) x + G x' and gives the own label mean(G), which is swapped."""
    batch = make_batch(2, size=(20, 20), num_classes=2)
    bump = bump_slowly((20, 20), 3.0, 4.0, 5.0, 5.0)
    mixed = SmoothMix().apply(batch.images, plan_by_hand((20, 20), 3.0, 4.0, 5.0, 5.0))
    own = float(1 - bump.mean())
    assert own > 0.6  # so that the swap would show
    torch.testing.assert_close(mixed.targets(batch.labels, 2), torch.tensor([[own, 1 - own], [1 - own, own]]))


def test_drawn_labels_follow_drawn_pixels(make_batch: Any) -> None:
    batch = make_batch(30, 1, (16, 16))
    batch.images[:] = torch.arange(30.0)[:, None, None, None]
    mixer = SmoothMix(pairing=ReversePairing())
    plan = mixer.draw(batch, torch.Generator().manual_seed(0))
    seen = mixer.apply(batch.images, plan).images.mean(dim=(1, 2, 3))
    own = torch.arange(30.0)
    torch.testing.assert_close(seen, plan.lam * own + (1 - plan.lam) * own.flip(0), atol=1e-4, rtol=0)


def test_widths_and_places_are_uniform(make_batch: Any) -> None:
    plan = SmoothMix().draw(make_batch(2000, 1, (40, 40)), torch.Generator().manual_seed(0))
    bump = 1 - plan.mask[:, 0]
    peak = bump.flatten(1).argmax(dim=1)
    y, x = peak // 40, peak % 40
    for place in (y, x):
        counts = torch.bincount(place, minlength=40)
        assert counts.min() > 20
        assert counts.max() < 90
    # From a pixel to its neighbour a Gaussian falls by exp(-(2 d + 1) / (2 sigma^2)), d its distance from the centre.
    rows = bump[torch.arange(2000), :, x].double().clamp(min=1e-12).log()
    curvature = (rows[:, 20] - 2 * rows[:, 21] + rows[:, 22]).neg()  # 1 / sigma^2
    sigma = curvature.rsqrt() / 40
    assert 0.249 < float(sigma.min()) < 0.26
    assert 0.49 < float(sigma.max()) < 0.501
    assert abs(float(sigma.mean()) - 0.375) < 0.01


def test_the_spot_has_the_shape_of_the_picture(make_batch: Any) -> None:
    mixer = SmoothMix(min_sigma=0.3, max_sigma=0.3)
    plan = mixer.draw(make_batch(400, 1, (20, 60)), torch.Generator().manual_seed(0))
    tall = (1 - plan.mask).mean(dim=(1, 2, 3))
    plan = mixer.draw(make_batch(400, 1, (30, 30)), torch.Generator().manual_seed(0))
    square = (1 - plan.mask).mean(dim=(1, 2, 3))
    torch.testing.assert_close(tall, square, atol=0.02, rtol=0)


def test_there_is_no_ratio_to_draw(make_batch: Any) -> None:
    assert "ratio" not in SmoothMix.reads
    with pytest.raises(PolicyError, match="has no ratio"):
        SmoothMix(ratio=BetaLaw())
