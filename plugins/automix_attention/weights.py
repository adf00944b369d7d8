"""A guide's network from published weights, with a new head for the data at hand.

Its classifier's rows, the class directions, belong to the data at hand: a head that comes with weights is never looked
at.
"""

from __future__ import annotations

import argparse
import hashlib
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
from automix.mixing import PrepareContext
from automix_attention.networks import FeedbackViT, Shape

__all__ = ["load_weights", "weights_hash"]

_HEAD_DECAY = 1e-3
_HEAD_STEPS = 100
# AbSViT was trained on images normalised with these; each of its heads has 64 channels.
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HEAD_WIDTH = 64
_NESTED = ("model", "state_dict", "module")


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
