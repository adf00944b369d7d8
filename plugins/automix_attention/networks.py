"""A vision transformer with feedback: what it found is sent back through decoders and bends a second pass.

After AbSViT (Shi, Darrell, Wang, CVPR 2023, arXiv 2303.13043). Modules and parameters are named as in its released
weights, so that these can be loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automix_attention.functional import similarity

__all__ = ["FeedbackViT", "Shape", "from_tensors", "to_tensors"]

_EPS = 1e-6


@dataclass(frozen=True)
class Shape:
    """What a network is made of.

    Args:
        grid: patches (rows, columns).
        patch: side of a patch in pixels.
        channels: of the images.
        width: C, of the tokens; a multiple of ``heads``.
        depth: blocks.
        heads: of the attention.
        num_classes: K.
    """

    grid: tuple[int, int]
    patch: int
    channels: int
    width: int
    depth: int
    heads: int
    num_classes: int

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) in pixels that the network takes."""
        return self.grid[0] * self.patch, self.grid[1] * self.patch


class FeedbackViT(nn.Module):
    """A ViT with one feedback decoder per block and a prompt, a direction that stands for "anything".

    Args:
        shape: its sizes.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width, n = shape.width, shape.grid[0] * shape.grid[1]
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + n, width))
        self.prompt = nn.Parameter(torch.zeros(width))
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(shape.channels, width, shape.patch, stride=shape.patch)
        self.blocks = nn.ModuleList(_Block(width, shape.heads) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(width, eps=_EPS)
        self.decoders = nn.ModuleList(_Decoder(width) for _ in range(shape.depth))
        self.head = nn.Linear(width, shape.num_classes)

    @classmethod
    def seeded(cls, shape: Shape, generator: torch.Generator) -> FeedbackViT:
        """Make a network with fresh weights (timm's ViT initialisation) from a CPU generator."""
        with torch.device("meta"):  # so that no layer draws from the global generator
            network = cls(shape)
        network.to_empty(device="cpu")
        for name, parameter in network.named_parameters():
            if name.endswith("bias") or name == "cls_token":
                nn.init.zeros_(parameter)
            elif "norm" in name:
                nn.init.ones_(parameter)
            elif name == "prompt":
                nn.init.normal_(parameter, generator=generator)
            else:
                nn.init.trunc_normal_(parameter, std=0.02, generator=generator)
        return network

    def resized(self, images: Tensor) -> Tensor:
        """Bring images (B, C, H, W) to the size that the network takes."""
        if images.shape[-2:] == self.shape.image_size:
            return images
        return F.interpolate(images, self.shape.image_size, mode="bilinear", antialias=True)

    def tokens(
        self, images: Tensor, feedback: Sequence[Tensor] | None = None, trace: list[tuple[Tensor, Tensor]] | None = None
    ) -> Tensor:
        """Run the blocks and the last norm.

        Args:
            images: (B, channels, *shape.image_size).
            feedback: one (B, 1 + N, C) per block, or None for a pass from the bottom up.
            trace: takes the input and output of each block.

        Returns:
            (B, 1 + N, C), the class token first.
        """
        patches = cast(nn.Module, self.patch_embed.proj)(images).flatten(2).transpose(1, 2)
        hidden = torch.cat((self.cls_token.expand(len(images), -1, -1), patches), dim=1) + self.pos_embed
        for number, block in enumerate(self.blocks):
            entering = hidden
            hidden = block(entering, None if feedback is None else feedback[number])
            if trace is not None:
                trace.append((entering, hidden))
        return cast(Tensor, self.norm(hidden))

    def feedback(self, tokens: Tensor, direction: Tensor, sigma: float) -> list[Tensor]:
        """Send tokens that agree with a direction back, from the last block to the first.

        ``T`` starts as the tokens times their similarity with the direction; at each block ``T <- D(T)``, and the block
        gets ``sigma * E(T)``.

        Args:
            tokens: (B, 1 + N, C) of the first pass.
            direction: (B, C).
            sigma: strength.

        Returns:
            For each block (B, 1 + N, C).
        """
        signal = tokens * similarity(tokens, direction)[..., None]
        sent: list[Tensor] = []
        for decoder in list(self.decoders)[::-1]:
            signal, back = decoder(signal)
            sent.append(sigma * back)
        return sent[::-1]

    def attend(self, images: Tensor, direction: Tensor, sigma: float) -> Tensor:
        """Run both passes; ``sigma`` 0 leaves the second one out: what is seen without expecting anything.

        A second pass with feedback 0 would not be the first one: its values get the bias of their projection twice.

        Returns:
            (B, 1 + N, C).
        """
        tokens = self.tokens(images)
        if sigma == 0.0:
            return tokens
        return self.tokens(images, self.feedback(tokens, direction, sigma))

    def reconstruction(self, trace: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the squared error with which decoders tell a block's input from its output, mean per block, summed.

        Only the decoders learn from it.
        """
        errors = [
            F.mse_loss(decoder(after.detach())[0], before.detach())
            for decoder, (before, after) in zip(self.decoders, trace, strict=True)
        ]
        return torch.stack(errors).sum()


class _Block(nn.Module):
    """Attention and a perceptron, each after a norm and beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_EPS)
        self.attn = _Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = nn.Module()
        self.mlp.fc1 = nn.Linear(width, 4 * width)
        self.mlp.fc2 = nn.Linear(4 * width, width)

    def forward(self, hidden: Tensor, feedback: Tensor | None) -> Tensor:
        hidden = hidden + self.attn(self.norm1(hidden), feedback)
        inner = F.gelu(cast(nn.Module, self.mlp.fc1)(self.norm2(hidden)))
        return cast(Tensor, hidden + cast(nn.Module, self.mlp.fc2)(inner))


class _Attention(nn.Module):
    """Self-attention whose values, and only they, take in feedback."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, hidden: Tensor, feedback: Tensor | None) -> Tensor:
        query, key, value = self.qkv(hidden).chunk(3, dim=-1)
        if feedback is not None:
            weight, bias = self.qkv.weight.chunk(3)[2], self.qkv.bias.chunk(3)[2]
            value = value + F.linear(feedback, weight, bias)
        split = [part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (query, key, value)]
        mixed = F.scaled_dot_product_attention(*split)
        return cast(Tensor, self.proj(mixed.transpose(1, 2).flatten(2)))


class _Decoder(nn.Module):
    """One step back: towards the block's input, and what the block is told."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width, bias=False)
        self.linear2 = nn.Linear(width, width, bias=False)

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        signal = self.linear(signal)
        return signal, self.linear2(signal)


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
