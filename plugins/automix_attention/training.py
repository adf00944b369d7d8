"""A guide's network trained on the data at hand, so that its class directions are theirs."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from automix.mixing import PrepareContext, Streams
from automix_attention.networks import FeedbackViT, Shape

__all__ = ["SIZES", "shape_for", "train_network"]

_log = logging.getLogger(__name__)

SIZES: Mapping[str, tuple[int, int, int]] = {
    "mini": (64, 4, 4),
    "ti": (192, 12, 3),
    "s": (384, 12, 6),
    "b": (768, 12, 12),
}
"""Width, depth and heads by name."""

_MIN_PATCHES, _MAX_PATCHES = 7, 14
_LR, _WEIGHT_DECAY, _WARM_UP = 2e-3, 0.05, 0.1
_RECONSTRUCTION = 0.1


def shape_for(context: PrepareContext, size: str) -> Shape:
    """Choose patches that suit the images: the largest of 2, 4, 8, 16 px with 7 or more along the shorter side.

    More than 14 along a side are never needed: larger images are made smaller.
    """
    short = min(context.image_size)
    patch = max((p for p in (4, 8, 16) if short // p >= _MIN_PATCHES), default=2)
    rows, columns = (min(_MAX_PATCHES, max(1, side // patch)) for side in context.image_size)
    width, depth, heads = SIZES[size]
    return Shape((rows, columns), patch, context.channels, width, depth, heads, context.num_classes)


def train_network(context: PrepareContext, size: str, epochs: int) -> FeedbackViT:
    """Train a network on the data at hand.

    The loss is AbSViT's: cross-entropy of the first and of the second pass, whose feedback is guided by the prompt, and
    the decoders' reconstruction. Its weight, 0.1, the schedule (AdamW, warm-up, cosine) and the choice of average
    pooling are ours.

    Args:
        context: data and device.
        size: a name of `SIZES`.
        epochs: passes over the training images.
    """
    shape = shape_for(context, size)
    network = FeedbackViT.seeded(shape, Streams(0).generator("top_down", size)).to(context.device).train()
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=_LR * SIZES["mini"][0] / shape.width, weight_decay=_WEIGHT_DECAY
    )
    n_batches = sum(1 for _ in context.batches())
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=optimizer.param_groups[0]["lr"], total_steps=epochs * (n_batches + 1), pct_start=_WARM_UP
    )
    for epoch in range(epochs):
        hits = seen = 0
        for images, labels, _ in context.shuffled(epoch):
            loss, logits = _training_loss(network, images, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            scheduler.step()
            hits, seen = hits + int((logits.argmax(dim=1) == labels).sum()), seen + len(labels)
        _log.info(
            "guide network, epoch %d of %d: %.1f %% of the training images right", epoch + 1, epochs, 100 * hits / seen
        )
    return network


def _training_loss(network: FeedbackViT, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    images = network.resized(images)
    first = network.tokens(images)
    trace: list[tuple[Tensor, Tensor]] = []
    prompt = network.prompt.expand(len(images), -1)
    second = network.tokens(images, network.feedback(first, prompt, 1.0), trace)
    # The mean over patches, as in AbSViT's variant with global average pooling: so that each patch's token, not the
    # class token alone, points along the rows of the classes that it shows.
    logits = [network.head(tokens[:, 1:].mean(dim=1)) for tokens in (first, second)]
    loss = torch.stack([F.cross_entropy(one, labels) for one in logits]).mean()
    return loss + _RECONSTRUCTION * network.reconstruction(trace), logits[1]
