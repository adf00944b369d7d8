"""What a model is made of, as far as probes care: its tokens, its blocks, and what its head reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

__all__ = ["Anatomy", "anatomy", "attention_blocks", "attention_of", "bare"]

# Poolings whose result is a mean of tokens, or close to one; "token" reads the class token.
_MEANS = ("avg", "avgmax", "max")


@dataclass(frozen=True)
class Anatomy:
    """What probes know of a model.

    Args:
        family: "vit" (all tokens attend to all, ViT, DeiT, Eva), "swin" (windows), "cnn" or "other".
        patch: (h, w) in pixels of one patch; None without patches.
        patch_grid: patches along each side of an image of the model's own size; None without patches.
        grid: the last token map at that size; None where it is not known without running the model.
        pads: whether an image that patches do not divide is padded at its right and bottom; otherwise it is cut.
        num_prefix_tokens: tokens before the patches: class token, distillation token, registers.
        reads: prefix tokens that the head reads; empty where it averages.
        averages_prefix: whether prefix tokens take part in that average.
        num_blocks: blocks with attention, in the order in which they run.
        pooling: the model's own name for what its head does.
        no_attention: why attention cannot be had; empty where it can.
    """

    family: str
    patch: tuple[int, int] | None = None
    patch_grid: tuple[int, int] | None = None
    grid: tuple[int, int] | None = None
    pads: bool = False
    num_prefix_tokens: int = 0
    reads: tuple[int, ...] = ()
    averages_prefix: bool = False
    num_blocks: int = 0
    pooling: str = ""
    no_attention: str = ""

    @property
    def has_class_token(self) -> bool:
        """Whether the head reads a class token."""
        return bool(self.reads)

    def patches_of(self, size: tuple[int, int]) -> tuple[int, int]:
        """Count the patches (rows, columns) of an image of (H, W) pixels."""
        high, wide = cast("tuple[int, int]", self.patch)
        if self.pads:
            return -(-size[0] // high), -(-size[1] // wide)
        return size[0] // high, size[1] // wide

    def side_in_patches(self, size: tuple[int, int]) -> int | None:
        """Count the patches along a side of an image of (H, W) pixels; None unless they are as many each way and cut it
        without remainder.
        """
        if self.patch is None or self.patch_grid is None:
            return None
        rows, columns = self.patches_of(size)
        divides = (rows * self.patch[0], columns * self.patch[1]) == size
        return rows if divides and rows == columns else None

    def read(self, tokens: Tensor) -> Tensor:
        """Bring (B, N, ...) to (B, ...) as the head does: its prefix tokens, else the mean over tokens.

        A head that reads class and distillation token averages two classifiers, so their mean is taken; a maximum over
        tokens has no share of a token and counts as a mean.
        """
        if self.reads:
            return tokens[:, list(self.reads)].mean(dim=1)
        return tokens[:, 0 if self.averages_prefix else self.num_prefix_tokens :].mean(dim=1)


def bare(model: nn.Module) -> nn.Module:
    """Take off the wrapper of data-parallel training."""
    wrapped = isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
    return cast(nn.Module, model.module) if wrapped else model


def anatomy(model: nn.Module) -> Anatomy:
    """Look at a model; nothing is run and nothing is changed.

    Example:
        >>> anatomy(nn.Sequential(nn.Conv2d(3, 8, 3))).no_attention
        'it is a convolutional network (Sequential)'
    """
    model = bare(model)
    if _is_swin(model):
        return _swin(model)
    if any(attention_of(block) is not None for block in _children(model, "blocks")) and _has_grid(model):
        return _vit(model)
    has_attention = any(hasattr(module, "attn_drop") for module in model.modules())
    has_convolution = any(isinstance(module, nn.Conv2d) for module in model.modules())
    name = type(model).__name__
    if has_convolution and not has_attention:
        return Anatomy("cnn", no_attention=f"it is a convolutional network ({name})")
    return Anatomy("other", no_attention=f"its blocks are not those of a ViT, DeiT or Swin ({name})")


def attention_blocks(model: nn.Module) -> list[nn.Module]:
    """List the blocks with attention, in the order in which they run."""
    model = bare(model)
    if _is_swin(model):
        return [block for stage in _children(model, "layers") for block in _children(stage, "blocks")]
    return _children(model, "blocks")


def attention_of(block: nn.Module) -> nn.Module | None:
    """Find the part of a block whose `attn_drop` is given the softmax's result; the block itself where it is one."""
    part = getattr(block, "attn", block)
    return part if isinstance(getattr(part, "attn_drop", None), nn.Module) else None


