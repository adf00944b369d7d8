"""The guide `top_down`: TdAttenMix's Top-down Attention Guided Module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from automix.errors import DataError, PolicyError
from automix.mixing import Card, Choice, Float, Guide, Int, PrepareContext, Text
from automix.mixing.probes import CleanView
from automix_attention.functional import above_threshold, similarity
from automix_attention.networks import FeedbackViT, from_tensors, to_tensors
from automix_attention.training import SIZES, train_network
from automix_attention.weights import load_weights, weights_hash

__all__ = ["TopDown"]

_WITH_NETWORK: Mapping[str, tuple[str, ...]] = {"direction": ("class", "prompt")}


class TopDown(Guide):
    """Where a network finds what it was told to look for.

    A frozen network looks twice. What it saw at first is weighed by its agreement with a direction and sent back
    through feedback decoders; the second look is bent by it. The map is the agreement of the second look's tokens with
    the direction, cut off at a threshold: ``max(0, a - (f * max a + (1 - f) * min a))``.

    The network belongs to the data at hand: it is trained on the training images, or made from published weights with a
    head fitted to them, once for all who use it. Without a network, ``direction: self`` asks the model in training.

    Args:
        direction: "class", the classifier's row of the image's own class; "prompt", a learned direction that stands for
            anything; "self", the features and classifier rows of the model that is trained (one look, no feedback).
        sigma: strength of the feedback; 0 leaves the second look out.
        threshold: f.
        size: of the network that is trained: mini (64 wide, 4 blocks), ti, s or b (192, 384, 768 wide, 12 blocks).
        epochs: of its training.
        weights: path of a local file in AbSViT's format; its own classifier is dropped.

    Source: the module `TGAM` of TdAttenMix (Wang, Gu, Lu 2025, arXiv 2501.15409), as its released code shows it, on
    AbSViT (Shi, Darrell, Wang 2023, arXiv 2303.13043). Deviation: the released code takes row y of a head trained on
    ImageNet for class y of any data set; here class directions are always those of the data at hand.
    """

    name = "top_down"
    card = Card(
        title="Top-down attention (TdAttenMix's guided module on AbSViT)",
        summary="A frozen network looks twice, the second time for the image's own class; the map is where it finds "
        "it.",
        authors="Wang, Gu, Lu; Shi, Darrell, Wang",
        year=2025,
        arxiv="2501.15409",
        code="morning12138/TdAttenMix",
        use_when="A guide that does not depend on how far the model in training has come.",
        cost="training the network once per data set; two passes of it per batch, or per image where maps are kept",
        differences="The head always belongs to the data at hand. Without a file of weights the network is a small "
        "one, trained on the training images; pooling, schedule and the weight of its reconstruction loss are ours.",
    )
    direction = Choice(
        "class",
        choices=("class", "prompt", "self"),
        doc="What it looks for: the image's class, anything, or the class as the model in training knows it.",
        source="released code: class",
    )
    sigma = Float(
        1.0,
        low=0.0,
        high=4.0,
        search=(0.0, 2.0),
        doc="Strength of the feedback; 0 for attention from the bottom up.",
        source="released code: 1",
        when=_WITH_NETWORK,
    )
    threshold = Float(
        0.7,
        low=0.0,
        high=0.95,
        search=(0.0, 0.9),
        doc="Where each map is cut off, from its minimum (0) to its maximum (1).",
        source="released code: 0.7",
    )
    size = Choice(
        "mini",
        choices=tuple(SIZES),
        doc="Size of the network that is trained where no weights are given.",
        source="ours; released code: b, with weights",
        when=_WITH_NETWORK,
        searched=False,
    )
    epochs = Int(20, low=1, high=1000, doc="Epochs of its training.", source="ours", when=_WITH_NETWORK, searched=False)
    weights = Text(
        "",
        pattern=".*",
        doc="Local file of weights in AbSViT's format.",
        source="AbSViT's releases",
        when=_WITH_NETWORK,
    )

    _network: FeedbackViT | None = None

    @property
    def sees(self) -> frozenset[str]:
        """Features, where it asks the model in training."""
        return frozenset({"features"}) if self.direction == "self" else frozenset()

    @property
    def is_frozen(self) -> bool:
        """Whether it has a network of its own."""
        return self.direction != "self"

    def prepare(self, context: PrepareContext) -> None:
        """Train the network or load its weights, or take what was made before.

        Raises:
            ArtifactError: the file of weights is missing or of another kind.
        """
        if self.direction == "self":
            return
        path = Path(self.weights)
        if self.weights:
            settings, source = dict[str, Any](weights=path.name), weights_hash(path)
        else:
            settings, source = dict[str, Any](size=self.size, epochs=self.epochs), ""
        self._network = from_tensors(context.keep(self.name, settings, lambda: to_tensors(self._make(context)), source))

    def _make(self, context: PrepareContext) -> FeedbackViT:
        if self.weights:
            return load_weights(Path(self.weights), context)
        return train_network(context, self.size, self.epochs)

    @torch.no_grad()
    def maps(self, images: Tensor, labels: Tensor, clean: CleanView | None = None) -> Tensor:
        """Return maps (B, 1, h, w) over the network's patches, or over the model's features for ``direction: self``.

        Raises:
            PolicyError: the guide was not prepared.
            DataError: the labels are not those of the classes that it knows.
        """
        if self.direction == "self":
            view = cast(CleanView, clean)
            features = view.features()
            agreement = similarity(features.flatten(2).transpose(1, 2), view.class_rows()[labels])
            grid = (features.shape[2], features.shape[3])
        else:
            network = self._ready(images, labels)
            tokens = network.attend(network.resized(images.float()), self._direction(network, labels), self.sigma)
            agreement = similarity(tokens[:, 1:], self._direction(network, labels))
            grid = network.shape.grid
        return above_threshold(agreement.view(len(agreement), 1, *grid), self.threshold)

    def _direction(self, network: FeedbackViT, labels: Tensor) -> Tensor:
        """(B, C)."""
        return network.prompt.expand(len(labels), -1) if self.direction == "prompt" else network.head.weight[labels]

    def _ready(self, images: Tensor, labels: Tensor) -> FeedbackViT:
        if self._network is None:
            raise PolicyError(
                "The guide 'top_down' has no network yet: it is trained on training images by a search or by "
                "`automix.training.train`, and comes with the policy that they write. `direction: self` needs none."
            )
        network = self._network.to(images.device)
        known = network.shape.num_classes
        if self.direction == "class" and int(labels.max()) >= known:
            raise DataError(
                f"Expected labels below {known}, the number of classes that the guide 'top_down' was made for, but got "
                f"{int(labels.max())}."
            )
        return network
