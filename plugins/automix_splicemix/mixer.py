"""SpliceMix: grids of whole, shrunken images, appended to the batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from automix.errors import PolicyError, SettingError
from automix.mixing import Batch, Bool, Card, Float, Int, KeepPlan, Mixer, MixPlan, Requires, Text
from automix_splicemix.functional import cell_shares, place_maps, tile
from automix_splicemix.grids import PATTERN, Grid, GridSetting, parse_grids

__all__ = ["Splice", "SpliceMix", "SplicePlan"]

_WEIGHTED = (("grid_1x2", Grid(1, 2)), ("grid_2x2", Grid(2, 2)), ("grid_2x3", Grid(2, 3)), ("grid_3x3", Grid(3, 3)))
_MIN_CELL_PX = 12
# Below, B // 4 is 0; a short last batch must not fail over counts that were meant for whole ones.
_MIN_BATCH = 4
# The official code draws images from ten permutations of the batch.
_MAX_ROUNDS = 10


@dataclass(frozen=True, eq=False)
class Splice:
    """Mixed pictures of one grid.

    Args:
        grid: rows and columns.
        cells: (m, R*C) int64: which image of the batch is in each cell, row by row; a dropped cell names one, too.
        dropped: (m, R*C) bool: cells that show nothing; at least one of each picture stays.
    """

    grid: Grid
    cells: Tensor
    dropped: Tensor

    def __post_init__(self) -> None:
        if self.cells.ndim != 2 or self.cells.shape[1] != self.grid.n_cells or self.cells.shape != self.dropped.shape:
            raise PolicyError(
                f"Expected cells and dropped (m, {self.grid.n_cells}) for a grid of {self.grid.rows}x"
                f"{self.grid.columns} but got {tuple(self.cells.shape)} and {tuple(self.dropped.shape)}."
            )
        # Only where looking at values is free; on another device it would wait for the device.
        if self.dropped.device.type == "cpu" and bool(self.dropped.all(dim=1).any()):
            raise PolicyError("Expected at least one cell of each mixed picture that is not dropped.")

    def to(self, device: torch.device) -> Splice:
        """Return it with its tensors on ``device``."""
        return replace(self, cells=self.cells.to(device), dropped=self.dropped.to(device))


@dataclass(frozen=True, kw_only=True, eq=False)
class SplicePlan(MixPlan):
    """The images of the batch as they are, then the mixed pictures, splice by splice.

    Args:
        n: images of the batch.
        splices: grids and what is in their cells.
        size: (H, W) of the picture, in pixels.
    """

    n: int
    splices: tuple[Splice, ...]
    size: tuple[int, int]

    def to(self, device: torch.device) -> Self:
        """Return the plan with its tensors on ``device``."""
        if all(splice.cells.device == device for splice in self.splices):
            return self
        return self.replaced(splices=tuple(splice.to(device) for splice in self.splices))

    @property
    def width(self) -> int:
        """S: sources of a row, cells of the largest grid."""
        return max((splice.grid.n_cells for splice in self.splices), default=1)

    @cached_property
    def sources(self) -> Tensor:
        """(n + m, S) int64: each image itself; the images of the cells."""
        device = self.splices[0].cells.device if self.splices else None
        own = torch.arange(self.n, device=device)[:, None].expand(-1, self.width)
        return torch.cat((own, *(self._padded(splice.cells) for splice in self.splices)))

    @cached_property
    def weights(self) -> Tensor:
        """(n + m, S) float32: 1; the area of a cell against that of all cells that show something."""
        own = torch.zeros(self.n, self.width, device=self.sources.device)
        own[:, 0] = 1.0
        return torch.cat((own, *(_widened(_area_weights(splice.dropped), self.width) for splice in self.splices)))

    def _padded(self, cells: Tensor) -> Tensor:
        """Repeat the first source, whose weight is 0 there."""
        return torch.cat((cells, cells[:, :1].expand(-1, self.width - cells.shape[1])), dim=1)


def _area_weights(dropped: Tensor) -> Tensor:
    kept = (~dropped).float()
    return kept / kept.sum(dim=1, keepdim=True)


def _widened(values: Tensor, width: int) -> Tensor:
    """Add sources of value 0 along dimension 1: (m, s, ...) to (m, width, ...)."""
    missing = width - values.shape[1]
    return F.pad(values, [0, 0] * (values.ndim - 2) + [0, missing])


class SpliceMix(Mixer):
    """Append pictures that show a grid of whole, shrunken images; the batch itself stays as it is.

    ``floor(mixed_fraction * B)`` pictures are added per batch, all of one grid, which is drawn by the weights
    ``grid_...``. With probability ``drop_prob`` each of them misses some cells. With one label an image, a mixed
    picture's label is shared by area among the cells that show something; with several, the label rule decides
    (as published: their union).

    Args:
        prob: probability that a batch gets mixed pictures.
        mixed_fraction: mixed pictures against the images of the batch; rounded down, so that small batches get none.
        grid_1x2, grid_2x2, grid_2x3, grid_3x3: relative weights.
        drop_prob: probability that cells are dropped in a batch.
        max_drop: most cells that are dropped; all but one at most.
        swap_orientation: swap rows and columns with probability 1/2, once per grid and batch.
        grids: settings written out, ``[COUNT*]RxC[-DROPPED], ...``, in place of the weights.
        min_cell_px: grids with smaller cells are left out.

    Source: Wang et al. 2023, arXiv 2311.15200, and the official code, setting Default.

    Example:
        >>> batch = Batch(torch.rand(8, 3, 32, 32), torch.arange(8), num_classes=8)
        >>> mixer = SpliceMix(grids="2x2")
        >>> mixed = mixer.apply(batch.images, mixer.draw(batch, torch.Generator().manual_seed(0)))
        >>> mixed.images.shape, mixed.weights[8]
        (torch.Size([10, 3, 32, 32]), tensor([0.2500, 0.2500, 0.2500, 0.2500]))
    """

    name = "splicemix"
    card = Card(
        title="SpliceMix: A Cross-scale and Semantic Blending Augmentation Strategy for Multi-label Image "
        "Classification",
        summary="Grids of whole, shrunken images are appended to the batch; no object is cut away.",
        authors="Wang, Zhan, Ma, Tao, Ding, Gong",
        year=2023,
        arxiv="2311.15200",
        code="zuiran/SpliceMix",
        use_when="Images with several labels, whose objects must not be cut away; pictures of 24 px or more.",
        cost="a quarter more rows per batch by default, and so a quarter more time per step",
        differences="Images are drawn from up to ten permutations of the batch, as officially; grids with tiny cells "
        "are left out, and batches of less than 4 are left alone. The official setting Mini raises in the released "
        "code; `grids: 2x2` does what it meant. With one label an image the label is shared by area, which is ours.",
    )
    reads = frozenset({"labels"})
    plan_type = SplicePlan
    # A dropped cell has pixels, which are 0, and no label.
    share_equals_weight = False
    requires = Requires(min_size_px=2 * _MIN_CELL_PX)

    prob = Float(1.0, low=0.0, high=1.0, search=(0.25, 1.0), doc="Probability that a batch is mixed.", source="code")
    mixed_fraction = Float(
        0.25,
        low=0.0,
        high=1.0,
        search=(0.0625, 0.5),
        doc="Mixed pictures against the images of the batch.",
        source="code: B // 4",
    )
    grid_1x2 = Float(0.3, low=0.0, high=1.0, doc="Weight of the grid 1x2.", source="code", when={"grids": ("",)})
    grid_2x2 = Float(0.4, low=0.0, high=1.0, doc="Weight of the grid 2x2.", source="code", when={"grids": ("",)})
    grid_2x3 = Float(0.3, low=0.0, high=1.0, doc="Weight of the grid 2x3.", source="code", when={"grids": ("",)})
    grid_3x3 = Float(0.0, low=0.0, high=1.0, doc="Weight of the grid 3x3.", source="ours", when={"grids": ("",)})
    drop_prob = Float(
        0.3,
        low=0.0,
        high=1.0,
        search=(0.0, 0.6),
        doc="Probability that cells are dropped in a batch.",
        source="code",
        when={"grids": ("",)},
    )
    max_drop = Int(
        8, low=1, high=8, doc="Most cells dropped, below R*C.", source="code: R*C - 1", when={"grids": ("",)}
    )
    swap_orientation = Bool(True, doc="Swap rows and columns with probability 1/2.", source="code", searched=False)
    grids = Text(
        "", pattern=PATTERN, doc="Settings written out, such as '3*1x2, 2*2x2-1'; empty for weights.", source="code"
    )
    min_cell_px = Int(_MIN_CELL_PX, low=1, high=512, doc="Smallest side of a cell, px.", source="ours", searched=False)

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._settings = parse_grids(self.grids)
        if not self._settings and not any(getattr(self, name) for name, _ in _WEIGHTED):
            raise SettingError("Expected at least one of grid_1x2, grid_2x2, grid_2x3, grid_3x3 above 0.")

    @classmethod
    def suggest(cls, trial: Any, keys: Mapping[str, str], domains: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for every parameter; weights that are all 0 become the published ones."""
        chosen = super().suggest(trial, keys, domains)
        if not any(chosen.get(name, 0.0) for name, _ in _WEIGHTED):
            chosen.update({name: cls.params[name].default for name, _ in _WEIGHTED if name in chosen})
        return chosen

    def draw(self, batch: Batch, generator: torch.Generator) -> MixPlan:
        """Draw whether to mix, the grid, its orientation, the images and the dropped cells.

        Raises:
            SettingError: `grids` asks for more images than ten rounds through the batch give.
        """
        n = len(batch)
        is_mixed = bool(torch.rand((), generator=generator) < self.prob)
        splices = []
        for setting in self._settings or self._drawn_setting(n, batch.size, generator):
            grid = self._oriented(setting.grid, batch.size, generator)
            count = setting.count or n // grid.n_cells
            if count and grid.fits(batch.size, self.min_cell_px):
                splices.append((grid, setting.dropped, count))
        if not is_mixed or not splices or n < _MIN_BATCH:
            return KeepPlan(n=n)
        pool = iter(_pool(n, [grid.n_cells * count for grid, _, count in splices], generator))
        made = [
            Splice(grid, next(pool).view(count, grid.n_cells), _dropped(count, grid, dropped, generator))
            for grid, dropped, count in splices
        ]
        return SplicePlan(n=n, splices=tuple(made), size=batch.size)

    def _drawn_setting(self, n: int, size: tuple[int, int], generator: torch.Generator) -> list[GridSetting]:
        """Draw one grid by its weight, among those that fit, and how many cells are dropped."""
        grid_coin, drop_coin, drop_size = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
        count = int(self.mixed_fraction * n)
        choices = [(getattr(self, name), grid) for name, grid in _WEIGHTED if self._fits_somehow(grid, size)]
        total = sum(weight for weight, _ in choices)
        if not count or not total:
            return []
        grid = _pick(choices, grid_coin * total)
        most = min(self.max_drop, grid.n_cells - 1)
        dropped = 1 + int(drop_size * most) if drop_coin < self.drop_prob else 0
        return [GridSetting(grid, dropped, count)]

    def _fits_somehow(self, grid: Grid, size: tuple[int, int]) -> bool:
        ways = (grid, grid.turned) if self.swap_orientation else (grid,)
        return any(way.fits(size, self.min_cell_px) for way in ways)

    def _oriented(self, grid: Grid, size: tuple[int, int], generator: torch.Generator) -> Grid:
        """Swap rows and columns with probability 1/2, or where only that fits."""
        is_swapped = bool(torch.rand((), generator=generator) < 0.5)
        if not self.swap_orientation:
            return grid
        way, other = (grid.turned, grid) if is_swapped else (grid, grid.turned)
        return way if way.fits(size, self.min_cell_px) or not other.fits(size, self.min_cell_px) else other

    def move(self, images: Tensor, plan: SplicePlan, out: Tensor) -> Tensor:
        """Copy the batch and tile the mixed pictures behind it."""
        out[: plan.n].copy_(images)
        start = plan.n
        for splice in plan.splices:
            end = start + len(splice.cells)
            tile(images, splice.cells, splice.dropped, splice.grid, out[start:end])
            start = end
        return out

    def shares(self, plan: SplicePlan, h: int, w: int, how: str) -> Tensor:
        """Return 1 for the batch, and the cells' coverage for mixed pictures; 0 where a cell was dropped."""
        device = plan.sources.device
        own = torch.zeros(plan.n, plan.width, h, w, device=device)
        own[:, 0] = 1.0
        mixed = []
        for splice in plan.splices:
            whole = cell_shares(splice.grid, plan.size, h, w, how, device)
            mixed.append(_widened(whole * (~splice.dropped)[:, :, None, None], plan.width))
        return torch.cat((own, *mixed))

    def carry(self, maps: Tensor, plan: MixPlan) -> Tensor:
        """Leave the maps of the batch as they are, and shrink each into its cells."""
        if not isinstance(plan, SplicePlan):
            return super().carry(maps, plan)
        plan, planes = plan.to(maps.device), maps[:, 0].float()
        own = _widened(planes[:, None], plan.width)
        mixed = [
            _widened(place_maps(planes[splice.cells], splice.grid) * (~splice.dropped)[:, :, None, None], plan.width)
            for splice in plan.splices
        ]
        return torch.cat((own, *mixed))


