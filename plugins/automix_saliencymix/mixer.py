"""SaliencyMix: CutMix with the box where the partner is most salient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from automix.mixing import (
    Batch,
    BetaLaw,
    BoxMixer,
    BoxPlan,
    Card,
    Component,
    RandomPairing,
    Requires,
    boxes_around,
)
from automix_saliencymix.functional import peak_pixels
from automix_saliencymix.guide import Saliency

__all__ = ["SaliencyMix"]


class SaliencyMix(BoxMixer):
    """Paste the box around the partner's most salient pixel; lam becomes the share outside the clipped box.

    Args:
        prob, prob_unit: as in every pair mixer.
        draw_unit: "batch" draws one lam per batch and centres one box, shared by all, on the maximum of the first row's
            partner, as the official code does.

    Source: Uddin, Monira, Shin, Chung, Bae, ICLR 2021, arXiv 2006.01791, section 3, and the official code.
    Deviations: a map and a box per image by default; saliency is computed in torch on the device, and any other guide
    may be named; rows are rows on pictures that are not square.

    Example:
        >>> from automix.mixing import FixedLaw, ReversePairing
        >>> images = torch.zeros(2, 3, 8, 8)
        >>> images[0, :, 2, 5] = 1.0
        >>> mixer = SaliencyMix(ratio=FixedLaw(value=0.75), pairing=ReversePairing())
        >>> batch = Batch(images, torch.tensor([3, 7]), num_classes=10)
        >>> mixer.draw(batch, torch.Generator().manual_seed(0)).boxes[1]  # row 1 gets the box around row 0's spot
        tensor([0, 3, 4, 7])
    """

    name = "saliencymix"
    card = Card(
        title="SaliencyMix: A Saliency Guided Data Augmentation Strategy for Better Regularization",
        summary="CutMix whose box is centred on the most salient pixel of the image that is pasted.",
        authors="Uddin, Monira, Shin, Chung, Bae",
        year=2021,
        arxiv="2006.01791",
        code="afm-shahab-uddin/SaliencyMix",
        use_when="Objects stand out from a calm background.",
        cost="one saliency map per image (0.03 ms at 32 pixels and 2 ms at 224, on one CPU core)",
        differences="Saliency is Montabone and Soto's fine-grained one, as in the official code, but written in torch "
        "instead of OpenCV and run per image; the official code centres the box of a whole batch on one image's "
        "maximum (draw_unit batch).",
    )
    reads = frozenset({"ratio", "pairing", "guide", "labels"})
    defaults: ClassVar[Mapping[str, Component]] = {
        "ratio": BetaLaw(),
        "pairing": RandomPairing(),
        "guide": Saliency(),
    }
    requires = Requires(min_size_px=2)

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> BoxPlan:
        """Centre boxes on the partners' maxima; draws nothing."""
        peaks = peak_pixels(self.importance(batch), batch.size).cpu()
        boxes = boxes_around(peaks[perm[: len(lam)]], lam, batch.size)
        return BoxPlan.from_boxes(perm, boxes.expand(len(perm), 4), batch.size)
