"""What a model sees before it pools: a feature map, or tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from automix.errors import ModelError
from automix.mixing.probes.anatomy import Anatomy, bare
from automix.mixing.probes.attention import refuse_wrapped

__all__ = ["as_map", "watch_features"]


@contextmanager
def watch_features(model: nn.Module, consumer: Callable[[Tensor], None]) -> Iterator[None]:
    """Hand what `forward_features` returns to ``consumer`` while the model runs inside the `with` block.

    That is the last feature map (B, C, h, w) of a convolutional network, the tokens (B, N, C) of a ViT after its final
    norm with prefix tokens first, and the map (B, h, w, C) of a Swin. It is attached to the graph, so that a loss may
    use it.

    Raises:
        ModelError: the model has no `forward_features`, or is compiled.
    """
    inner = cast(Any, bare(model))
    if not callable(getattr(inner, "forward_features", None)):
        name = type(inner).__name__
        raise ModelError(f"This model has no `forward_features`, as timm's have ({name}): its features are unknown.")
    refuse_wrapped(model)
    original = inner.forward_features

    def forward_features(*args: Any, **kwargs: Any) -> Tensor:
        features: Tensor = original(*args, **kwargs)
        consumer(features)
        return features

    # On the instance, where it shadows the method: torch has hooks for modules, not for methods.
    inner.forward_features = forward_features
    try:
        yield
    finally:
        del inner.forward_features


def as_map(features: Tensor, anatomy: Anatomy, size: tuple[int, int]) -> Tensor:
    """Bring features of images of (H, W) pixels, as `watch_features` hands them on, to a map (B, C, h, w).

    Raises:
        ModelError: they are no map.
    """
    if anatomy.family == "vit":
        patches = features[:, anatomy.num_prefix_tokens :]
        return torch.unflatten(patches.transpose(1, 2), 2, anatomy.patches_of(size))
    if features.ndim != 4:
        raise ModelError(f"Expected a feature map (B, C, h, w) from this model but got {tuple(features.shape)}.")
    return features.permute(0, 3, 1, 2) if anatomy.family == "swin" else features
