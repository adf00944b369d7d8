"""Attention of the blocks of a vision transformer, handed on block by block while the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from automix.errors import ModelError
from automix.mixing.probes.anatomy import anatomy, attention_blocks, attention_of, bare
from automix.mixing.probes.windows import Windows

__all__ = ["AttentionConsumer", "BlockAttention", "refuse_wrapped", "watch_attention"]


@dataclass(frozen=True, eq=False)
class BlockAttention:
    """What the tokens of one block attend to, over all heads, detached.

    Args:
        block: number of the block, from 0.
        weights: (B, N, N) float32, or (B * n_windows, n, n) within windows: row i holds what token i attends to, after
            the softmax and before dropout. Rows sum to 1 for the mean over heads.
        windows: where the windows lie; None where all tokens attend to all.
    """

    block: int
    weights: Tensor
    windows: Windows | None = None

    def mix(self, tokens: Tensor) -> Tensor:
        """Average a quantity of tokens (B, N, S) as the block averages their values; prefix tokens come first."""
        return self.weights @ tokens if self.windows is None else self.windows.mix(self.weights, tokens)


AttentionConsumer = Callable[[BlockAttention], None]
"""Called once for each block that is watched, in order, without gradient and outside of autocast."""


@contextmanager
def watch_attention(
    model: nn.Module, consumer: AttentionConsumer, blocks: Sequence[int] | None = None, heads: str = "mean"
) -> Iterator[None]:
    """Hand the attention of some blocks to ``consumer`` while the model runs once inside the `with` block.

    Fused attention, which never has the matrix, is switched off in those blocks and put back afterwards. Nothing is
    kept here: a map lives as long as its consumer keeps it.

    Args:
        model: like timm's ViT, DeiT, Eva or Swin; may be wrapped in DistributedDataParallel.
        consumer: takes a `BlockAttention`.
        blocks: which, from 0; all where None.
        heads: "mean" or "max" over heads.

    Raises:
        ModelError: the model has no attention to watch, or cannot be watched as it is used (torch.compile, gradient
            checkpointing, several runs); raised at the end where not every block was seen once.
    """
    if reason := anatomy(model).no_attention:
        raise ModelError(f"The attention of this model cannot be watched: {reason}.")
    refuse_wrapped(model)
    parts = attention_blocks(model)
    wanted = list(range(len(parts))) if blocks is None else sorted(blocks)
    if wanted and not 0 <= wanted[0] <= wanted[-1] < len(parts):
        raise ModelError(f"Expected blocks from 0 to {len(parts) - 1} but got {wanted}.")
    seen: list[int] = []
    watchers = [_Watcher(number, parts[number], consumer, heads, seen) for number in wanted]
    try:
        for watcher in watchers:
            watcher.begin()
        yield
    finally:
        for watcher in watchers:
            watcher.end()
    if seen != wanted:
        raise ModelError(f"Expected the attention of the blocks {wanted} once each but got that of {seen}.")


def refuse_wrapped(model: nn.Module) -> None:
    """Refuse a model whose hooks would not fire, or fire twice.

    Raises:
        ModelError: it is compiled, or recomputes its activations in the backward pass.
    """
    modules = list(bare(model).modules())
    compiled = any(hasattr(m, "_orig_mod") or m._compiled_call_impl is not None for m in modules)
    if compiled:
        raise ModelError(
            "This model is compiled (torch.compile), and a compiled graph does not call the hooks through which "
            "attention is seen: train it as it is, or with a policy that does not look into the model."
        )
    # The forward pass that is repeated for the gradients would run with fused attention, against what was recorded.
    if torch.is_grad_enabled() and any(getattr(m, "grad_checkpointing", False) is True for m in modules):
        raise ModelError(
            "This model repeats its forward pass for the gradients (gradient checkpointing), which would not be the "
            "pass that was watched: call `model.set_grad_checkpointing(False)`."
        )


class _Watcher:
    """The hooks on one block, for the time of one forward pass."""

    def __init__(self, number: int, block: nn.Module, consumer: AttentionConsumer, heads: str, seen: list[int]) -> None:
        self.number, self.block, self.consumer, self.heads, self.seen = number, block, consumer, heads, seen
        self.attention = cast(Any, attention_of(block))
        self.was_fused = getattr(self.attention, "fused_attn", None)
        self.grid: tuple[int, int] | None = None
        self.handles: list[Any] = []

    def begin(self) -> None:
        if self.was_fused is not None:
            self.attention.fused_attn = False
        self.handles.append(self.attention.attn_drop.register_forward_pre_hook(self._see))
        if hasattr(self.block, "window_size"):
            self.handles.append(self.block.register_forward_pre_hook(self._note_grid))

    def end(self) -> None:
        for handle in self.handles:
            handle.remove()
        if self.was_fused is not None:
            self.attention.fused_attn = self.was_fused

    def _note_grid(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        self.grid = (int(args[0].shape[1]), int(args[0].shape[2]))

    def _see(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        attention: Tensor = args[0].detach()
        reduce = partial(torch.mean, dtype=torch.float32) if self.heads == "mean" else torch.amax
        with torch.no_grad(), torch.autocast(attention.device.type, enabled=False):
            self.seen.append(self.number)
            self.consumer(BlockAttention(self.number, reduce(attention, dim=1).float(), self._windows()))

    def _windows(self) -> Windows | None:
        if self.grid is None:
            return None
        block = cast(Any, self.block)
        return Windows(self.grid, tuple(block.window_size), tuple(block.shift_size))
