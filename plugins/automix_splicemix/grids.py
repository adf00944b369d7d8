"""Grids as they are written: "2x2", "4*1x2", "2x3-2"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from automix.errors import SettingError

__all__ = ["PATTERN", "Grid", "GridSetting", "parse_grids"]

_ONE = r"(?:\d+\*)?\d+x\d+(?:-\d+)?"
PATTERN = rf"(?:{_ONE}(?:, ?{_ONE})*)?"
"""What the parameter `grids` accepts."""

_PARTS = re.compile(r"(?:(\d+)\*)?(\d+)x(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class Grid:
    """Rows and columns of a mixed picture.

    Example:
        >>> Grid(2, 3).cell((448, 448)), Grid(2, 3).turned
        ((224, 149), Grid(rows=3, columns=2))
    """

    rows: int
    columns: int

    @property
    def n_cells(self) -> int:
        """How many pictures it takes."""
        return self.rows * self.columns

    @property
    def turned(self) -> Grid:
        """The grid with rows and columns swapped."""
        return Grid(self.columns, self.rows)

    def cell(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of a cell in px, rounded down, in a picture of ``size``."""
        return size[0] // self.rows, size[1] // self.columns

    def fits(self, size: tuple[int, int], min_cell_px: int) -> bool:
        """Whether both sides of a cell have at least so many pixels."""
        return min(self.cell(size)) >= min_cell_px


@dataclass(frozen=True)
class GridSetting:
    """So many mixed pictures of one grid, each with so many cells dropped.

    Args:
        grid: rows and columns.
        dropped: cells without a picture, below the number of cells.
        count: mixed pictures per batch; 0 for ``B // n_cells``, which uses every image once.
    """

    grid: Grid
    dropped: int = 0
    count: int = 0


def parse_grids(text: str) -> tuple[GridSetting, ...]:
    """Read a list of settings ``[COUNT*]RxC[-DROPPED]``.

    Raises:
        SettingError: a grid of one cell or none, all cells dropped, or a missing count among several settings.

    Example:
        >>> parse_grids("3*1x2, 2*2x2-1")[1]
        GridSetting(grid=Grid(rows=2, columns=2), dropped=1, count=2)
    """
    settings = tuple(_setting(part.strip()) for part in text.split(",") if part.strip())
    if len(settings) > 1 and any(setting.count == 0 for setting in settings):
        raise SettingError(f"Expected a count for each of several grids, as in '3*1x2, 2*2x2', but got {text!r}.")
    return settings


def _setting(text: str) -> GridSetting:
    match = _PARTS.fullmatch(text)
    if match is None:
        raise SettingError(f"Expected a grid as [COUNT*]RxC[-DROPPED], such as 2x2 or 3*2x3-1, but got {text!r}.")
    count, rows, columns, dropped = (int(part or 0) for part in match.groups())
    grid = Grid(rows, columns)
    if grid.n_cells < 2:
        raise SettingError(f"Expected a grid of at least 2 cells but got {text!r}.")
    if dropped >= grid.n_cells:
        raise SettingError(f"Expected fewer dropped cells than the grid has ({grid.n_cells}) but got {text!r}.")
    return GridSetting(grid, dropped, count)
