"""CleanView: what the model makes of the clean images, computed at most once for all who ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from automix.errors import ModelError, PluginError
from automix.mixing.probes.anatomy import Anatomy, anatomy, bare
from automix.mixing.probes.attention import BlockAttention, watch_attention
from automix.mixing.probes.features import as_map, watch_features

__all__ = ["CleanView", "evaluating", "head_map"]


class CleanView:
    """One forward pass over clean images, in evaluation mode and without gradient, when first asked for.

    Guides and extra losses share it. What it captures is said beforehand, so that one pass serves all; logits are
    always there.

    Args:
        model: the model being trained; its mode is put back.
        images: (B, C, H, W) float, as the model is fed.
        sees: what is captured, of "logits", "attention", "features".
        autocast: makes the context of the forward pass.

    Example:
        >>> view = CleanView(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), torch.rand(2, 3, 2, 2))
        >>> view.logits().shape, view.logits() is view.logits()
        (torch.Size([2, 5]), True)
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        sees: frozenset[str] = frozenset(),
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self._model, self._images, self._sees, self._autocast = model, images, sees, autocast
        self._seen: dict[str, Tensor] = {}

    @property
    def anatomy(self) -> Anatomy:
        """What the model is made of."""
        return anatomy(self._model)

    def logits(self) -> Tensor:
        """(B, K) float32."""
        return self._look("logits")

    def attention(self) -> Tensor:
        """(B, 1, h, w) float32: what the head's token attends to in the last block, over patches; see `head_map`.

        Raises:
            ModelError: the model has no attention of its own over the whole image.
        """
        return self._look("attention")

    def features(self) -> Tensor:
        """(B, C, h, w) float32: the last feature map, or the patches' tokens after the final norm.

        Raises:
            ModelError: the model has none.
        """
        return self._look("features")

    def class_rows(self) -> Tensor:
        """(K, C) float32: the classifier's weights, one row a class, detached; the mean of a distilled model's two.

        Raises:
            ModelError: the last layer is not linear.
        """
        inner = cast(Any, bare(self._model))
        last = inner.get_classifier() if hasattr(inner, "get_classifier") else None
        layers = last if isinstance(last, tuple) else (last,)
        if not all(isinstance(layer, nn.Linear | nn.Conv2d) for layer in layers):
            raise ModelError(f"Expected a linear last layer with a row per class but got {type(last).__name__}.")
        return torch.stack([layer.weight.detach().flatten(1).float() for layer in layers]).mean(dim=0)

    def _look(self, what: str) -> Tensor:
        if what != "logits" and what not in self._sees:
            raise PluginError(f"The clean images' {what} was asked for but not announced: add {what!r} to `sees`.")
        if not self._seen:
            self._run()
        return self._seen[what]

    def _run(self) -> None:
        def see_attention(attention: BlockAttention) -> None:
            self._seen["attention"] = head_map(attention, made_of, size)

        def see_features(features: Tensor) -> None:
            self._seen["features"] = as_map(features, made_of, size).float()

        made_of, size = self.anatomy, (self._images.shape[-2], self._images.shape[-1])
        with ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            stack.enter_context(evaluating(self._model))
            if "attention" in self._sees:
                last = [made_of.num_blocks - 1]
                stack.enter_context(watch_attention(self._model, see_attention, last))
            if "features" in self._sees:
                stack.enter_context(watch_features(self._model, see_features))
            stack.enter_context(self._autocast())
            logits = self._model(self._images)
        self._seen["logits"] = logits.float()


def head_map(attention: BlockAttention, made_of: Anatomy, size: tuple[int, int]) -> Tensor:
    """Take what the head's token attends to, as a map over patches.

    The row of the class token (with a distillation token, the mean of both), or the mean over patches where the head
    averages. It is not normalised again: what goes to prefix tokens is missing from its sum.

    Args:
        attention: of one block.
        made_of: of the model.
        size: (H, W) of the images in pixels.

    Returns:
        (B, 1, h, w) float32.

    Raises:
        ModelError: the block's windows do not cover the image, so no token attends to all of it.
    """
    if attention.windows is not None and not attention.windows.is_whole:
        grid, window = attention.windows.grid, attention.windows.size
        raise ModelError(
            f"The attention of block {attention.block} lies in windows of {window[0]} x {window[1]} on a grid of "
            f"{grid[0]} x {grid[1]} tokens: no token attends to the whole image."
        )
    grid = made_of.patches_of(size) if attention.windows is None else attention.windows.grid
    row = made_of.read(attention.weights)[:, made_of.num_prefix_tokens :]
    return torch.unflatten(row, 1, grid)[:, None]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put every part of a model into evaluation mode, and back into its own."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
