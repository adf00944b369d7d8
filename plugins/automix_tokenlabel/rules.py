"""The label rules `transmix` and `tl_align`: they watch the mixed images go through the model."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from automix.errors import ModelError
from automix.mixing import Batch, Card, Choice, Float, Follower, Int, LabelRule, MixedBatch, Requires
from automix.mixing.probes import Anatomy, BlockAttention, head_map, merge_cells
from automix_tokenlabel.functional import aligned, attended_weights, blended, cell_shares, start_tokens

__all__ = ["TLAlign", "TransMix"]


class TransMix(LabelRule):
    """Weigh each source half by its area and half by the attention that its patches get in the last block.

    Args:
        attn: share of attention in the label; 0 leaves the area alone.
        back: which block: 0 for the last, 1 for the one before.
        heads: the mean over heads or the maximum.
        sampling: whether a patch belongs to whom its upper left pixel belongs to, or to each by its pixels.

    Source: Chen et al., CVPR 2022, arXiv 2111.09833, and the official code. Deviations: any number of sources and soft
    shares; a model whose head averages is read by the mean over its patches' attention, one with a distillation token
    by the mean of both tokens (the official code has neither).
    """

    name = "transmix"
    when = "after"
    probes = frozenset({"attention_map"})
    requires = Requires(tasks=("single",), attention=True)
    card: ClassVar[Card] = Card(
        title="TransMix: Attend to Mix for Vision Transformers",
        summary="The label of a mixed image is half its area and half the attention that the class token pays to it.",
        authors="Chen, Sun, He, Torr, Yuille, Bai",
        year=2022,
        arxiv="2111.09833",
        code="Beckschen/TransMix",
        use_when="Vision transformers; published gains on ImageNet are about one point over DeiT's recipe.",
        cost="the last block without fused attention",
        differences="Boxes are sampled at each patch's upper left pixel, as in the official code. Inferred, not "
        "published: soft shares and more than two sources, heads that average (mean over patches' attention), "
        "distillation tokens (mean of both rows). Extensions: another block, the maximum over heads, other shares than "
        "one half.",
    )

    attn = Float(
        0.5, low=0.0, high=1.0, doc="Share of attention in the label; the rest is area.", source="official code"
    )
    back = Int(0, low=0, high=63, doc="Blocks before the last.", source="official code: the last", searched=False)
    heads = Choice(
        "mean",
        choices=("mean", "max"),
        doc="Mean or maximum over heads.",
        source="official code: mean",
        searched=False,
    )
    sampling = Choice(
        "nearest",
        choices=("nearest", "area"),
        doc="Whose a patch is: that of its upper left pixel, or each by its pixels.",
        source="official code: nearest",
        searched=False,
    )

    def follow(self, mixed: MixedBatch, batch: Batch, anatomy: Anatomy) -> Follower | None:
        """Watch one block, unless shares are the same everywhere."""
        if self.back >= anatomy.num_blocks:
            raise ModelError(
                f"Expected `back` below {anatomy.num_blocks}, the number of blocks, but got {self.back} (transmix)."
            )
        cells = _cells(mixed, batch, anatomy, self.sampling)
        return None if cells is None else _Attending(self, mixed, cells, anatomy, batch.size)


class TLAlign(LabelRule):
    """Give every patch the label of its pixels and carry the labels through the blocks with the model's attention.

    Args:
        update: share of what attention brings in each block; the rest is the residual connection's.
        depth: share of the blocks, the last ones, through which labels are carried; at least one.
        blend: share of the aligned label; the rest is area.
        sampling: whether a patch belongs to each source by its pixels, or to whom its upper left pixel belongs to.

    Source: Xiao et al., ICCV 2023, arXiv 2210.06455, and the official code. One number per token and source is carried
    instead of K class probabilities, which is the same. Deviations: any number of sources and soft shares; heads that
    average, distillation tokens and registers; Swin.
    """

    name = "tl_align"
    when = "after"
    probes = frozenset({"attention"})
    requires = Requires(tasks=("single",))
    card: ClassVar[Card] = Card(
        title="Token-Label Alignment for Vision Transformers",
        summary="Labels of patches travel through the blocks as their values do; what reaches the head is the target.",
        authors="Xiao, Zheng, Zhu, Zhou, Lu",
        year=2023,
        arxiv="2210.06455",
        code="Euphoria16/TL-Align",
        use_when="Vision transformers and Swin; published gains on ImageNet are 0.2 to 1 point.",
        cost="all aligned blocks without fused attention, and one small product in each",
        differences="Published and official: all blocks, update one half, class token's row. Inferred, not published: "
        "soft shares and more than two sources, Swin (windows, merging and mean pooling followed; no official code), "
        "heads that average, distillation tokens (mean of both rows) and registers (area label). Extensions: update, "
        "depth and blend.",
    )

    update = Float(
        0.5,
        low=0.0,
        high=0.9,
        search=(0.1, 0.9),
        doc="Share of what attention brings in each block.",
        source="official code: 0.5",
    )
    depth = Float(
        1.0,
        low=0.0,
        high=1.0,
        search=(0.2, 1.0),
        doc="Share of the blocks, the last ones, that labels are carried through.",
        source="official code: all; an extension",
    )
    blend = Float(
        1.0,
        low=0.0,
        high=1.0,
        search=(0.2, 1.0),
        doc="Share of the aligned label; the rest is area.",
        source="official code: 1; an extension",
    )
    sampling = Choice(
        "area",
        choices=("area", "nearest"),
        doc="Whose a patch is: each by its pixels, or that of its upper left pixel.",
        source="official boxes cut no patch, so that both are the same",
        searched=False,
    )

    def follow(self, mixed: MixedBatch, batch: Batch, anatomy: Anatomy) -> Follower | None:
        """Watch the last blocks, unless shares are the same everywhere: then alignment changes nothing."""
        cells = _cells(mixed, batch, anatomy, self.sampling)
        return None if cells is None else _Aligning(self, mixed, cells, anatomy)


def _cells(mixed: MixedBatch, batch: Batch, anatomy: Anatomy, how: str) -> Tensor | None:
    """(B', S, h, w): the shares of the model's patches; None where they are the same everywhere."""
    if anatomy.patch is None:
        raise ModelError(f"Expected a model with patches but {anatomy.no_attention}.")
    if mixed.sources.shape[1] == 1 or mixed.shares(2, 2, how).shape[-2:] == (1, 1):
        return None
    return cell_shares(mixed.shares, batch.size, anatomy.patch, anatomy.patches_of(batch.size), how)


class _Attending(Follower):
    """Takes the attention of one block over patches, and weighs sources by it."""

    def __init__(
        self, rule: TransMix, mixed: MixedBatch, cells: Tensor, anatomy: Anatomy, size: tuple[int, int]
    ) -> None:
        self.blocks, self.heads = [anatomy.num_blocks - 1 - rule.back], rule.heads
        self._share, self._area, self._cells, self._anatomy, self._size = rule.attn, mixed.weights, cells, anatomy, size
        self._row, self._found = cells.sum(dim=1), mixed.weights

    def see(self, attention: BlockAttention) -> None:
        """Weigh sources by the row that the head reads."""
        row, cells = head_map(attention, self._anatomy, self._size), self._cells
        if attention.windows is not None:
            fine, coarse = (cells.shape[-2], cells.shape[-1]), attention.windows.grid
            merged = merge_cells(cells.flatten(2).transpose(1, 2), fine, coarse)
            cells = torch.unflatten(merged.transpose(1, 2), 2, coarse)
        self._row, self._found = row[:, 0], attended_weights(row, cells, self._area)

    def weights(self) -> Tensor:
        """(B', S): area and attention, blended."""
        return blended(self._area, self._found, self._share)

    def picture(self) -> Tensor:
        """(B', h, w): attention over patches, from the lowest to the highest."""
        low, high = self._row.amin(dim=(1, 2), keepdim=True), self._row.amax(dim=(1, 2), keepdim=True)
        return (self._row - low) / (high - low).clamp_min(torch.finfo(torch.float32).tiny)


class _Aligning(Follower):
    """Carries one number per token and source through the blocks.

    Of S shares that sum to 1 the first follows from the others, so S - 1 are carried: one for a pair.
    """

    def __init__(self, rule: TLAlign, mixed: MixedBatch, cells: Tensor, anatomy: Anatomy) -> None:
        n_blocks = max(1, math.ceil(rule.depth * anatomy.num_blocks - 1e-9))
        self.blocks = range(anatomy.num_blocks - n_blocks, anatomy.num_blocks)
        self._update, self._blend, self._area, self._anatomy = rule.update, rule.blend, mixed.weights, anatomy
        self._grid = (cells.shape[-2], cells.shape[-1])
        self._tokens = start_tokens(cells, mixed.weights, anatomy.num_prefix_tokens)[..., 1:].contiguous()

    def see(self, attention: BlockAttention) -> None:
        """Carry the shares through a block, merged first where the model has merged its tokens."""
        if attention.windows is not None and attention.windows.grid != self._grid:
            self._tokens = merge_cells(self._tokens, self._grid, attention.windows.grid)
            self._grid = attention.windows.grid
        self._tokens = aligned(self._tokens, attention.mix(self._tokens), self._update)

    def weights(self) -> Tensor:
        """(B', S): what reached the head, blended with the area."""
        others = self._anatomy.read(self._tokens)
        found = torch.cat((1.0 - others.sum(dim=1, keepdim=True), others), dim=1).clamp_(min=0.0)
        return blended(self._area, found, self._blend)

    def picture(self) -> Tensor:
        """(B', h, w): how much of what reached each patch is of other sources than the first."""
        patches = self._tokens[:, self._anatomy.num_prefix_tokens :]
        return torch.unflatten(patches.sum(dim=2), 1, self._grid)
