"""GridMix: the partner is seen through a regular grid of holes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from automix.mixing import Batch, BetaLaw, Card, Component, Float, Int, MaskMixer, MaskPlan, RandomPairing, Requires
from automix_gridmix.functional import crop_boxes, grid_profiles, hole_sizes

__all__ = ["GridMix"]


class GridMix(MaskMixer):
    """Cut regular square holes into a random crop and show the partner in them; lam becomes the share outside.

    This is the method that IlyaDobrynin/GridMixup and OpenMixup call GridMix. The paper of that name (Baek, Bang,
    Shim, Pattern Recognition 2021) fills the cells of a grid from either image and adds a loss on patches: another
    method.

    Args:
        min_holes, max_holes: range of the number of holes along the crop's width, drawn uniformly.
        min_area, max_area: range of the crop's share of the picture, drawn uniformly.
        min_aspect, max_aspect: range of the crop's height over width, drawn uniformly.
        prob, prob_unit, draw_unit: as in every pair mixer; ``draw_unit="batch"`` draws one grid per batch as those
            codes do.

    Source: implementation/gridmix_pytorch.py of IlyaDobrynin/GridMixup, with the ranges of OpenMixup's
    configurations. Deviations: a crop longer than the picture is cut to it (there its place becomes negative); fewer
    holes are used where the crop is too narrow (there it raises); one grid per image by default.
    """

    name = "gridmix"
    card = Card(
        title="GridMix as in GridMixup and OpenMixup: regular holes in a random crop",
        summary="A random crop of the image gets regular holes that show the partner; the label follows the area.",
        year=2021,
        code="IlyaDobrynin/GridMixup",
        use_when="The class shows in texture all over the picture.",
        cost="one blend by a mask",
        differences="Not the method of the paper 'GridMix: Strong regularization through local context mapping' "
        "(Pattern Recognition 2021), which the same codes name as their source. Crops are cut to the picture, "
        "holes to what fits; one grid per image unless draw_unit is batch.",
    )
    defaults: ClassVar[Mapping[str, Component]] = {"ratio": BetaLaw(alpha=0.2), "pairing": RandomPairing()}
    requires = Requires(min_size_px=8)
    ordered = (("min_holes", "max_holes"), ("min_area", "max_area"), ("min_aspect", "max_aspect"))

    min_holes = Int(2, low=1, high=64, doc="Fewest holes along the width.", source="OpenMixup: 2", searched=False)
    max_holes = Int(6, low=1, high=64, doc="Most holes along the width.", source="OpenMixup: 6", searched=False)
    min_area = Float(0.5, low=0.05, high=1.0, doc="Smallest crop.", source="OpenMixup: 0.5", searched=False)
    max_area = Float(1.0, low=0.05, high=1.0, doc="Largest crop.", source="OpenMixup: 1", searched=False)
    min_aspect = Float(0.5, low=0.1, high=10.0, doc="Widest crop.", source="OpenMixup: 0.5", searched=False)
    max_aspect = Float(2.0, low=0.1, high=10.0, doc="Tallest crop.", source="OpenMixup: 2", searched=False)

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> MaskPlan:
        """Draw crops and holes; lam becomes the mean of the mask."""
        u = torch.rand(5, len(lam), generator=generator, dtype=torch.float64)
        n_holes = self.min_holes + (u[0] * (self.max_holes - self.min_holes + 1)).long()
        area = self.min_area + u[1] * (self.max_area - self.min_area)
        aspect = self.min_aspect + u[2] * (self.max_aspect - self.min_aspect)
        crop = crop_boxes(area, aspect, u[3:].T, batch.size)
        patch, hole = hole_sizes(crop[:, 3] - crop[:, 1], n_holes, lam)
        rows, columns = grid_profiles(crop, patch, hole, batch.size)
        return MaskPlan.from_profiles(perm, rows, columns, batch.images.device)
