"""Kernels agree with a loop over rows, for small and big pictures, and leave untouched pixels bit for bit."""

from __future__ import annotations

import pytest
import torch

from automix.mixing import kernels

# Small rows take the vectorised way, big ones the loop over rows.
SIZES = [(5, 3, 8, 6), (3, 1, 32, 32), (4, 3, 112, 112), (2, 3, 224, 224), (1, 3, 224, 224)]
FLOATS = [torch.float32, torch.bfloat16, torch.float16, torch.float64]


def images_of(shape, dtype=torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    if dtype == torch.uint8:
        return torch.randint(0, 256, shape, generator=generator, dtype=dtype)
    return torch.randn(shape, generator=generator).to(dtype)


def pairs_of(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Partners of which the first row is its own, one is used twice where there is room; and ratios with both ends."""
    generator = torch.Generator().manual_seed(1)
    perm = torch.randint(n, (n,), generator=generator)
    perm[0] = 0
    lam = torch.rand(n, generator=generator)
    if n > 2:
        lam[1], lam[2] = 0.0, 1.0
    return perm, lam


def boxes_of(n: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    ys = torch.randint(0, height + 1, (n, 2), generator=generator).sort(dim=1).values
    xs = torch.randint(0, width + 1, (n, 2), generator=generator).sort(dim=1).values
    boxes = torch.stack((ys[:, 0], xs[:, 0], ys[:, 1], xs[:, 1]), dim=1)
    if n > 2:
        boxes[1], boxes[2] = torch.tensor([0, 0, height, width]), torch.tensor([1, 1, 1, 1])
    return boxes


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_blend_agrees_with_a_loop(shape, dtype) -> None:
    images, (perm, lam) = images_of(shape, dtype), pairs_of(shape[0])
    got = kernels.blend(images, perm, lam, torch.empty_like(images))
    for i, (j, ratio) in enumerate(zip(perm.tolist(), lam.tolist(), strict=True)):
        expected = ratio * images[i].double() + (1.0 - ratio) * images[j].double()
        unit = torch.finfo(dtype).eps * 8
        torch.testing.assert_close(got[i].double(), expected, atol=max(unit, 1e-6), rtol=max(unit, 1e-6))
    assert torch.equal(got[0], images[0])


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("dtype", [*FLOATS, torch.uint8])
def test_paste_moves_pixels_bit_for_bit(shape, dtype) -> None:
    images, (perm, _) = images_of(shape, dtype), pairs_of(shape[0])
    boxes = boxes_of(shape[0], *shape[2:])
    got = kernels.paste_boxes(images, perm, boxes, torch.empty_like(images))
    expected = images.clone()
    for i, (j, (y0, x0, y1, x1)) in enumerate(zip(perm.tolist(), boxes.tolist(), strict=True)):
        expected[i, :, y0:y1, x0:x1] = images[j, :, y0:y1, x0:x1]
    assert torch.equal(got, expected)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("is_shared", [False, True])
def test_blend_mask_agrees_with_a_loop(shape, dtype, is_shared) -> None:
    images, (perm, _) = images_of(shape, dtype), pairs_of(shape[0])
    mask = torch.rand(1 if is_shared else shape[0], 1, *shape[2:], generator=torch.Generator().manual_seed(3))
    got = kernels.blend_mask(images, perm, mask, torch.empty_like(images))
    exact = mask.to(dtype).double().expand(shape[0], -1, -1, -1)
    unit = max(torch.finfo(dtype).eps * 8, 1e-6)
    for i, j in enumerate(perm.tolist()):
        expected = exact[i] * images[i].double() + (1.0 - exact[i]) * images[j].double()
        torch.testing.assert_close(got[i].double(), expected, atol=unit, rtol=unit)
    assert torch.equal(got[0], images[0])


@pytest.mark.parametrize("shape", SIZES)
def test_combine_takes_any_two_coefficients(shape) -> None:
    images, (perm, lam) = images_of(shape), pairs_of(shape[0])
    own, partner = 1.5 * lam, 0.3 + lam
    got = kernels.combine(images, perm, own, partner, torch.empty_like(images))
    expected = own[:, None, None, None] * images + partner[:, None, None, None] * images[perm]
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("shape", [(4, 3, 8, 8), (4, 3, 128, 128)])
def test_results_do_not_share_memory_with_the_images_and_images_stay(shape) -> None:
    images, (perm, lam) = images_of(shape), pairs_of(shape[0])
    before = images.clone()
    boxes = boxes_of(shape[0], *shape[2:])
    mask = torch.rand(shape[0], 1, *shape[2:])
    for result in (
        kernels.blend(images, perm, lam, torch.empty_like(images)),
        kernels.paste_boxes(images, perm, boxes, torch.empty_like(images)),
        kernels.blend_mask(images, perm, mask, torch.empty_like(images)),
        kernels.combine(images, perm, lam, lam, torch.empty_like(images)),
    ):
        result.zero_()
    assert torch.equal(images, before)


@pytest.mark.parametrize("shape", [(4, 3, 8, 8), (4, 3, 128, 128)])
def test_channels_last_and_sliced_images_give_the_same_values(shape) -> None:
    images, (perm, lam) = images_of(shape), pairs_of(shape[0])
    boxes = boxes_of(shape[0], *shape[2:])
    wide = torch.cat((images, images), dim=3)[..., : shape[3]]
    for other in (images.contiguous(memory_format=torch.channels_last), wide):
        for kernel, how in ((kernels.blend, lam), (kernels.paste_boxes, boxes)):
            expected = kernel(images, perm, how, torch.empty(shape))
            torch.testing.assert_close(kernel(other, perm, how, torch.empty(shape)), expected, atol=1e-6, rtol=0)


def test_small_and_big_ways_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    images, (perm, lam) = images_of((6, 3, 16, 16)), pairs_of(6)
    boxes, mask = boxes_of(6, 16, 16), torch.rand(6, 1, 16, 16)
    calls = [(kernels.blend, lam), (kernels.paste_boxes, boxes), (kernels.blend_mask, mask)]
    small = [kernel(images, perm, how, torch.empty_like(images)).clone() for kernel, how in calls]
    monkeypatch.setattr(kernels, "_BIG_ROW", 1)
    for (kernel, how), expected in zip(calls, small, strict=True):
        torch.testing.assert_close(kernel(images, perm, how, torch.empty_like(images)), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_kernels_on_cuda_agree_and_do_not_synchronise() -> None:
    images, (perm, lam) = images_of((8, 3, 64, 64)), pairs_of(8)
    boxes, mask = boxes_of(8, 64, 64), torch.rand(8, 1, 64, 64)
    for kernel, how in ((kernels.blend, lam), (kernels.paste_boxes, boxes), (kernels.blend_mask, mask)):
        expected = kernel(images, perm, how, torch.empty_like(images))
        there = [part.cuda() for part in (images, perm, how)]
        out = torch.empty_like(there[0])
        torch.cuda.set_sync_debug_mode("error")
        try:
            got = kernel(*there, out)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        torch.testing.assert_close(got.cpu(), expected, atol=1e-5, rtol=1e-5)
