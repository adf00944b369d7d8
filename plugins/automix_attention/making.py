"""Where a guide's network comes from: trained on the data at hand, or made from published weights with a new head.

Either way its classifier's rows, the class directions, belong to the data at hand: a head that comes with weights is
never looked at.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automix.errors import ArtifactError, ModelError
from automix.mixing import PrepareContext, Streams
from automix_attention.networks import FeedbackViT, Shape

__all__ = ["SIZES", "from_tensors", "load_weights", "to_tensors", "train_network", "weights_hash"]

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
_HEAD_DECAY = 1e-3
_HEAD_STEPS = 100
# AbSViT was trained on images normalised with these; each of its heads has 64 channels.
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HEAD_WIDTH = 64
_NESTED = ("model", "state_dict", "module")


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


def load_weights(path: Path, context: PrepareContext) -> FeedbackViT:
    """Make a network from weights in AbSViT's format, with a head fitted to the data at hand.

    Args:
        path: a ``.pth`` file (a state dict, or one under "model" or "state_dict") or ``.safetensors``.
        context: data and device.

    Raises:
        ArtifactError: the file is missing, or holds anything but such weights.
    """
    weights = _read(path)
    network = FeedbackViT(_shape_of(weights, path, context))
    wanted = {name: weights[name] for name in network.state_dict() if not name.startswith("head.")}
    wanted["patch_embed.proj.weight"], wanted["patch_embed.proj.bias"] = _for_normalization(wanted, context)
    network.load_state_dict(wanted, strict=False)
    network.requires_grad_(False).to(context.device).eval()
    _fit_head(network, context)
    return network


def weights_hash(path: Path) -> str:
    """Return the content hash of a file; "missing" where there is none, which is found out when it is needed."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        # Training scripts of this family leave their command line in the file, as a harmless namespace.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as err:
        raise ArtifactError(
            f"Expected weights of a guide in {path} (`weights` of the guide top_down) but there is no such file: give "
            "the path of a local file in AbSViT's format, or leave `weights` out to train the guide on your images."
        ) from err
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, safetensors.SafetensorError) as err:
        raise ArtifactError(
            f"{path} (`weights` of the guide top_down) is damaged, or holds more than weights."
        ) from err
    for key in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise ArtifactError(f"Expected a state dict in {path} but got a {type(content).__name__}.")
    return {name.removeprefix("module."): value for name, value in content.items() if isinstance(value, Tensor)}


def _shape_of(weights: Mapping[str, Tensor], path: Path, context: PrepareContext) -> Shape:
    """Read the network's sizes off its weights; raises ArtifactError where they are not of this kind."""
    depth = len({name.split(".")[1] for name in weights if name.startswith("blocks.")})
    needed = {"cls_token", "pos_embed", "prompt", "patch_embed.proj.weight", "norm.weight"}
    needed |= {f"decoders.{i}.{part}.weight" for i in range(depth) for part in ("linear", "linear2")}
    if missing := sorted(needed - weights.keys()):
        raise ArtifactError(
            f"Expected weights in AbSViT's format in {path} but {', '.join(missing[:3])} "
            f"{'are' if len(missing) > 1 else 'is'} missing: a plain ViT has no feedback decoders."
        )
    width, _, patch, _ = weights["patch_embed.proj.weight"].shape
    side = round((weights["pos_embed"].shape[1] - 1) ** 0.5)
    if weights["pos_embed"].shape[1] != 1 + side * side:
        raise ArtifactError(f"Expected a square grid of patches and a class token in {path}.")
    heads = width // _HEAD_WIDTH
    return Shape((side, side), patch, context.channels, width, depth, heads, context.num_classes)


def _for_normalization(weights: Mapping[str, Tensor], context: PrepareContext) -> tuple[Tensor, Tensor]:
    """Rewrite the first layer so that it takes images as they are normalised here; grey ones stand for three equal."""
    weight, bias = weights["patch_embed.proj.weight"], weights["patch_embed.proj.bias"]
    if context.channels not in (1, 3):
        raise ModelError(f"Expected images of 1 or 3 channels for these weights but got {context.channels}.")
    mean, std = (torch.tensor(part).expand(3) for part in context.normalization)
    theirs_mean, theirs_std = (torch.tensor(part) for part in _IMAGENET)
    bias = bias + (weight * ((mean - theirs_mean) / theirs_std)[:, None, None]).sum(dim=(1, 2, 3))
    weight = weight * (std / theirs_std)[:, None, None]
    return (weight.sum(dim=1, keepdim=True) if context.channels == 1 else weight), bias


def _fit_head(network: FeedbackViT, context: PrepareContext) -> None:
    """Fit the classifier to the class tokens of the second pass: multinomial logistic regression."""
    tokens, labels = [], []
    with torch.no_grad():
        for images, classes, _ in context.batches():
            prompt = network.prompt.expand(len(images), -1)
            tokens.append(network.attend(network.resized(images), prompt, 1.0)[:, 0])
            labels.append(classes)
    features, classes = torch.cat(tokens), torch.cat(labels)
    head = network.head.requires_grad_(True)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=_HEAD_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(head(features), classes) + _HEAD_DECAY * head.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    head.requires_grad_(False)


def to_tensors(network: FeedbackViT) -> dict[str, Tensor]:
    """Write a network as named tensors, what its weights do not show included."""
    shape = network.shape
    return {**network.state_dict(), "shape.grid": torch.tensor(shape.grid), "shape.heads": torch.tensor(shape.heads)}


def from_tensors(tensors: Mapping[str, Tensor]) -> FeedbackViT:
    """Build the network that `to_tensors` wrote, on the CPU, in evaluation mode, without gradients."""
    weights = dict(tensors)
    rows, columns = weights.pop("shape.grid").tolist()
    heads = int(weights.pop("shape.heads"))
    width, channels, patch, _ = weights["patch_embed.proj.weight"].shape
    depth = len({name.split(".")[1] for name in weights if name.startswith("blocks.")})
    network = FeedbackViT(Shape((rows, columns), patch, channels, width, depth, heads, len(weights["head.bias"])))
    network.load_state_dict(weights)
    return network.requires_grad_(False).eval()
