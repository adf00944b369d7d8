from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from automix.mixing import BetaLaw, FixedLaw, MaskPlan, ReversePairing
from automix_fmix.functional import effective_softness, hard_mask, low_pass, soft_mask
from automix_fmix.mixer import FMix


def official_mask(grey: np.ndarray, lam: float, up: bool, max_soft: float) -> np.ndarray:
    """binarise_mask of the official code, with the coin handed in."""
    order = grey.reshape(-1).argsort()[::-1]
    mask = np.zeros(grey.size)
    num = math.ceil(lam * mask.size) if up else math.floor(lam * mask.size)
    eff_soft = min(lam, 1 - lam) if max_soft > lam or max_soft > (1 - lam) else max_soft
    soft = int(mask.size * eff_soft)
    mask[order[: num + soft]] = 1
    mask[order[num - soft :]] = 0
    mask[order[num - soft : num + soft]] = np.linspace(1, 0, 2 * soft)
    return mask.reshape(grey.shape)


@pytest.mark.parametrize("max_soft", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("lam", [0.0, 0.031, 0.3, 0.5, 0.97, 1.0])
def test_masks_are_cut_as_in_the_official_code(lam: float, max_soft: float) -> None:
    grey = np.random.default_rng(1).normal(size=(9, 7))
    ours, weight = torch.from_numpy(grey)[None], torch.tensor([lam], dtype=torch.float64)
    for up in (False, True):
        count = torch.tensor([math.ceil(lam * 63) if up else math.floor(lam * 63)])
        soft = effective_softness(weight, max_soft, 63)
        expected = torch.from_numpy(official_mask(grey, lam, up, max_soft)).float()
        torch.testing.assert_close(soft_mask(ours, count, soft)[0, 0], expected)
        if max_soft == 0.0:
            assert torch.equal(hard_mask(ours, count)[0, 0], expected)


@pytest.mark.parametrize("size", [(8, 8), (7, 10), (6, 5)])
def test_noise_is_divided_by_frequency_on_both_axes(size: tuple[int, int]) -> None:
    """Against a sum over all frequencies, written out; the official indexing of some versions is not this."""
    height, width = size
    noise = torch.randn(1, 2, height, width // 2 + 1, generator=torch.Generator().manual_seed(0))
    ours = low_pass(noise, size, 3.0)[0].numpy()
    half = noise[0, 0].double().numpy() + 1j * noise[0, 1].double().numpy()
    full = np.zeros((height, width), dtype=complex)
    for v in range(height):
        for u in range(width // 2 + 1):
            fy, fx = (v if v <= height // 2 else v - height) / height, u / width
            full[v, u] = half[v, u] / max(math.hypot(fy, fx), 1 / max(size)) ** 3.0
    expected = np.zeros(size)
    for y in range(height):
        for x in range(width):
            row = np.exp(2j * np.pi * y * np.arange(height) / height) @ full
            for u in range(width // 2 + 1):
                # Each frequency but the first and the middle one stands for its mirror image as well.
                twice = 1 if u == 0 or 2 * u == width else 2
                expected[y, x] += twice * (row[u] * np.exp(2j * np.pi * u * x / width)).real
    np.testing.assert_allclose(ours, expected / (height * width), atol=1e-9)


def test_larger_decay_gives_smoother_masks(make_batch: Any) -> None:
    edges = []
    for decay in (1.0, 3.0, 6.0):
        mixer = FMix(decay=decay, ratio=FixedLaw(value=0.5))
        mask = mixer.draw(make_batch(16, 1, (32, 32)), torch.Generator().manual_seed(0)).mask
        edges.append(float((mask[..., 1:] != mask[..., :-1]).float().mean()))
    assert edges[0] > 2 * edges[1] > 2 * edges[2]


def test_a_mask_given_by_hand_is_carried_out(make_batch: Any) -> None:
    batch = make_batch(2, num_classes=2)
    mask = torch.zeros(2, 1, 12, 10)
    mask[0, 0, :3] = 1.0
    mask[1, 0, :, :5] = 0.25
    mixed = FMix().apply(batch.images, MaskPlan.from_mask(torch.tensor([1, 0]), mask))
    x = batch.images
    torch.testing.assert_close(mixed.images[0], torch.cat((x[0, :, :3], x[1, :, 3:]), dim=1))
    torch.testing.assert_close(mixed.images[1], mask[1] * x[1] + (1 - mask[1]) * x[0])
    torch.testing.assert_close(mixed.targets(batch.labels, 2), torch.tensor([[0.25, 0.75], [0.875, 0.125]]))


def test_the_label_is_the_lam_that_was_drawn_and_the_mask_within_a_pixel_of_it(make_batch: Any) -> None:
    """Nominal lam, as the official code; the count is rounded up or down by a coin."""
    mixer = FMix(ratio=FixedLaw(value=0.4))
    batch = make_batch(400, 1, (7, 9))  # 0.4 * 63 = 25.2
    plan = mixer.draw(batch, torch.Generator().manual_seed(0))
    torch.testing.assert_close(plan.lam, torch.full((400,), 0.4))
    counts = plan.mask.sum(dim=(1, 2, 3))
    assert set(counts.tolist()) == {25.0, 26.0}
    assert 150 < int((counts == 26).sum()) < 250


@pytest.mark.parametrize(("lam", "whose"), [(1.0, 0), (0.0, 1)])
def test_lam_at_its_ends_shows_one_image(make_batch: Any, lam: float, whose: int) -> None:
    batch = make_batch(2)
    for params in ({}, {"max_soft": 0.5}):
        mixer = FMix(ratio=FixedLaw(value=lam), pairing=ReversePairing(), **params)
        mixed = mixer.apply(batch.images, mixer.draw(batch, torch.Generator().manual_seed(0)))
        assert torch.equal(mixed.images[0], batch.images[whose])


def test_soft_masks_keep_their_sum_and_fall_evenly(make_batch: Any) -> None:
    mixer = FMix(max_soft=0.2, ratio=FixedLaw(value=0.5))
    mask = mixer.draw(make_batch(3, 1, (20, 20)), torch.Generator().manual_seed(0)).mask
    torch.testing.assert_close(mask.mean(dim=(1, 2, 3)), torch.full((3,), 0.5))
    between = mask[(mask > 0) & (mask < 1)]
    assert len(between) == 3 * (160 - 2)


def test_reformulated_keeps_the_own_label_and_draws_lam_from_beta_a_plus_1_a(make_batch: Any) -> None:
    mixer = FMix(reformulated=True, ratio=BetaLaw(alpha=0.7))
    plan = mixer.draw(make_batch(4000, 1, (16, 16)), torch.Generator().manual_seed(0))
    assert torch.equal(plan.lam, torch.ones(4000))
    kept = plan.mask.mean(dim=(1, 2, 3)).double().numpy()
    # Counts are whole pixels, so the law is compared at the resolution of one.
    distance = stats.ks_1samp(kept, stats.beta(1.7, 0.7).cdf).statistic
    assert distance < 0.03


def test_one_mask_serves_the_whole_batch_in_the_official_way(make_batch: Any) -> None:
    plan = FMix(draw_unit="batch").draw(make_batch(9), torch.Generator().manual_seed(2))
    assert plan.mask.shape == (1, 1, 12, 10)
