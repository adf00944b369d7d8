"""The guide `saliency`: where an image stands out, from its pixels alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from automix.mixing import Card, Guide
from automix_saliencymix.functional import fine_grained_saliency

if TYPE_CHECKING:
    from automix.mixing.probes import CleanView

__all__ = ["Saliency"]


class Saliency(Guide):
    """Fine-grained bottom-up saliency, on the images' device.

    Example:
        >>> image = torch.zeros(1, 3, 8, 8)
        >>> image[:, :, 2, 5] = 1.0
        >>> int(Saliency().maps(image, torch.tensor([0])).argmax()) == 2 * 8 + 5
        True
    """

    name = "saliency"
    card = Card(
        title="Human detection using a mobile platform and novel features derived from a visual saliency mechanism",
        summary="Brightness against the surround at six sizes, at full resolution; needs no network.",
        authors="Montabone, Soto",
        year=2010,
        code="opencv/opencv_contrib",
        cost="0.03 ms an image at 32 pixels and 2 ms at 224, on one CPU core",
        differences="As OpenCV's StaticSaliencyFineGrained, without rounding to 8 bits, and with brighter and darker "
        "than the surround on one scale. Brightness is taken from normalised channels.",
    )

    @torch.no_grad()
    def maps(self, images: Tensor, labels: Tensor, clean: CleanView | None = None) -> Tensor:
        """Compute saliency maps (B, 1, H, W) float32; neither labels nor the model are looked at."""
        return fine_grained_saliency(images)
