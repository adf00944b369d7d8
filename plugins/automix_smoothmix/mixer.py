"""SmoothMix: the partner shines through in a soft round spot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from automix.mixing import Batch, Card, Component, Float, MaskMixer, MaskPlan, RandomPairing, Requires
from automix_smoothmix.functional import bump_profile

__all__ = ["SmoothMix"]


class SmoothMix(MaskMixer):
    """Blend the partner in by a Gaussian G at a random place: ``(1 - G) * x_i + G * x_j``; lam is ``mean(1 - G)``.

    There is no ratio to draw: place and width decide how much of the partner is seen.

    Args:
        min_sigma, max_sigma: range of the spot's standard deviation, as a share of the picture's height and width;
            drawn uniformly.
        prob, prob_unit, draw_unit: as in every pair mixer; ``draw_unit="batch"`` draws one spot per batch as
            OpenMixup does.

    Source: Lee, Zaheer, Astrid, Lee, CVPR workshops 2020; no official code was found, OpenMixup's smoothmix.py was
    read. Deviations from that code: the own image weighs ``1 - mean(G)`` in the label, as it does in the pixels
    (there mean(G) is returned, so labels are swapped against pixels); the spot follows the shape of pictures that are
    not square.
    """

    name = "smoothmix"
    card = Card(
        title="SmoothMix: a Simple Yet Effective Data Augmentation to Train Robust Classifiers",
        summary="The partner shines through in a soft round spot without edges; the label follows the mask's mean.",
        authors="Lee, Zaheer, Astrid, Lee",
        year=2020,
        code="Westlake-AI/openmixup",
        use_when="Where hard edges of pasted boxes mislead the network.",
        cost="one blend by a mask",
        differences="Labels follow pixels; OpenMixup's labels are swapped against them. The spot is drawn per image "
        "unless draw_unit is batch, and is an ellipse on pictures that are not square.",
    )
    reads = frozenset({"pairing", "labels"})
    defaults: ClassVar[Mapping[str, Component]] = {"pairing": RandomPairing()}
    requires = Requires(min_size_px=4)
    ordered = (("min_sigma", "max_sigma"),)

    min_sigma = Float(
        0.25, low=0.05, high=2.0, search=(0.1, 0.4), doc="Narrowest spot.", source="paper: 0.25", searched=False
    )
    max_sigma = Float(
        0.5, low=0.05, high=2.0, search=(0.3, 0.8), doc="Widest spot.", source="paper: 0.5", searched=False
    )

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> MaskPlan:
        """Draw width and place of the spots; ``lam`` says only how many are drawn."""
        height, width = batch.size
        u = torch.rand(3, len(lam), generator=generator, dtype=torch.float64)
        share = self.min_sigma + u[0] * (self.max_sigma - self.min_sigma)
        # Uniform over the area of the picture: pixel centres lie at whole numbers.
        rows = bump_profile(u[1] * height - 0.5, share * height, height)
        columns = bump_profile(u[2] * width - 0.5, share * width, width)
        return MaskPlan.from_profiles(perm, rows, columns, batch.images.device)