def _vit(model: nn.Module) -> Anatomy:
    embed = cast(Any, model).patch_embed
    blocks, pooling = attention_blocks(model), str(getattr(model, "global_pool", ""))
    prefix = int(getattr(model, "num_prefix_tokens", -1))
    grid = _pair(embed.grid_size)
    distilled = getattr(model, "dist_token", None) is not None
    token = (0, 1) if distilled else (0,)
    return Anatomy(
        family="vit",
        patch=_pair(embed.feat_ratio(as_scalar=False)),
        patch_grid=grid,
        grid=grid,
        pads=bool(getattr(embed, "dynamic_img_pad", False)),
        num_prefix_tokens=max(prefix, 0),
        reads=token if pooling == "token" else (),
        averages_prefix=bool(getattr(model, "pool_include_prefix", False)),
        num_blocks=len(blocks),
        pooling=pooling,
        no_attention=_why_not(model, blocks, pooling, prefix),
    )


def _swin(model: nn.Module) -> Anatomy:
    embed, pooling = cast(Any, model).patch_embed, str(getattr(model, "global_pool", ""))
    blocks = attention_blocks(model)
    return Anatomy(
        family="swin",
        patch=_pair(embed.patch_size),
        patch_grid=_pair(embed.grid_size),
        grid=_pair(cast(Any, blocks[-1]).input_resolution),
        pads=bool(getattr(embed, "dynamic_img_pad", False)),
        num_blocks=len(blocks),
        pooling=pooling,
        no_attention=_why_not(model, blocks, pooling, 0),
    )


def _why_not(model: nn.Module, blocks: Iterable[nn.Module], pooling: str, prefix: int) -> str:
    """Say what about the model's build hides its attention, or what its head makes of tokens; empty if nothing."""
    if prefix < 0:
        return f"it does not say how many tokens come before the patches ({type(model).__name__})"
    if getattr(model, "attn_pool", None) is not None or pooling not in ("token", *_MEANS):
        return f"its head pools by {pooling!r}, which is neither a token nor a mean"
    if any(attention_of(block) is None for block in blocks):
        return "some of its blocks have no attention matrix"
    if any(hasattr(attention_of(block), "lambda_init") for block in blocks):
        return "its blocks subtract two attention matrices (differential attention)"
    if getattr(getattr(model, "patch_drop", None), "prob", 0.0) > 0:
        return "it leaves out patches during training (patch dropout)"
    return ""


def _is_swin(model: nn.Module) -> bool:
    blocks = [block for stage in _children(model, "layers") for block in _children(stage, "blocks")]
    traits = ("window_size", "shift_size", "input_resolution")
    return bool(blocks) and _has_grid(model) and all(hasattr(block, trait) for block in blocks for trait in traits)


def _has_grid(model: nn.Module) -> bool:
    return getattr(getattr(model, "patch_embed", None), "grid_size", None) is not None


def _children(module: nn.Module, name: str) -> list[nn.Module]:
    found = getattr(module, name, None)
    return list(found.children()) if isinstance(found, nn.Sequential | nn.ModuleList) else []


def _pair(values: Iterable[int] | torch.Size) -> tuple[int, int]:
    first, second = values
    return int(first), int(second)
