"""Guides that ask the model in training itself, through its one pass over the clean images."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from automix.mixing import Card, Guide, Requires
from automix.mixing.probes import CleanView
from automix_attention.functional import class_activation

__all__ = ["ClassActivation", "SelfAttention"]


class SelfAttention(Guide):
    """What the model's own class token attends to in the last block; each map sums to 1."""

    name = "self_attention"
    card = Card(
        title="The model's own attention",
        summary="Attention of the class token (or of the mean token) over patches, in the last block of the model that "
        "is trained, averaged over heads.",
        use_when="Vision transformers; it means little in the first epochs of a training from scratch.",
        cost="one forward pass of the clean images, shared with extra losses",
        differences="Ours as a guide; TransMix (arXiv 2111.09833) reads the same attention of mixed images.",
    )
    requires = Requires(attention=True)

    @property
    def sees(self) -> frozenset[str]:
        """Attention."""
        return frozenset({"attention"})

    @torch.no_grad()
    def maps(self, images: Tensor, labels: Tensor, clean: CleanView | None = None) -> Tensor:
        """Return attention maps (B, 1, h, w) over patches; images and labels are not looked at."""
        attention = cast(CleanView, clean).attention()
        return attention / attention.sum(dim=(2, 3), keepdim=True).clamp(min=1e-12)


class ClassActivation(Guide):
    """Where the model finds the image's own class: its last features along the row of its classifier."""

    name = "cam"
    card = Card(
        title="Learning Deep Features for Discriminative Localization (CAM)",
        summary="The last feature map of the model that is trained, weighted by its classifier's row of the image's "
        "own class.",
        authors="Zhou, Khosla, Lapedriza, Oliva, Torralba",
        year=2016,
        arxiv="1512.04150",
        use_when="Convolutional networks whose last feature map has several places.",
        cost="one forward pass of the clean images, shared with extra losses",
        differences="Negative evidence is cut off, as Grad-CAM does; each map is divided by its maximum.",
    )
    requires = Requires(spatial_features=True)

    @property
    def sees(self) -> frozenset[str]:
        """Features."""
        return frozenset({"features"})

    @torch.no_grad()
    def maps(self, images: Tensor, labels: Tensor, clean: CleanView | None = None) -> Tensor:
        """Return class activation maps (B, 1, h, w) for the images' labels."""
        view = cast(CleanView, clean)
        return class_activation(view.features(), view.class_rows()[labels])
