"""Strips for the gallery: the same pairs at several lam, one below the other in a picture, of which one is shown.

The page needs no computing: a slider moves the picture behind a window that is one step high.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from automix.mixing import Batch, FixedLaw, MixedBatch, PairMixer, Streams
from automix.policy import PolicyDocument
from automix.report.pairs import Pairs, batch_for, branches_of, given_pairs

if TYPE_CHECKING:
    from automix.mixing.inputs import Normalization
    from automix.policy.step import CompiledBranch
    from automix.registry import Registry

__all__ = ["LAMS", "Step", "Strip", "make_strips"]

LAMS = tuple(i / 10 for i in range(11))
# Pixels.
_CELL, _GAP, _BAR = 88, 6, 7
_OWN, _PARTNER, _PAPER = (47, 109, 179), (224, 138, 60), (255, 255, 255)
_JPEG_QUALITY = 88


@dataclass(frozen=True)
class Step:
    """One position of the slider.

    Args:
        asked: lam.
        pixels: share of the picture that is the own image, mean over the pairs.
        label: weight of the own image in the label, likewise.
    """

    asked: float
    pixels: float
    label: float


@dataclass(frozen=True)
class Strip:
    """The pairs under one method.

    Args:
        name: of the method.
        picture: a PNG or JPEG file: the steps, one below the other.
        width: of the picture, in pixels.
        height: of one step, in pixels.
        steps: by lam, rising; one where the method has no lam.
        pairs: what each column shows, as "own + partner".
    """

    name: str
    picture: bytes
    width: int
    height: int
    steps: tuple[Step, ...]
    pairs: tuple[str, ...]

    @property
    def became(self) -> list[str]:
        """Say for each step what the picture and the label hold."""
        head = "" if len(self.steps) > 1 else "draws no lam: "
        return [f"{head}pixels {step.pixels:.2f}, label {step.label:.2f}" for step in self.steps]

    @property
    def mime(self) -> str:
        """The type of the picture."""
        return "image/png" if self.picture.startswith(b"\x89PNG") else "image/jpeg"


def make_strips(
    pairs: Pairs,
    policies: Mapping[str, PolicyDocument],
    registry: Registry,
    normalization: Normalization,
    seed: int = 0,
    model: nn.Module | None = None,
) -> list[Strip]:
    """Mix the pairs under every branch of every policy, always, at each of `LAMS`.

    Places and masks are the same at every lam as far as a method allows, since the same random numbers are drawn.

    Args:
        pairs: the images.
        policies: name -> policy.
        registry: where components are looked up.
        normalization: (mean, std) per channel that training uses.
        seed: of the mixing.
        model: for policies that look at it.
    """
    return [
        _strip(name, branch, pairs, normalization, seed, model)
        for name, branch in branches_of(policies, registry, len(pairs.classes), normalization)
        if isinstance(branch.mixer, PairMixer)
    ]


def _strip(
    name: str, branch: CompiledBranch, pairs: Pairs, normalization: Normalization, seed: int, model: nn.Module | None
) -> Strip:
    mean, std = (torch.tensor(part)[:, None, None] for part in normalization)
    batch = batch_for(branch.mixer, (pairs.images - mean) / std, pairs.labels, len(pairs.classes), model)
    n = len(pairs)
    rows, steps = [], []
    for lam in LAMS if "ratio" in branch.mixer.reads else LAMS[:1]:
        mixed = _mixed(branch, batch, lam, seed)
        own = mixed.weights[:n, 0]
        rows.append(_row((mixed.images[:n] * std + mean).clamp(0, 1), own))
        steps.append(Step(lam, float(mixed.shares(1, 1)[:n, 0].mean()), float(own.mean())))
    whole = np.concatenate(rows)
    columns = tuple(f"{pairs.class_of(i)} + {pairs.class_of(i + n)}" for i in range(n))
    return Strip(name.replace("\n", " "), _encoded(whole), whole.shape[1], rows[0].shape[0], tuple(steps), columns)


def _mixed(branch: CompiledBranch, batch: Batch, lam: float, seed: int) -> MixedBatch:
    law = {"ratio": FixedLaw(value=lam)} if "ratio" in branch.mixer.reads else {}
    mixer = given_pairs(branch.mixer, **law)
    mixed = mixer.apply(batch.images, mixer.draw(batch, Streams(seed).generator("gallery", mixer.name)))
    return branch.labels.before(mixed, batch) if branch.labels.when == "before" else mixed


def _row(images: Tensor, own: Tensor) -> NDArray[np.uint8]:
    """Draw images side by side with their labels as bars below: (height, width, 3)."""
    cells = [
        np.pad(
            np.concatenate(
                [picture, np.full((2, picture.shape[1], 3), _PAPER, np.uint8), _bar(weight, picture.shape[1])]
            ),
            ((0, _GAP), (0, _GAP), (0, 0)),
            constant_values=255,
        )
        for picture, weight in zip(map(_cell, images), own.tolist(), strict=True)
    ]
    return np.concatenate(cells, axis=1)


def _cell(image: Tensor) -> NDArray[np.uint8]:
    """Bring an image (C, H, W) to about `_CELL` pixels: small ones by whole pixels, so that they stay sharp."""
    height, width = image.shape[1:]
    longest = max(height, width)
    if longest < _CELL:
        scale = max(1, round(_CELL / longest))
        sized = image.repeat_interleave(scale, dim=1).repeat_interleave(scale, dim=2)
    else:
        size = (max(1, height * _CELL // longest), max(1, width * _CELL // longest))
        sized = interpolate(image[None], size, mode="area")[0]
    colours = sized.expand(3, -1, -1) if len(sized) == 1 else sized[:3]
    drawn: NDArray[np.uint8] = np.rint(255 * colours.permute(1, 2, 0).numpy()).astype(np.uint8)
    return drawn


def _bar(own: float, width: int) -> NDArray[np.uint8]:
    bar = np.full((_BAR, width, 3), _PARTNER, np.uint8)
    bar[:, : round(own * width)] = _OWN
    return bar


def _encoded(picture: NDArray[np.uint8]) -> bytes:
    """Write PNG or JPEG, whichever is smaller: drawings and digits are smaller as the one, photographs as the other."""
    files = []
    for kind in ("PNG", "JPEG"):
        buffer = BytesIO()
        Image.fromarray(picture).save(buffer, kind, quality=_JPEG_QUALITY, subsampling=0)
        files.append(buffer.getvalue())
    return min(files, key=len)
