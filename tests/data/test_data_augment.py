from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from automix.data import Augmentation, AugmentPlan
from automix.data.augment import _by_gather, _by_row


def images_of(n=7, channels=3, height=9, width=12, dtype=torch.float32):
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(0)).mul(200).to(dtype)


def with_torchvision(images, plan, padding):
    out = []
    for image, flip, dy, dx in zip(images, plan.flip, plan.dy.tolist(), plan.dx.tolist(), strict=True):
        image = tv.horizontal_flip(image) if flip else image
        height, width = image.shape[1:]
        out.append(tv.crop(tv.pad(image, [padding]), padding + dy, padding + dx, height, width))
    return torch.stack(out)


@pytest.mark.parametrize("move", [_by_gather, _by_row])
@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_both_kernels_agree_with_torchvision_flip_pad_and_crop(move, flip, padding, dtype):
    images = images_of(dtype=dtype)
    plan = Augmentation(flip=flip, crop_padding=padding).draw(len(images), torch.Generator().manual_seed(3))
    expected = with_torchvision(images, plan, padding)
    assert torch.equal(move(images, plan), expected)


@pytest.mark.parametrize("move", [_by_gather, _by_row])
def test_shift_larger_than_the_image_leaves_nothing(move):
    plan = AugmentPlan(flip=torch.tensor([False]), dy=torch.tensor([9]), dx=torch.tensor([-12]))
    assert not move(images_of(n=1), plan).any()


@pytest.mark.parametrize("side", [16, 96])
def test_apply_is_the_same_for_small_and_large_images_and_leaves_its_input(side):
    images = images_of(n=3, height=side, width=side)
    before = images.clone()
    augmentation = Augmentation(flip=True, crop_padding=3)
    plan = augmentation.draw(3, torch.Generator().manual_seed(1))
    assert torch.equal(augmentation.apply(images, plan), with_torchvision(images, plan, 3))
    assert torch.equal(images, before)


def test_replay_on_a_map_follows_the_image():
    augmentation = Augmentation(flip=True, crop_padding=2)
    images = images_of(channels=1)
    plan = augmentation.draw(len(images), torch.Generator().manual_seed(1))
    maps = augmentation.apply(torch.cat([images, images * 2], dim=1), plan)
    moved = augmentation.apply(images, plan)
    assert torch.equal(maps, torch.cat([moved, moved * 2], dim=1))


def test_draws_cover_all_shifts_and_both_sides():
    plan = Augmentation(flip=True, crop_padding=2).draw(2000, torch.Generator().manual_seed(0))
    for shift in (plan.dy, plan.dx):
        share = torch.bincount(shift + 2) / 2000
        torch.testing.assert_close(share, torch.full((5,), 0.2), atol=0.04, rtol=0)
    assert plan.flip.float().mean() == pytest.approx(0.5, abs=0.05)


def test_shifts_do_not_depend_on_whether_flips_are_on():
    plans = [
        Augmentation(flip=flip, crop_padding=4).draw(50, torch.Generator().manual_seed(0)) for flip in (True, False)
    ]
    assert torch.equal(plans[0].dy, plans[1].dy)
    assert not plans[1].flip.any()


@pytest.mark.parametrize(
    ("size", "channels", "expected"),
    [
        ((8, 8), 1, Augmentation(flip=False, crop_padding=1)),
        ((16, 16), 3, Augmentation(flip=False, crop_padding=1)),
        ((28, 28), 1, Augmentation(flip=False, crop_padding=4)),
        ((32, 32), 3, Augmentation(flip=True, crop_padding=4)),
        ((64, 48), 3, Augmentation(flip=True, crop_padding=6)),
        ((224, 224), 3, Augmentation(flip=True, crop_padding=28)),
    ],
)
def test_default_follows_size_and_colour(size, channels, expected):
    assert Augmentation.for_data(SimpleNamespace(image_size=size, channels=channels)) == expected


def test_description_names_what_is_done():
    assert Augmentation(flip=False, crop_padding=0).describe() == "none"
    assert Augmentation(flip=True, crop_padding=4).describe() == (
        "random horizontal flip, random crop after zero padding of 4 px"
    )


@pytest.mark.gpu
def test_gpu_moves_as_the_cpu_does():
    images = images_of(height=96, width=96)
    augmentation = Augmentation(flip=True, crop_padding=5)
    plan = augmentation.draw(len(images), torch.Generator().manual_seed(1))
    assert torch.equal(augmentation.apply(images.cuda(), plan).cpu(), augmentation.apply(images, plan))
