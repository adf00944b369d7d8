"""CutMix: a box of the partner, at the same place, with the label following its area."""

from __future__ import annotations

import torch
from torch import Tensor

from automix.errors import PolicyError
from automix.mixing import Batch, BoxMixer, BoxPlan, Card, PatchCount, Requires, random_boxes

__all__ = ["CutMix"]


class CutMix(BoxMixer):
    """Paste a box of the partner; lam becomes the share of the picture outside the clipped box.

    Sides are ``floor(S * sqrt(1 - lam))`` on each axis, the centre is uniform over the picture, the box is clipped.

    Args:
        box_grid: 0 draws the box in pixels; g > 0 draws it on a g x g grid of patches, so that no patch of a vision
            transformer is cut.
        prob, prob_unit, draw_unit: as in every pair mixer; ``draw_unit="batch"`` draws one box per batch as the
            official code does.

    Source: Yun et al., ICCV 2019, arXiv 1905.04899, algorithm 1 and rand_bbox of the official code. Deviation: that
    code takes the first spatial axis for the width; here rows are rows, which matters for pictures that are not
    square.

    Example:
        >>> from automix.mixing import FixedLaw, ReversePairing
        >>> mixer = CutMix(ratio=FixedLaw(value=0.75), pairing=ReversePairing())
        >>> batch = Batch(torch.rand(2, 3, 8, 8), torch.tensor([3, 7]), num_classes=10)
        >>> plan = mixer.draw(batch, torch.Generator().manual_seed(0))
        >>> plan.boxes, plan.lam
        (tensor([[3, 1, 7, 5],
                [5, 3, 8, 7]]), tensor([0.7500, 0.8125]))
    """

    name = "cutmix"
    card = Card(
        title="CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features",
        summary="A random box of one image is replaced by the same box of another; the label follows the area.",
        authors="Yun, Han, Oh, Chun, Choe, Yoo",
        year=2019,
        arxiv="1905.04899",
        code="clovaai/CutMix-PyTorch",
        use_when="Strong at short and middle budgets; with very long training mixup-like methods catch up.",
        differences="Boxes are drawn per image unless draw_unit is batch; the axes of pictures that are not square are "
        "kept apart, which the official code swaps; box_grid is from token-level label work (TL-Align).",
    )

    requires = Requires(min_size_px=2)

    box_grid = PatchCount(
        0,
        low=0,
        high=64,
        doc="0: boxes in pixels; g: boxes on a g x g grid, such as a transformer's patches.",
        source="TL-Align draws boxes on the patch grid; CutMix: pixels.",
        searched=False,
    )

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> BoxPlan:
        """Draw boxes and recompute lam from what is left of them in the picture."""
        if self.box_grid > min(batch.size):
            height, width = batch.size
            raise PolicyError(
                f"Expected `box_grid` of at most {min(batch.size)} for pictures of {height} x {width} but got "
                f"{self.box_grid} (mixer cutmix): use the model's patch grid, or 0 for boxes in pixels."
            )
        grid = (self.box_grid, self.box_grid) if self.box_grid else None
        boxes = random_boxes(lam, len(perm), batch.size, generator, grid=grid)
        return BoxPlan.from_boxes(perm, boxes, batch.size)
