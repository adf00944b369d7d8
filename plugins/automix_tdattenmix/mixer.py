"""TdAttenMix: the partner's most important window over the own image's least important one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from automix.errors import PolicyError
from automix.mixing import (
    Batch,
    Card,
    Choice,
    Component,
    Float,
    Int,
    LossContext,
    MixPlan,
    ModelInfo,
    PairMixer,
    PairPlan,
    RandomPairing,
    Requires,
)
from automix.mixing.probes import Anatomy
from automix.mixing.shares import box_coverage, pair_shares, resample_mask
from automix_tdattenmix.functional import (
    attention_ratio,
    best_windows,
    carry_windows,
    paste_windows,
    side_range,
    window_boxes,
    window_grid,
    window_sums,
)
from automix_tdattenmix.losses import consistency_loss, token_loss
from automix_tdattenmix.plan import WindowPlan

__all__ = ["TdAttenMix"]

_HEAD = "token_head"
_UNGUIDED = "windows are drawn at random there and labels follow the area"


class TdAttenMix(PairMixer):
    """Paste the window of the partner that its map rates highest over the window that the own map rates lowest.

    Windows are squares of r x r cells, r uniform over ``floor(side * min_side_ratio) .. floor(side * max_side_ratio)``.
    With the area's share ``lam_area`` of what is kept and the attention's ``lam_attn = S_T / (S_T + S_S)``, where S_T
    is what the own map holds outside of its window and S_S what the partner's map holds inside of its own, the label
    weight is ``lam = beta * lam_area + (1 - beta) * lam_attn``.

    Two losses may be added. Consistency: the prediction for the mixed image is drawn to the softmax of the mixed logits
    of the clean ones. Tokens (transformers): the mean token of each part is classified by a head of its own as the
    image that it comes from.

    Args:
        grid: cells along each side; 0 for the guide's grid (see `automix_tdattenmix.functional.window_grid`).
        min_side_ratio, max_side_ratio: of the window's side.
        beta: share of the area in the label weight; 1 for CutMix's labels, 0 for attention alone.
        lam_mode: "batch_official" reproduces two defects of the released code: S_T and S_S are summed over the whole
            batch, which gives one lam_attn for all rows, and S_S is read from the target's own map at the place of the
            source's window.
        w_con, w_fine: weights of the two losses; 0 leaves one out.
        prob, prob_unit: as in every pair mixer.
        draw_unit: "batch" draws one r per batch as the released code does.

    Source: Wang, Gu, Lu, AAAI 2025, arXiv 2501.15409, as far as the released code (morning12138/TdAttenMix) shows it;
    the paper's body was not read. Deviations: ties are broken at random (the code takes the first window, or on a GPU
    any); r and lam per image by default.

    Example:
        >>> maps = torch.tensor([[[0.0, 0, 0], [0, 1, 2], [0, 2, 3]], [[4.0, 4, 1], [4, 4, 1], [1, 1, 1]]])
        >>> mixer = TdAttenMix(min_side_ratio=0.7, max_side_ratio=0.7)
        >>> plan = mixer.decide_by(maps, (6, 6), torch.tensor([1, 0]), 2, torch.Generator().manual_seed(0))
        >>> plan.source_boxes.tolist(), plan.boxes.tolist()
        ([[0, 0, 4, 4], [2, 2, 6, 6]], [[0, 0, 4, 4], [2, 2, 6, 6]])
        >>> plan.lam  # half of the area's 5 / 9, half of attention's 7 / (7 + 16) and 14 / (14 + 8)
        tensor([0.4300, 0.5960])
    """

    name = "tdattenmix"
    card = Card(
        title="TdAttenMix: Top-Down Attention Guided Mixup",
        summary="The partner's most important window is pasted over the image's least important one; the label follows "
        "area and attention.",
        authors="Wang, Gu, Lu",
        year=2025,
        arxiv="2501.15409",
        code="morning12138/TdAttenMix",
        use_when="Objects are small against the picture. In an independent comparison on CIFAR-100 it stays behind "
        "plain CutMix on small ViTs.",
        cost="the guide, and one forward pass of the clean images for the consistency loss; with self_attention they "
        "are one pass",
        differences="Known from the released code, not from the paper's text. Ties between windows are broken at "
        "random; the window's size and the label weight are per image (draw_unit batch and lam_mode batch_official are "
        "the released ways); any guide, any grid.",
    )
    reads = frozenset({"pairing", "guide", "labels"})
    defaults: ClassVar[Mapping[str, Component]] = {"pairing": RandomPairing()}
    plan_type = WindowPlan
    requires = Requires(tasks=("single",), min_size_px=4)
    share_equals_weight = False
    probes = frozenset({"features"})
    dtypes = (torch.float32, torch.bfloat16, torch.float16, torch.uint8)

    grid = Int(
        0,
        low=0,
        high=64,
        doc="Cells along each side of the picture; 0 for the guide's grid.",
        source="released code: 14",
        searched=False,
    )
    min_side_ratio = Float(
        0.25, low=0.05, high=0.9, search=(0.1, 0.5), doc="Smallest side of a window.", source="released code: 0.25"
    )
    max_side_ratio = Float(
        0.75, low=0.05, high=0.9, search=(0.4, 0.9), doc="Largest side of a window.", source="released code: 0.75"
    )
    beta = Float(
        0.5,
        low=0.0,
        high=1.0,
        doc="Share of the area in the label weight; the rest is attention's.",
        source="released code: 0.5, a literal",
    )
    lam_mode = Choice(
        "per_sample",
        choices=("per_sample", "batch_official"),
        doc="Whose attention is summed: each row's, or the whole batch's with the released code's two defects.",
        source="released code: batch_official",
        searched=False,
    )
    w_con = Float(1.0, low=0.0, high=10.0, search=(0.0, 2.0), doc="Weight of the consistency loss.", source="code: 1")
    w_fine = Float(
        1.0,
        low=0.0,
        high=10.0,
        search=(0.0, 2.0),
        doc="Weight of the token loss; without effect on models that have no tokens.",
        source="released code: 1 for ViTs",
    )
    ordered = (("min_side_ratio", "max_side_ratio"),)

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> WindowPlan:
        """Draw sides and ties; the maps decide the rest."""
        maps = self._known(self.importance(batch))
        grid = self._grid(maps, batch.size)
        return self.decide_by(resample_mask(maps, *grid, "area"), batch.size, perm, len(lam), generator)

    def decide_by(
        self, maps: Tensor, size: tuple[int, int], perm: Tensor, units: int, generator: torch.Generator
    ) -> WindowPlan:
        """Make the plan from maps at hand.

        Args:
            maps: (B, h, w) float32, finite and non-negative, on any device; its cells are the grid.
            size: (H, W) of the pictures.
            perm: (B,) int64, CPU.
            units: B for a side per row; 1 for one side in the whole batch.
            generator: CPU generator.
        """
        low, high = side_range((maps.shape[1], maps.shape[2]), self.min_side_ratio, self.max_side_ratio)
        sides = (low + torch.rand(units, generator=generator) * (high + 1 - low)).long().expand(len(perm))
        ties = torch.rand(2, len(perm), generator=generator)
        device = maps.device
        partners, sides, ties = perm.to(device), sides.to(device), ties.to(device)
        source = best_windows(maps[partners], sides, ties[0], largest=True)
        target = best_windows(maps, sides, ties[1], largest=False)
        pasted, covered = (window_boxes(w, sides, (maps.shape[1], maps.shape[2]), size).cpu() for w in (source, target))
        plan = WindowPlan.from_windows(perm, pasted, covered, size)
        return plan.replaced(lam=self._blended(plan, *self._kept_and_pasted(maps, partners, source, target, sides)))

    def _kept_and_pasted(
        self, maps: Tensor, partners: Tensor, source: Tensor, target: Tensor, sides: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(B,) float64 each, CPU: S_T and S_S."""
        kept = maps.double().sum(dim=(1, 2)) - window_sums(maps, target, sides)
        looked_at = maps if self.lam_mode == "batch_official" else maps[partners]
        pasted = window_sums(looked_at, source, sides)
        # What is left of a difference of equal numbers is no attention.
        return kept.clamp(min=0.0).cpu(), pasted.cpu()

    def _blended(self, plan: WindowPlan, kept: Tensor, pasted: Tensor) -> Tensor:
        """(B,) float32: area and attention, blended; 1 where nothing is pasted."""
        is_mixed = plan.lam < 1.0
        if self.lam_mode == "batch_official":
            kept, pasted = ((part * is_mixed).sum().expand(len(part)) for part in (kept, pasted))
        if bool(((kept + pasted == 0) & is_mixed).any()):
            self._warn_once("maps", f"found maps in which nothing stands out: {_UNGUIDED}")
        lam_attn = attention_ratio(kept, pasted, otherwise=plan.lam)
        lam = self.beta * plan.lam.double() + (1.0 - self.beta) * lam_attn
        return torch.where(is_mixed, lam, 1.0).float()

    def _known(self, maps: Tensor) -> Tensor:
        """Return the maps with those that are not finite made flat."""
        is_known = maps.flatten(1).isfinite().all(dim=1)
        if not bool(is_known.all()):
            found = f"NaN or infinity from the guide {self.guide.name!r}"
            self._warn_once("maps", f"got maps with {found}: {_UNGUIDED}")
            maps = torch.where(is_known[:, None, None, None], maps, 0.0)
        return maps

    def _grid(self, maps: Tensor, size: tuple[int, int]) -> tuple[int, int]:
        if self.grid == 0:
            return window_grid((maps.shape[2], maps.shape[3]), size)
        if not 2 <= self.grid <= min(size):
            raise PolicyError(
                f"Expected `grid` from 2 to {min(size)} for pictures of {size[0]} x {size[1]} but got {self.grid} "
                "(mixer tdattenmix): use the model's patch grid, or 0 for the guide's."
            )
        return self.grid, self.grid

    def _warn_once(self, about: str, text: str) -> None:
        told: set[str] = self.__dict__.setdefault("_told", set())
        if about not in told:
            told.add(about)
            warnings.warn(f"tdattenmix {text}. This is said once.", stacklevel=2)

    def move(self, images: Tensor, plan: WindowPlan, out: Tensor) -> Tensor:
        """Paste windows."""
        return paste_windows(images, plan.perm, plan.source_boxes, plan.boxes, out)

    def shares(self, plan: WindowPlan, h: int, w: int, how: str) -> Tensor:
        """Return the boxes' coverage of each cell, in closed form."""
        return pair_shares(box_coverage(plan.boxes, plan.size, h, w, how))

    def carry(self, maps: Tensor, plan: MixPlan) -> Tensor:
        """Cut the box out of the own map, and move the partner's map from the source box into it."""
        if not isinstance(plan, WindowPlan):
            return super().carry(maps, plan)
        plan = plan.to(maps.device)
        own, partner = maps[plan.sources][:, :, 0].float().unbind(dim=1)
        covered = box_coverage(plan.boxes, plan.size, maps.shape[-2], maps.shape[-1], "area")
        moved = carry_windows(partner, plan.source_boxes, plan.boxes, plan.size)
        return torch.stack((own * (1.0 - covered), moved), dim=1)

    def keep_own(self, plan: PairPlan, rows: Tensor) -> PairPlan:
        """Empty the boxes of the rows as well."""
        kept = super().keep_own(plan, rows)
        if not isinstance(plan, WindowPlan):
            return kept
        empty = {name: getattr(plan, name).masked_fill(rows[:, None], 0) for name in ("boxes", "source_boxes")}
        return kept.replaced(**empty)

    @property
    def has_loss(self) -> bool:
        """Whether one of the two losses counts."""
        return self.w_con > 0 or self.w_fine > 0

    def extra_modules(self, info: ModelInfo) -> Mapping[str, nn.Module]:
        """Return the token loss's head, for a model with tokens."""
        if not self.w_fine or info.anatomy is None or not _has_tokens(info.anatomy):
            return {}
        return {_HEAD: nn.Linear(info.num_features, info.num_classes)}

    def loss(self, context: LossContext) -> Tensor | None:
        """Return ``w_con * consistency + w_fine * tokens`` for a mixed batch."""
        if context.mixed.plan is None:
            return None
        parts = []
        if self.w_con:
            parts.append(self.w_con * consistency_loss(context.logits, context.clean_logits(), context.mixed))
        if self.w_fine and _HEAD in context.extra:
            head, features = context.extra[_HEAD], context.probes["features"]
            parts.append(self.w_fine * token_loss(features, head, context.batch, context.mixed))
        elif self.w_fine and _has_tokens(context.clean.anatomy):
            self._warn_once(
                "head",
                "leaves out its token loss, because nobody made its head: call `mix.extra_modules(info)` before "
                "training and train what it returns along, or set `w_fine` to 0",
            )
        return torch.stack(parts).sum() if parts else None


def _has_tokens(anatomy: Anatomy) -> bool:
    return anatomy.family in ("vit", "swin")
