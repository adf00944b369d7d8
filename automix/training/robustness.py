"""Accuracy on corrupted images: how much a model relies on pictures being as clean as those it was trained on.

A small, fixed set in the spirit of Hendrycks and Dietterich 2019 (arXiv 1903.12261), one medium severity each, that
makes sense from 8 x 8 pixels upwards. They act on pixel values in [0, 1], before normalisation and the policy's input
treatment. What is random in them depends on the corruption and the batch's place alone, so that every model, policy and
seed meets the same corrupted images.

    noise        normal noise, sd 0.1, for each pixel and channel
    blur         Gaussian, sd 1/40 of the shorter side, at least half a pixel
    contrast     0.4 of the distance to the image's mean
    brightness   0.25 brighter
    occlusion    a grey square, side 0.4 of the shorter side, at a random place
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from automix.mixing.random import Streams
from automix.training.batches import evaluation_loader

if TYPE_CHECKING:
    from automix.data.dataset import DataSet, Split
    from automix.policy.mixer import PolicyMixer
    from automix.training.settings import TrainSettings

__all__ = ["CORRUPTIONS", "Corruption", "Robustness"]

Corruption = Callable[[Tensor, torch.Generator], Tensor]
"""Takes images (B, C, H, W) in [0, 1] and a generator on the CPU; returns new ones, which may leave [0, 1]."""

_NOISE_SD = 0.1
_BLUR_SHARE = 1 / 40
_MIN_BLUR_PX = 0.5
_CONTRAST = 0.4
_BRIGHTNESS = 0.25
_SQUARE_SHARE = 0.4
_GREY = 0.5


def noise(images: Tensor, generator: torch.Generator) -> Tensor:
    """Add normal noise."""
    return images + _NOISE_SD * torch.randn(images.shape, generator=generator).to(images.device)


def blur(images: Tensor, _: torch.Generator) -> Tensor:
    """Blur rows, then columns; edges are mirrored."""
    shorter = min(images.shape[-2:])
    sd = max(_MIN_BLUR_PX, _BLUR_SHARE * shorter)
    reach = min(math.ceil(2 * sd), shorter - 1)
    weights = torch.exp(-torch.arange(-reach, reach + 1, device=images.device).square() / (2 * sd**2))
    kernel = (weights / weights.sum()).to(images.dtype)
    channels = images.shape[1]
    padded = F.pad(images, (reach, reach, reach, reach), mode="reflect")
    rows = F.conv2d(padded, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(rows, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)


def contrast(images: Tensor, _: torch.Generator) -> Tensor:
    """Pull every image towards its mean."""
    return torch.lerp(images.mean(dim=(1, 2, 3), keepdim=True).expand_as(images), images, _CONTRAST)


def brightness(images: Tensor, _: torch.Generator) -> Tensor:
    """Make every pixel brighter."""
    return images + _BRIGHTNESS


def occlusion(images: Tensor, generator: torch.Generator) -> Tensor:
    """Put a grey square at a place of its own into every image."""
    n, _, height, width = images.shape
    side = max(1, round(_SQUARE_SHARE * min(height, width)))
    place = torch.rand((n, 2, 1), generator=generator)
    top, left = (place[:, 0] * (height - side + 1)).long(), (place[:, 1] * (width - side + 1)).long()
    y, x = torch.arange(height), torch.arange(width)
    rows, columns = (y >= top) & (y < top + side), (x >= left) & (x < left + side)
    covered = rows[:, None, :, None] & columns[:, None, None, :]
    return images.masked_fill(covered.to(images.device), _GREY)


CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {function.__name__: function for function in (noise, blur, contrast, brightness, occlusion)}
)
"""By name, in the order in which they are applied to copies of the images, never to each other."""


class Robustness:
    """Judges models on the corrupted images of one split.

    Args:
        data: gives the normalisation.
        split: images and labels.
        settings: gives the batch size.
        mix: the policy, whose input treatment comes after the corruption.
        device: where the models are.
    """

    def __init__(
        self, data: DataSet, split: Split, settings: TrainSettings, mix: PolicyMixer, device: torch.device
    ) -> None:
        self._loader = evaluation_loader(data, split, settings, None, device)
        self._treat = mix.prepare
        self._mean, self._std = (torch.tensor(part, device=device).view(-1, 1, 1) for part in (data.mean, data.std))
        self._streams = Streams(0)

    def recognised(
        self, model: nn.Module, *, autocast: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> NDArray[np.float32]:
        """Return for each image, in the split's order, the share of corruptions under which it is recognised; (N,).

        Args:
            model: gives logits (B, K); judged in evaluation mode, its own mode is restored.
            autocast: makes the context that forward passes run in.
        """
        was_training = model.training
        model.eval()
        shares = []
        with torch.inference_mode():
            for step, (images, labels, _) in enumerate(self._loader.epoch(0)):
                hits = torch.zeros(len(labels), device=labels.device)
                for name in CORRUPTIONS:
                    with autocast():
                        logits = model(self._treat(self._corrupted(images, name, step)))
                    hits += logits.argmax(dim=1) == labels
                shares.append(hits / len(CORRUPTIONS))
        model.train(was_training)
        found: NDArray[np.float32] = torch.cat(shares).cpu().numpy()
        return found

    def _corrupted(self, images: Tensor, name: str, step: int) -> Tensor:
        pixels = images * self._std + self._mean
        changed = CORRUPTIONS[name](pixels, self._streams.generator(name, step)).clamp_(0, 1)
        return (changed - self._mean) / self._std
