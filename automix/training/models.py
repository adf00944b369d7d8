"""Any timm model, made to fit the images, or an error that says what to do."""

from __future__ import annotations

import difflib
from typing import Any

import timm
import torch
from torch import nn

import automix.training.nets  # noqa: F401  (registers the small networks with timm)
from automix.errors import ModelError, UnknownNameError
from automix.training.defaults import auto_model
from automix.training.device import seeded

__all__ = ["auto_model", "build_model", "check_name"]


def build_model(
    name: str,
    *,
    num_classes: int,
    channels: int,
    image_size: tuple[int, int],
    pretrained: bool = False,
    seed: int = 0,
) -> nn.Module:
    """Build a model and try it on two images, so that one that does not fit is found before training.

    Args:
        name: a timm name ("resnet18", "vit_tiny_patch16_224.augreg_in21k_ft_in1k", "automix_resnet8").
        num_classes: K.
        channels: of the images.
        image_size: (H, W) in pixels; models that are built for one size get it.
        pretrained: load timm's published weights (from its cache, or over the network).
        seed: of the initial weights; torch's global generator is left as it was.

    Returns:
        The model on the CPU, in training mode.

    Raises:
        UnknownNameError: timm has no such model.
        ModelError: the model does not fit the images, or its weights cannot be had.
    """
    check_name(name)
    options: dict[str, Any] = {"num_classes": num_classes, "in_chans": channels}
    if getattr(timm.get_pretrained_cfg(name), "fixed_input_size", False):
        options["img_size"] = image_size
    # timm initialises from the global generator.
    with seeded(seed):
        model = _create(name, options, image_size, pretrained)
    _try_out(model, name, channels, image_size, num_classes)
    return model.train()


def check_name(name: str) -> None:
    """Make sure that timm knows a model.

    Raises:
        UnknownNameError: it does not; the nearest names are listed.
    """
    base, _, tag = name.partition(".")
    if timm.is_model(base):
        tags = [known.partition(".")[2] for known in timm.list_models(f"{base}.*", include_tags=True)]
        if tag and tag not in tags:
            known = f"it has {', '.join(tags)}" if tags else "it has no published weights"
            raise UnknownNameError(f"Unknown weights {tag!r} of model {base!r}: {known}.")
        return
    near = difflib.get_close_matches(name, timm.list_models(), n=3)
    hint = f"Did you mean {', '.join(map(repr, near))}? " if near else ""
    raise UnknownNameError(f"Unknown model {name!r}. {hint}`timm.list_models('*resnet*')` lists names by pattern.")


def _create(name: str, options: dict[str, Any], image_size: tuple[int, int], pretrained: bool) -> nn.Module:
    if pretrained and not timm.models.is_model_pretrained(name):
        raise ModelError(f"The model {name!r} has no published weights: leave `pretrained` out.")
    try:
        return timm.create_model(name, pretrained=pretrained, **options)
    except Exception as err:  # timm and its hub raise whatever they meet; the cause is kept
        if pretrained:
            raise ModelError(_no_weights(name, err)) from err
        raise ModelError(_misfit(name, image_size, err)) from err


def _try_out(model: nn.Module, name: str, channels: int, image_size: tuple[int, int], num_classes: int) -> None:
    """Run two images through the model in evaluation mode, which changes nothing in it."""
    images = torch.zeros(2, channels, *image_size)
    try:
        with torch.no_grad():
            logits = model.eval()(images)
    except Exception as err:  # every architecture fails in its own way; the cause is kept
        raise ModelError(_misfit(name, image_size, err)) from err
    if tuple(getattr(logits, "shape", ())) != (2, num_classes):
        got = getattr(logits, "shape", type(logits).__name__)
        raise ModelError(
            f"Expected logits (2, {num_classes}) from the model {name!r} but got {got}: it is no classifier."
        )


def _misfit(name: str, image_size: tuple[int, int], err: Exception) -> str:
    h, w = image_size
    wanted = getattr(timm.get_pretrained_cfg(name), "input_size", None)
    made_for = f" (made for {wanted[1]} x {wanted[2]})" if wanted else ""
    return (
        f"The model {name!r}{made_for} does not work on images of {h} x {w} px: {_first_line(err)}. Choose another "
        f"`--image-size`, or a model for this size such as {auto_model(image_size)!r}."
    )


def _no_weights(name: str, err: Exception) -> str:
    return (
        f"The published weights of {name!r} could not be loaded: {_first_line(err)}. Check the network, load them into "
        "timm's cache beforehand, or leave `pretrained` out."
    )


def _first_line(err: Exception) -> str:
    text = str(err).strip() or type(err).__name__
    return text.splitlines()[0].rstrip(".")[:200]
