from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from automix.errors import PolicyError, SettingError
from automix.mixing import Batch, KeepPlan
from automix_splicemix import functional
from automix_splicemix.grids import Grid, GridSetting, parse_grids
from automix_splicemix.mixer import Splice, SpliceMix, SplicePlan


def draw(mixer: SpliceMix, batch: Batch, seed: int = 0) -> Any:
    return mixer.draw(batch, torch.Generator().manual_seed(seed))


def splice(images: torch.Tensor, rows: int, columns: int, cells: list[list[int]], dropped: list[list[int]]) -> Any:
    """A plan by hand; ``dropped`` lists the numbers of the dropped cells of each picture."""
    gone = torch.tensor([[k in row for k in range(rows * columns)] for row in dropped])
    size = (images.shape[2], images.shape[3])
    made = Splice(Grid(rows, columns), torch.tensor(cells), gone)
    return SplicePlan(n=len(images), splices=(made,), size=size)


def splice_slowly(images: torch.Tensor, rows: int, columns: int, cells: list[int], dropped: list[int]) -> torch.Tensor:
    """One picture as the official code makes it: drop, resize cell by cell, tile row by row, restore the size."""
    height, width = images.shape[2:]
    strips = []
    for r in range(rows):
        strip = []
        for c in range(columns):
            k = r * columns + c
            image = torch.zeros_like(images[0]) if k in dropped else images[cells[k]]
            cell = (height // rows, width // columns)
            strip.append(F.interpolate(image[None], size=cell, mode="bilinear", align_corners=True)[0])
        strips.append(torch.cat(strip, dim=2))
    tiled = torch.cat(strips, dim=1)
    if tiled.shape[1:] != (height, width):
        tiled = F.interpolate(tiled[None], size=(height, width), mode="bilinear", align_corners=True)[0]
    return tiled


CASES = [(1, 2, []), (2, 1, [0]), (2, 2, [1, 2]), (2, 3, [0, 1, 2, 4, 5]), (3, 3, [4])]


@pytest.mark.parametrize("big", [False, True], ids=["batched", "cell by cell"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(12, 12), (13, 17), (31, 20)])
@pytest.mark.parametrize(("rows", "columns", "dropped"), CASES)
def test_mixed_pictures_equal_cells_resized_one_by_one_and_tiled(
    make_batch: Any,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    columns: int,
    dropped: list[int],
    size: tuple[int, int],
    channels: int,
    big: bool,
) -> None:
    monkeypatch.setattr(functional, "_BIG_IMAGE", 1 if big else 1 << 40)
    images = make_batch(5, channels, size).images
    cells = [[(3 * m + 2 * k) % 5 for k in range(rows * columns)] for m in range(2)]
    plan = splice(images, rows, columns, cells, [dropped, []])
    mixed = SpliceMix().apply(images, plan)
    assert torch.equal(mixed.images[:5], images)
    expected = [
        splice_slowly(images, rows, columns, cells[0], dropped),
        splice_slowly(images, rows, columns, cells[1], []),
    ]
    torch.testing.assert_close(mixed.images[5:], torch.stack(expected), atol=1e-6, rtol=1e-6)


def test_labels_of_one_label_an_image_are_shared_by_area_among_cells_that_show_something(make_batch: Any) -> None:
    batch = make_batch(4, num_classes=4)
    plan = splice(batch.images, 2, 2, [[0, 1, 2, 3], [2, 2, 1, 0]], [[0, 3], []])
    mixed = SpliceMix().apply(batch.images, plan)
    targets = mixed.targets(batch.labels, 4)
    assert targets[:4].tolist() == torch.eye(4).tolist()
    assert targets[4].tolist() == [0, 0.5, 0.5, 0]
    assert targets[5].tolist() == [0.25, 0.25, 0.5, 0]


def test_rows_with_fewer_sources_are_padded_with_weight_zero(make_batch: Any) -> None:
    images = make_batch(4).images
    grids = (
        Splice(Grid(1, 2), torch.tensor([[3, 1]]), torch.zeros(1, 2, dtype=torch.bool)),
        Splice(Grid(2, 2), torch.tensor([[0, 1, 2, 3]]), torch.zeros(1, 4, dtype=torch.bool)),
    )
    plan = SplicePlan(n=4, splices=grids, size=(12, 10))
    mixed = SpliceMix().apply(images, plan)
    assert mixed.sources[:5].tolist() == [[0] * 4, [1] * 4, [2] * 4, [3] * 4, [3, 1, 3, 3]]
    assert mixed.weights[4].tolist() == [0.5, 0.5, 0, 0]
    assert mixed.shares(4, 4)[4, 2:].sum() == 0
    assert torch.equal(mixed.shares(4, 4).sum(dim=1), torch.ones(6, 4, 4))


def test_shares_of_dropped_cells_belong_to_nobody(make_batch: Any) -> None:
    images = make_batch(4).images
    mixed = SpliceMix().apply(images, splice(images, 2, 2, [[0, 1, 2, 3]], [[3]]))
    shares = mixed.shares(2, 2)[4]
    assert shares.tolist() == [[[1, 0], [0, 0]], [[0, 1], [0, 0]], [[0, 0], [1, 0]], [[0, 0], [0, 0]]]


@pytest.mark.parametrize("size", [(12, 12), (13, 17)])
def test_pixel_shares_are_what_pictures_of_one_colour_show(make_batch: Any, size: tuple[int, int]) -> None:
    marks = torch.eye(6)[:, :, None, None].expand(6, 6, *size).contiguous()
    plan = splice(marks, 2, 3, [[5, 0, 4, 1, 3, 2]], [[]])
    mixed = SpliceMix().apply(marks, plan)
    shown = mixed.images[6][[5, 0, 4, 1, 3, 2]]
    torch.testing.assert_close(mixed.shares(*size)[6], shown, atol=1e-6, rtol=0)


def test_a_carried_map_keeps_its_mass_and_lands_where_its_image_is_seen(make_batch: Any) -> None:
    images = make_batch(4, 1, (12, 12)).images
    plan = splice(images, 2, 2, [[0, 1, 2, 3]], [[2]])
    maps = torch.zeros(4, 1, 6, 6)
    maps[:, 0, 0, 5] = 1.0  # the top right corner of every image
    carried = SpliceMix().carry(maps, plan)
    assert torch.equal(carried[:4, 0], maps[:, 0])
    assert carried[:4, 1:].sum() == 0
    assert carried[4].sum(dim=(1, 2)).tolist() == pytest.approx([1, 1, 0, 1])
    assert carried[4, 0, 0, 2] == pytest.approx(1)  # 2.5 to 3 of 6 columns
    assert carried[4, 3, 3, 5] == pytest.approx(1)


def test_by_default_a_quarter_is_added_with_the_published_grids_and_drops(make_batch: Any) -> None:
    batch, grids, drops = make_batch(16, size=(36, 36)), Counter[Grid](), Counter[tuple[int, int]]()
    n_draws = 3000
    for seed in range(n_draws):
        plan = draw(SpliceMix(), batch, seed)
        (one,) = plan.splices
        assert one.cells.shape == (4, one.grid.n_cells)
        counts = set(one.dropped.sum(dim=1).tolist())
        assert len(counts) == 1  # one number of dropped cells per batch
        grids[one.grid] += 1
        drops[one.grid.n_cells, counts.pop()] += 1
    share = {grid: count / n_draws for grid, count in grids.items()}
    expected = {Grid(1, 2): 0.15, Grid(2, 1): 0.15, Grid(2, 2): 0.4, Grid(2, 3): 0.15, Grid(3, 2): 0.15}
    assert share == pytest.approx(expected, abs=0.035)
    for cells, most in ((2, 1), (4, 3), (6, 5)):
        total = sum(drops[cells, d] for d in range(most + 1))
        assert drops[cells, 0] / total == pytest.approx(0.7, abs=0.06)
        for d in range(1, most + 1):
            assert drops[cells, d] / total == pytest.approx(0.3 / most, abs=0.05)
    assert sum(drops.values()) == n_draws


def test_no_image_comes_twice_before_every_image_came_once(make_batch: Any) -> None:
    batch = make_batch(8, size=(36, 36))
    for seed in range(50):
        plan = draw(SpliceMix(grids="2*2x2, 3*1x2, 1*2x3-1"), batch, seed)
        order = torch.cat([one.cells.flatten() for one in plan.splices])
        assert len(order) == 20
        for start in range(0, 16, 8):
            assert sorted(order[start : start + 8].tolist()) == list(range(8))


def test_dropped_cells_are_drawn_for_each_picture_and_evenly_over_places(make_batch: Any) -> None:
    batch, places = make_batch(16, size=(24, 24)), torch.zeros(4)
    mixer, differs = SpliceMix(grids="4*2x2-1"), 0
    for seed in range(400):
        dropped = draw(mixer, batch, seed).splices[0].dropped
        assert dropped.sum(dim=1).tolist() == [1, 1, 1, 1]
        places += dropped.float().sum(dim=0)
        differs += len(dropped.unique(dim=0)) > 1
    assert (places / places.sum()).tolist() == pytest.approx([0.25] * 4, abs=0.04)
    assert differs > 350


def test_the_setting_mini_uses_every_image_once_in_grids_of_four(make_batch: Any) -> None:
    plan = draw(SpliceMix(grids="2x2", swap_orientation=False), make_batch(16, size=(24, 24)))
    (one,) = plan.splices
    assert sorted(one.cells.flatten().tolist()) == list(range(16))
    assert not one.dropped.any()


def test_grids_with_cells_that_are_too_small_are_left_out(make_batch: Any) -> None:
    """At 24 px and 12 px a cell only 1x2, 2x1 and 2x2 remain, in the proportion of their weights."""
    batch, seen = make_batch(8, size=(24, 24)), Counter[int]()
    for seed in range(600):
        seen[draw(SpliceMix(grid_3x3=1.0), batch, seed).splices[0].grid.n_cells] += 1
    assert set(seen) == {2, 4}
    assert seen[2] / 600 == pytest.approx(3 / 7, abs=0.07)
    oblong = make_batch(8, size=(12, 24))
    for seed in range(20):  # 1x2 fits, 2x1 does not
        assert draw(SpliceMix(), oblong, seed).splices[0].grid == Grid(1, 2)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("grids", ["", "2x2", "9*2x3"])
def test_less_than_four_images_are_left_alone(make_batch: Any, n: int, grids: str) -> None:
    assert isinstance(draw(SpliceMix(grids=grids), make_batch(n, size=(36, 36))), KeepPlan)


def test_nothing_is_mixed_at_probability_zero(make_batch: Any) -> None:
    batch = make_batch(8, size=(24, 24))
    assert all(isinstance(draw(SpliceMix(prob=0.0), batch, seed), KeepPlan) for seed in range(20))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("2x2", (GridSetting(Grid(2, 2)),)),
        (
            "3*1x2, 2*2x2-1,1*2x3-3",
            (GridSetting(Grid(1, 2), 0, 3), GridSetting(Grid(2, 2), 1, 2), GridSetting(Grid(2, 3), 3, 1)),
        ),
    ],
)
def test_grids_are_read_as_written(text: str, expected: tuple[GridSetting, ...]) -> None:
    assert parse_grids(text) == expected


@pytest.mark.parametrize(
    ("grids", "says"),
    [("1x1", "at least 2 cells"), ("2x2-4", "fewer dropped cells"), ("2x2, 1x2", "a count for each"), ("2by2", "form")],
)
def test_grids_that_make_no_sense_are_refused(grids: str, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        SpliceMix(grids=grids)


def test_counts_beyond_ten_rounds_through_the_batch_are_refused(make_batch: Any) -> None:
    with pytest.raises(SettingError, match="at most 80 images of a batch of 8"):
        draw(SpliceMix(grids="21*2x2"), make_batch(8, size=(24, 24)))


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(SettingError, match="at least one of grid_1x2"):
        SpliceMix(grid_1x2=0.0, grid_2x2=0.0, grid_2x3=0.0)


def test_a_plan_by_hand_that_cannot_be_is_refused(make_batch: Any) -> None:
    with pytest.raises(PolicyError, match="not dropped"):
        splice(make_batch(4).images, 1, 2, [[0, 1]], [[0, 1]])
    with pytest.raises(PolicyError, match=r"Expected cells and dropped \(m, 4\)"):
        Splice(Grid(2, 2), torch.zeros(1, 3, dtype=torch.int64), torch.zeros(1, 3, dtype=torch.bool))
