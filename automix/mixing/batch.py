"""The vocabulary: a batch goes in, a plan is made, a mixed batch comes out.

A mixed image is a set of weighted sources. Everything downstream (labels, losses, metrics, galleries) speaks of
`MixedBatch.sources`, `MixedBatch.weights` and `MixedBatch.shares`, whatever the method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from automix.errors import DataError

if TYPE_CHECKING:
    from automix.mixing.probes import CleanView

__all__ = ["Batch", "MixPlan", "MixedBatch", "PairPlan", "ShareFunction", "dense_targets"]

ShareFunction = Callable[[int, int, str], Tensor]


@dataclass(frozen=True, eq=False)
class Batch:
    """Images and labels on their way into a mixer.

    Args:
        images: (B, C, H, W) float, normalised; or uint8 where a mixer declares it.
        labels: (B,) int64 class indices, or (B, K) float rows (soft labels, or multi-hot for multi-label data).
        num_classes: K.
        index: (B,) int64, position of each image in its data set; None where unknown.
        guides: importance maps that are already at hand, by guide name: (B, 1, h, w) float, non-negative.
        task: "single" (one label an image, weights sum to 1) or "multi" (any number of labels).
        clean: what the model being trained makes of these images, computed when asked for; None where no model is at
            hand.
    """

    images: Tensor
    labels: Tensor
    num_classes: int
    index: Tensor | None = None
    guides: Mapping[str, Tensor] = field(default_factory=dict)
    task: str = "single"
    clean: CleanView | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or not len(self.images):
            raise DataError(f"Expected images (B, C, H, W) with B >= 1 but got shape {tuple(self.images.shape)}.")
        if self.labels.shape[:1] != self.images.shape[:1]:
            raise DataError(
                f"Expected one label for each of {len(self.images)} images but got {tuple(self.labels.shape)}."
            )
        if self.labels.ndim == 1 and (self.labels.is_floating_point() or self.labels.dtype == torch.bool):
            got = self.labels.dtype
            raise DataError(f"Expected class indices (B,) as integers but got {got}; pass (B, K) rows for soft labels.")
        if self.labels.ndim == 2 and self.labels.shape[1] != self.num_classes:
            raise DataError(f"Expected label rows of {self.num_classes} classes but got {self.labels.shape[1]}.")
        if self.labels.ndim > 2:
            raise DataError(f"Expected labels (B,) or (B, K) but got shape {tuple(self.labels.shape)}.")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.images.shape[-2], self.images.shape[-1]

    @property
    def class_indices(self) -> Tensor:
        """(B,) int64: the label, or the strongest label of a dense row."""
        return self.labels if self.labels.ndim == 1 else self.labels.argmax(dim=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class MixPlan(ABC):
    """What a mixer decided for one batch. Frozen, made by `Mixer.draw` or by hand.

    Tensors of a plan may live on the CPU or on the device of the images; `to` moves them.
    """

    @property
    @abstractmethod
    def sources(self) -> Tensor:
        """(B', S) int64: which images of the batch are in each row."""

    @property
    @abstractmethod
    def weights(self) -> Tensor:
        """(B', S) float32: label weight of each source, before a label rule changes it."""

    def to(self, device: torch.device) -> Self:
        """Return the plan with its tensors on ``device``."""
        tensors = {k: v for k in self.__dataclass_fields__ if isinstance(v := getattr(self, k), Tensor)}
        if all(v.device == device for v in tensors.values()):
            return self
        return self.replaced(**{k: v.to(device, non_blocking=True) for k, v in tensors.items()})

    def replaced(self, **fields: object) -> Self:
        """Return a copy with some fields changed."""
        return replace(self, **fields)


@dataclass(frozen=True, kw_only=True, eq=False)
class PairPlan(MixPlan):
    """Each image is mixed with one partner.

    Args:
        perm: (B,) int64: row i is mixed with image ``perm[i]``; ``perm[i] == i`` leaves it as it is.
        lam: (B,) float32 in [0, 1]: label weight of the row's own image; the partner has ``1 - lam``.
    """

    perm: Tensor
    lam: Tensor

    @cached_property
    def sources(self) -> Tensor:
        """(B, 2) int64: own image, partner."""
        own = torch.arange(len(self.perm), device=self.perm.device)
        return torch.stack((own, self.perm), dim=1)

    @cached_property
    def weights(self) -> Tensor:
        """(B, 2) float32: lam, 1 - lam."""
        return torch.stack((self.lam, 1.0 - self.lam), dim=1)


@dataclass(frozen=True, eq=False)
class MixedBatch:
    """Mixed images and what is in them.

    Args:
        images: (B', C, H, W): what the network sees. B' may exceed B.
        sources: (B', S) int64: which images of the batch are in each row; padded with the row's first source, weight 0.
        weights: (B', S) float32: label weight of each source; rows sum to 1 for single-label tasks.
        plan: the plan it came from; None for an unmixed batch.
        smoothing: (B',) float32 or None: label mass that is spread evenly over all classes.
        dense: (B', K) float32 or None: label mass that belongs to no source, added to the targets.
        share_function: computes `shares`; None means that nothing was mixed.
    """

    images: Tensor
    sources: Tensor
    weights: Tensor
    plan: MixPlan | None = None
    smoothing: Tensor | None = None
    dense: Tensor | None = None
    share_function: ShareFunction | None = None

    @classmethod
    def unmixed(cls, images: Tensor) -> MixedBatch:
        """Wrap images that nothing was done to: each row is its own only source."""
        sources = torch.arange(len(images), device=images.device)[:, None]
        return cls(images=images, sources=sources, weights=torch.ones(len(images), 1, device=images.device))

    def shares(self, h: int, w: int, how: str = "area") -> Tensor:
        """Say how much of each place of the picture belongs to each source.

        Args:
            h: rows of the grid asked for.
            w: columns of the grid asked for.
            how: "area" for the mean over each cell, "nearest" for the pixel that nearest-neighbour resizing would take.

        Returns:
            (B', S, h, w) float32, or (B', S, 1, 1) where it is the same everywhere. Sums over S to 1, or to less where
            cells were dropped.
        """
        if how not in ("area", "nearest"):
            raise DataError(f"Expected `how` as area or nearest but got {how!r}.")
        if self.share_function is None:
            return torch.ones(*self.sources.shape, 1, 1, device=self.sources.device)
        return self.share_function(h, w, how)

    def part(self, rows: slice) -> MixedBatch:
        """Return some of its rows, which still name sources of the whole clean batch; the plan stays behind."""
        shares = self.share_function
        return MixedBatch(
            images=self.images[rows],
            sources=self.sources[rows],
            weights=self.weights[rows],
            smoothing=None if self.smoothing is None else self.smoothing[rows],
            dense=None if self.dense is None else self.dense[rows],
            share_function=None if shares is None else lambda h, w, how: shares(h, w, how)[rows],
        )

    def targets(self, labels: Tensor, num_classes: int) -> Tensor:
        """Build dense targets (B', K) float32; see `dense_targets`."""
        return dense_targets(
            labels, num_classes, self.sources, self.weights, smoothing=self.smoothing, dense=self.dense
        )


def dense_targets(
    labels: Tensor,
    num_classes: int,
    sources: Tensor,
    weights: Tensor,
    *,
    smoothing: Tensor | None = None,
    dense: Tensor | None = None,
) -> Tensor:
    """Build the target rows ``(1 - e) * sum_s w_s onehot(y_s) + e / K + dense``.

    Args:
        labels: (B,) int64 or (B, K) float of the clean batch.
        num_classes: K.
        sources: (B', S) int64.
        weights: (B', S) float32.
        smoothing: (B',) float32, e, or None for 0.
        dense: (B', K) float32 or None.

    Returns:
        (B', K) float32 on the device of ``weights``.
    """
    if labels.ndim == 1:
        rows = torch.zeros(len(sources), num_classes, dtype=torch.float32, device=weights.device)
        rows.scatter_add_(1, labels[sources], weights)
    else:
        rows = torch.einsum("bs,bsk->bk", weights, labels.to(weights.dtype)[sources])
    if smoothing is not None:
        e = smoothing[:, None]
        rows = (1.0 - e) * rows + e / num_classes
    return rows if dense is None else rows + dense
