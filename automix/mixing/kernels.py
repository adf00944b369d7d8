"""The three ways pixels move: blend, paste boxes, blend by mask. Eager PyTorch, any device, chosen by size.

Every kernel writes into ``out`` and leaves ``images`` alone. Rows are small (32 px) or big (224 px), and what is fast
differs: for small rows the cost is dispatch, so one vectorised call over the batch wins; for big rows on a CPU it is
memory traffic, so a loop that keeps one row in the cache wins (measured in ``benchmarks/kernels.py``).
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["blend", "blend_mask", "combine", "paste_boxes"]

# Bytes per image from which a loop over rows beats one vectorised call on a CPU (benchmarks/kernels.py).
_BIG_ROW = 1 << 17


def _by_rows(images: Tensor) -> bool:
    return images.device.type == "cpu" and images.numel() * images.element_size() >= _BIG_ROW * len(images)


def _column(values: Tensor, images: Tensor) -> Tensor:
    """(B,) to (B, 1, 1, 1) in the dtype of the images."""
    return values.to(images.dtype).view(-1, 1, 1, 1)


def blend(images: Tensor, perm: Tensor, lam: Tensor, out: Tensor) -> Tensor:
    """Write ``lam_i * x_i + (1 - lam_i) * x_perm(i)``.

    Args:
        images: (B, C, H, W) floating.
        perm: (B,) int64 on the images' device.
        lam: (B,) float on the images' device.
        out: like images; overwritten.

    Returns:
        ``out``. Where ``perm[i] == i`` the row is bit-identical to the input.
    """
    if _by_rows(images):
        own, rows = images.unbind(), zip(out.unbind(), perm.tolist(), lam.tolist(), strict=True)
        for image, (target, j, weight) in zip(own, rows, strict=True):
            torch.lerp(own[j], image, weight, out=target)
        return out
    torch.index_select(images, 0, perm, out=out)
    return torch.lerp(out, images, _column(lam, images), out=out)


def combine(images: Tensor, perm: Tensor, own: Tensor, partner: Tensor, out: Tensor) -> Tensor:
    """Write ``own_i * x_i + partner_i * x_perm(i)`` for coefficients that need not sum to 1.

    Shapes as in `blend`; ``own`` and ``partner`` are (B,) float.
    """
    torch.index_select(images, 0, perm, out=out)
    out.mul_(_column(partner, images))
    return out.addcmul_(images, _column(own, images))


def paste_boxes(images: Tensor, perm: Tensor, boxes: Tensor, out: Tensor) -> Tensor:
    """Write the own image with the partner's pixels inside each row's box.

    Args:
        images: (B, C, H, W) of any dtype; finite.
        perm: (B,) int64 on the images' device.
        boxes: (B, 4) int64 y0, x0, y1, x1, ends excluded; an empty box copies the row.
        out: like images; overwritten.

    Returns:
        ``out``; every pixel equals the one it came from, without rounding.
    """
    if _by_rows(images):
        out.copy_(images)
        for i, (j, (y0, x0, y1, x1)) in enumerate(zip(perm.tolist(), boxes.tolist(), strict=True)):
            if j != i:
                out[i, :, y0:y1, x0:x1] = images[j, :, y0:y1, x0:x1]
        return out
    torch.index_select(images, 0, perm, out=out)
    y_inside, x_inside = _inside(boxes, images.shape[-2], images.shape[-1])
    if not images.is_floating_point():
        inside = y_inside[:, :, None] & x_inside[:, None, :]
        return torch.where(inside[:, None], out, images, out=out)
    # lerp with weights 0 and 1 is exact and, on a CPU, several times faster than `where`.
    weights = y_inside.to(images.dtype)[:, :, None] * x_inside.to(images.dtype)[:, None, :]
    return torch.lerp(images, out, weights[:, None], out=out)


def _inside(boxes: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """(B, H) and (B, W) bool: which rows and which columns of the picture lie in each box."""
    # One comparison for all four edges; between two edges lies what is past exactly one of them.
    past = torch.arange(max(height, width), device=boxes.device) >= boxes[:, :, None]
    y_inside, x_inside = (past[:, :2] ^ past[:, 2:]).unbind(dim=1)
    return y_inside[:, :height], x_inside[:, :width]


def blend_mask(images: Tensor, perm: Tensor, mask: Tensor, out: Tensor) -> Tensor:
    """Write ``mask * x_i + (1 - mask) * x_perm(i)``.

    Args:
        images: (B, C, H, W) floating.
        perm: (B,) int64.
        mask: (B, 1, H, W) or (1, 1, H, W) float in [0, 1], 1 where the own image is kept.
        out: like images; overwritten.

    Returns:
        ``out``. Where ``perm[i] == i`` the row is bit-identical to the input.
    """
    mask = mask.to(images.dtype).expand(len(images), -1, -1, -1)
    if _by_rows(images):
        own, rows = images.unbind(), zip(out.unbind(), perm.tolist(), mask.unbind(), strict=True)
        for image, (target, j, weight) in zip(own, rows, strict=True):
            torch.lerp(own[j], image, weight, out=target)
        return out
    torch.index_select(images, 0, perm, out=out)
    return torch.lerp(out, images, mask, out=out)
