"""The contact sheet of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from automix.policy import PolicyDocument
from automix.report import choose_pairs, contact_sheet

if TYPE_CHECKING:
    from automix.data import DataSet
    from automix.registry import Registry

__all__ = ["method_sheet", "some_images"]

_N_PAIRS = 8
_MAX_IMAGES_LOOKED_AT = 2000


def method_sheet(
    data: DataSet,
    policies: Mapping[str, PolicyDocument],
    registry: Registry,
    n: int = _N_PAIRS,
    model: nn.Module | None = None,
) -> bytes:
    """Draw the contact sheet of some training images under some policies; a PNG.

    Raises:
        PolicyError: a policy must see the model and there is none.
    """
    pairs = choose_pairs(*some_images(data), data.classes, n)
    title = f"{data.name}: the same pairs under every method (each always mixing)"
    return contact_sheet(pairs, policies, registry, normalization=(data.mean, data.std), title=title, model=model)


def some_images(data: DataSet, n: int = _MAX_IMAGES_LOOKED_AT) -> tuple[Tensor, Tensor]:
    """Return at most ``n`` training images (n, C, H, W) uint8 and their labels (n,) int64, spread over the data set."""
    train = data.splits["train"]
    rows = np.linspace(0, len(train) - 1, min(len(train), n)).astype(np.int64)
    return torch.from_numpy(np.array(train.images[rows])), torch.from_numpy(np.array(train.labels[rows]))
