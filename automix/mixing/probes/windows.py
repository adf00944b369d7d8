"""Where the windows of a Swin block lie: the roll, the padding and the cutting that its features go through."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Windows", "merge_cells"]


@dataclass(frozen=True)
class Windows:
    """How a block cuts its grid of tokens into windows.

    Args:
        grid: (h, w) of the tokens.
        size: (h, w) of a window, in tokens.
        shift: (down, right), by which tokens are rolled up and left before they are cut.
    """

    grid: tuple[int, int]
    size: tuple[int, int]
    shift: tuple[int, int] = (0, 0)

    @property
    def padding(self) -> tuple[int, int]:
        """Rows and columns added at the bottom and the right of the rolled grid."""
        return -self.grid[0] % self.size[0], -self.grid[1] % self.size[1]

    @property
    def is_whole(self) -> bool:
        """Whether one window covers the grid."""
        return self.grid == self.size

    def cut(self, tokens: Tensor) -> Tensor:
        """Bring tokens (B, h * w, S) to windows (B * n_windows, cells of a window, S); padded cells hold 0."""
        (down, right), (high, wide) = self.padding, self.size
        cells = torch.unflatten(tokens, 1, self.grid).roll((-self.shift[0], -self.shift[1]), dims=(1, 2))
        cells = F.pad(cells, (0, 0, 0, right, 0, down))
        tiled = torch.unflatten(torch.unflatten(cells, 1, (-1, high)), 3, (-1, wide))
        return tiled.transpose(2, 3).flatten(3, 4).flatten(0, 2)

    def join(self, windows: Tensor) -> Tensor:
        """Undo `cut`: (B * n_windows, cells, S) to (B, h * w, S), without padded cells."""
        (height, width), (down, right), (high, wide) = self.grid, self.padding, self.size
        rows, columns = (height + down) // high, (width + right) // wide
        tiled = torch.unflatten(torch.unflatten(windows, 1, self.size), 0, (-1, rows, columns))
        cells = tiled.transpose(2, 3).flatten(3, 4).flatten(1, 2)[:, :height, :width]
        return cells.roll(self.shift, dims=(1, 2)).flatten(1, 2)

    def mix(self, weights: Tensor, tokens: Tensor) -> Tensor:
        """Average tokens by attention within each window; what padded cells would add is left out.

        Args:
            weights: (B * n_windows, cells, cells) float32, rows summing to 1.
            tokens: (B, h * w, S) float32.

        Returns:
            (B, h * w, S) float32.
        """
        if self.padding == (0, 0):
            return self.join(weights @ self.cut(tokens))
        marked = torch.cat((tokens, torch.ones_like(tokens[..., :1])), dim=2)
        summed = self.join(weights @ self.cut(marked))
        # A real token attends to itself at least, so its attention to real tokens is not 0.
        return summed[..., :-1] / summed[..., -1:].clamp_min(torch.finfo(summed.dtype).tiny)


def merge_cells(tokens: Tensor, grid: tuple[int, int], coarser: tuple[int, int]) -> Tensor:
    """Average 2 x 2 tokens, as patch merging does between stages; odd edges average what there is.

    Args:
        tokens: (B, h * w, S) float.
        grid: their (h, w).
        coarser: (h, w) wanted, halved and rounded up as often as needed.

    Returns:
        (B, h' * w', S) float.
    """
    while grid != coarser:
        cells = torch.unflatten(tokens, 1, grid).permute(0, 3, 1, 2)
        pooled = F.avg_pool2d(cells, 2, ceil_mode=True, count_include_pad=False)
        grid, tokens = (-(-grid[0] // 2), -(-grid[1] // 2)), pooled.flatten(2).transpose(1, 2)
        if grid[0] < coarser[0] or grid[1] < coarser[1]:
            raise ValueError(f"Expected a grid that halves to {coarser} but got {grid}.")
    return tokens