def _pick(choices: list[tuple[float, Grid]], point: float) -> Grid:
    """Return the choice in whose stretch of the cumulated weights the point lies."""
    for weight, grid in choices:
        if point < weight:
            return grid
        point -= weight
    return next(grid for weight, grid in reversed(choices) if weight)


def _pool(n: int, sizes: list[int], generator: torch.Generator) -> tuple[Tensor, ...]:
    """Draw images for each setting: one random order of the batch after the other, so that none comes twice early."""
    rounds = -(-sum(sizes) // n)
    if rounds > _MAX_ROUNDS:
        raise SettingError(
            f"Expected `grids` to take at most {_MAX_ROUNDS * n} images of a batch of {n} ({_MAX_ROUNDS} rounds) but "
            f"they take {sum(sizes)}: lower the counts or raise the batch size (mixer splicemix)."
        )
    order = torch.cat([torch.randperm(n, generator=generator) for _ in range(rounds)])
    return torch.split(order[: sum(sizes)], sizes)


def _dropped(count: int, grid: Grid, n_dropped: int, generator: torch.Generator) -> Tensor:
    """(count, R*C) bool: ``n_dropped`` distinct cells of each picture, uniformly."""
    ranks = torch.rand(count, grid.n_cells, generator=generator).argsort(dim=1).argsort(dim=1)
    return ranks < n_dropped
