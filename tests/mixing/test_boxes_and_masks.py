"""Boxes and masks: geometry, lam from what is left in the picture, rows that are left alone."""

from __future__ import annotations

import math

import pytest
import torch

from automix.errors import PolicyError
from automix.mixing import BoxMixer, BoxPlan, Card, MaskMixer, MaskPlan, PairMixer, Streams, boxes_around, random_boxes


class Boxes(BoxMixer):
    name = "boxes"
    card = Card(title="Boxes", summary="A plain box.")

    def decide(self, batch, perm, lam, generator):
        return BoxPlan.from_boxes(perm, random_boxes(lam, len(batch), batch.size, generator), batch.size)


class Masks(MaskMixer):
    name = "masks"
    card = Card(title="Masks", summary="A plain mask.")

    def decide(self, batch, perm, lam, generator):
        return MaskPlan.from_mask(perm, lam[:, None, None, None].expand(-1, 1, *batch.size))


def rand_bbox(height: int, width: int, lam: float, cy: int, cx: int) -> list[int]:
    """The official function (clovaai/CutMix-PyTorch), with the axes named."""
    cut = math.sqrt(1.0 - lam)
    h, w = int(height * cut), int(width * cut)
    clip = lambda value, top: min(max(value, 0), top)  # noqa: E731
    return [clip(cy - h // 2, height), clip(cx - w // 2, width), clip(cy + h // 2, height), clip(cx + w // 2, width)]


@pytest.mark.parametrize("size", [(32, 32), (17, 40), (1, 5)])
def test_boxes_are_those_of_the_official_function(size) -> None:
    generator = torch.Generator().manual_seed(0)
    lam = torch.cat((torch.rand(200, generator=generator), torch.tensor([0.0, 1.0, 0.75])))
    centre = torch.stack([torch.randint(s, (203,), generator=generator) for s in size], dim=1)
    expected = [rand_bbox(*size, ratio, *place) for ratio, place in zip(lam.tolist(), centre.tolist(), strict=True)]
    assert boxes_around(centre, lam, size).tolist() == expected


def test_lam_is_recomputed_when_a_box_is_clipped() -> None:
    # Half the side of a 4 x 4 picture, centred on the corner: one pixel of it is left.
    boxes = boxes_around(torch.tensor([[0, 0]]), torch.tensor([0.75]), (4, 4))
    assert boxes.tolist() == [[0, 0, 1, 1]]
    assert BoxPlan.from_boxes(torch.tensor([0]), boxes, (4, 4)).lam.tolist() == [15 / 16]


def test_centres_are_uniform_over_the_picture() -> None:
    boxes = random_boxes(torch.full((20_000,), 1 - (2 / 8) ** 2), 20_000, (8, 8), Streams(0).generator(0))
    centres = boxes[:, 2:] - 1  # a box of side 2 ends one pixel after its centre, clipped at no side
    counts = torch.stack([torch.bincount(axis, minlength=8) for axis in centres.T]).double() / 20_000
    assert float((counts - 1 / 8).abs().max()) < 0.012


def test_one_ratio_gives_one_box_for_all_rows() -> None:
    boxes = random_boxes(torch.tensor([0.5]), 6, (16, 16), Streams(0).generator(0))
    assert boxes.shape == (6, 4)
    assert len(torch.unique(boxes, dim=0)) == 1


@pytest.mark.parametrize(("size", "grid"), [((32, 32), (4, 4)), ((32, 48), (4, 8)), ((30, 30), (4, 4))])
def test_boxes_on_a_grid_end_at_cell_borders(size, grid) -> None:
    boxes = random_boxes(torch.rand(200), 200, size, Streams(0).generator(0), grid=grid)
    for axis in (0, 1):
        borders = {cell * size[axis] // grid[axis] for cell in range(grid[axis] + 1)}
        assert set(boxes[:, axis].tolist()) | set(boxes[:, axis + 2].tolist()) <= borders


def test_boxes_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(PolicyError, match=r"boxes \(B, 4\) for B = 2 but got \(3, 4\)"):
        BoxPlan.from_boxes(torch.tensor([1, 0]), torch.zeros(3, 4, dtype=torch.long), (4, 4))


@pytest.mark.parametrize("shape", [(3, 1, 4, 4), (1, 1, 4, 4)])
def test_lam_of_a_mask_is_its_mean(shape) -> None:
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    plan = MaskPlan.from_mask(torch.tensor([2, 1, 0]), mask)
    torch.testing.assert_close(plan.lam, mask.mean(dim=(1, 2, 3)).expand(3))


def test_hand_worked_paste() -> None:
    images = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]], [[[5.0, 6.0], [7.0, 8.0]]]])
    plan = BoxPlan.from_boxes(torch.tensor([1, 0]), torch.tensor([[0, 1, 2, 2], [0, 0, 1, 2]]), (2, 2))
    mixed = Boxes().apply(images, plan)
    assert mixed.images.tolist() == [[[[1.0, 6.0], [3.0, 8.0]]], [[[1.0, 2.0], [7.0, 8.0]]]]
    assert mixed.weights.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert mixed.shares(1, 2)[0].tolist() == [[[1.0, 0.0]], [[0.0, 1.0]]]


def test_hand_worked_mask() -> None:
    images = torch.tensor([[[[0.0, 4.0]]], [[[8.0, 8.0]]]])
    mask = torch.tensor([[[[1.0, 0.25]]]])
    mixed = Masks().apply(images, MaskPlan.from_mask(torch.tensor([1, 0]), mask))
    assert mixed.images.tolist() == [[[[0.0, 7.0]]], [[[8.0, 5.0]]]]
    assert mixed.weights.tolist() == [[0.625, 0.375], [0.625, 0.375]]


@pytest.mark.parametrize("mixer", [Boxes(), Masks()])
def test_rows_kept_out_lose_box_or_mask(mixer: PairMixer) -> None:
    from automix.mixing import Batch

    batch = Batch(torch.randn(4, 3, 8, 8), torch.arange(4), 4)
    perm, lam = torch.tensor([1, 2, 3, 0]), torch.full((4,), 0.5)
    plan = mixer.decide(batch, perm, lam, Streams(0).generator(0))
    rows = torch.tensor([True, False, True, False])
    kept = mixer.keep_own(plan, rows)
    mixed = mixer.apply(batch.images, kept)
    assert kept.perm.tolist() == [0, 2, 2, 0]
    assert torch.equal(mixed.images[rows], batch.images[rows])
    assert torch.equal(mixed.weights[rows], torch.tensor([[1.0, 0.0]] * 2))
    assert torch.equal(mixed.shares(4, 4)[rows, 0], torch.ones(2, 4, 4))
    assert torch.equal(mixed.images[~rows], mixer.apply(batch.images, plan).images[~rows])
