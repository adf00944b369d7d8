"""Guides: where in an image its content lies."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from automix.mixing.component import Component

__all__ = ["Guide"]


class Guide(Component):
    """Computes one importance map per image, on the images' device, without gradient."""

    kind = "guide"

    @abstractmethod
    def maps(self, images: Tensor, labels: Tensor, model: nn.Module | None = None) -> Tensor:
        """Compute importance maps.

        Args:
            images: (B, C, H, W) float, normalised.
            labels: (B,) int64 class indices.
            model: the model being trained, where the guide reads it; None elsewhere.

        Returns:
            (B, 1, h, w) float32, non-negative, detached.
        """
