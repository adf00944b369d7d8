"""What is looked at while images are mixed, laid over them: maps of guides, windows, and what reached each patch.

Numbers and tinted pictures only; the contact sheet draws them as rows of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automix.mixing import MixedBatch, Observed
from automix.mixing.probes import anatomy, evaluating, watch_attention

if TYPE_CHECKING:
    from automix.mixing import Batch, MixPlan
    from automix.policy.step import CompiledBranch

__all__ = ["Look", "looks", "outlined", "tinted"]

_HEAT = (0.86, 0.10, 0.13)
_STRONGEST = 0.75
_WINDOW = (0.98, 0.82, 0.10)


@dataclass(frozen=True, eq=False)
class Look:
    """One way to look at a mixed batch.

    Args:
        name: what is laid over the pictures.
        images: (B', 3, H, W) float32 in [0, 1].
        mixed: with the label weights that belong to it; None where it shows no mixed images.
    """

    name: str
    images: Tensor
    mixed: MixedBatch | None = None


def looks(
    branch: CompiledBranch,
    plan: MixPlan,
    mixed: MixedBatch,
    batch: Batch,
    model: nn.Module | None,
    *,
    clean: Tensor,
    shown: Tensor,
) -> Iterator[Look]:
    """Show where a branch's guide finds content, which windows that led to, and what its label rule saw.

    Args:
        branch: of a policy.
        plan: from its mixer.
        mixed: what the plan made.
        batch: the clean batch.
        model: on the CPU; None where there is none, and then nothing is said of what needs it.
        clean: (B, C, H, W) the clean images in [0, 1].
        shown: (n, C, H, W) the first mixed images in [0, 1], as many as are to be shown.
    """
    if "guide" in branch.mixer.slots and (model is not None or not branch.mixer.sees):
        yield from _guide(branch, plan, batch, clean, len(shown))
    follower = None if model is None else branch.labels.follow(mixed, batch, anatomy(model))
    if model is None or follower is None:
        return
    with torch.no_grad(), evaluating(model), watch_attention(model, follower.see, follower.blocks, follower.heads):
        logits = model(mixed.images)
    picture = follower.picture()
    if picture is not None:
        ruled = branch.labels.after(mixed, batch, Observed(logits, follower))
        yield Look(f"{branch.labels.name}:\nseen", tinted(shown, picture[: len(shown)]), ruled)


def _guide(branch: CompiledBranch, plan: MixPlan, batch: Batch, clean: Tensor, n: int) -> Iterator[Look]:
    """Show maps over the own images, then over their partners, each with the window that is taken or overwritten."""
    maps = branch.mixer.importance(batch)[:, 0]
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    maps = (maps - low) / (high - low).clamp_min(torch.finfo(torch.float32).tiny)
    boxes: Tensor | None = getattr(plan, "boxes", None)
    windows = {"own": boxes, "partner": getattr(plan, "source_boxes", boxes)}
    rows = {"own": plan.sources[:n, 0], "partner": plan.sources[:n, -1]}
    for half, window in windows.items():
        pictures = tinted(clean[rows[half]], maps[rows[half]])
        name = f"{branch.mixer.guide.name}:\n{half}"
        yield Look(name, pictures if window is None else outlined(pictures, window[:n]))


def tinted(images: Tensor, maps: Tensor) -> Tensor:
    """Tint grey copies of images where a map is high, cell by cell.

    Args:
        images: (B, C, H, W) float in [0, 1], grey or colour.
        maps: (B, h, w) float in [0, 1].

    Returns:
        (B, 3, H, W) float32.
    """
    size = (images.shape[-2], images.shape[-1])
    strength = _STRONGEST * F.interpolate(maps[:, None].float().clamp(0.0, 1.0), size, mode="nearest")
    heat = torch.tensor(_HEAT)[:, None, None]
    # Without their colours, so that a red coat is not taken for a warm place.
    grey = images.float().mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    return torch.lerp(grey, heat.expand_as(grey), strength)


def outlined(images: Tensor, boxes: Tensor) -> Tensor:
    """Draw the edge of a box into each image; empty ones are left out.

    Args:
        images: (B, 3, H, W) float32.
        boxes: (B, 4) int64: y0, x0, y1, x1 in pixels, ends excluded.

    Returns:
        A copy.
    """
    drawn, colour = images.clone(), torch.tensor(_WINDOW)[:, None, None]
    thickness = max(1, images.shape[-1] // 64)
    for image, (y0, x0, y1, x1) in zip(drawn, boxes.tolist(), strict=True):
        if y1 > y0 and x1 > x0:
            inside = image[:, y0 + thickness : y1 - thickness, x0 + thickness : x1 - thickness].clone()
            image[:, y0:y1, x0:x1] = colour
            image[:, y0 + thickness : y1 - thickness, x0 + thickness : x1 - thickness] = inside
    return drawn
