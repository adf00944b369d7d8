"""Guides: where in an image its content lies."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from automix.mixing.artifacts import PrepareContext
from automix.mixing.component import Component
from automix.mixing.requires import Requires

if TYPE_CHECKING:
    from automix.mixing.probes import CleanView

__all__ = ["Guide"]


class Guide(Component):
    """Computes one importance map per image, on the images' device, without gradient.

    Attributes:
        requires: what must be there for it to work.
    """

    kind = "guide"
    requires: ClassVar[Requires] = Requires()

    @property
    def sees(self) -> frozenset[str]:
        """What it reads of the model being trained, of "logits", "attention", "features"; nothing by default."""
        return frozenset()

    @property
    def is_frozen(self) -> bool:
        """Whether a map depends on image and label alone and is worth keeping: the trainer then computes it once for
        each image and moves it as the image is flipped and shifted.
        """
        return False

    @abstractmethod
    def maps(self, images: Tensor, labels: Tensor, clean: CleanView | None = None) -> Tensor:
        """Compute importance maps.

        Args:
            images: (B, C, H, W) float, normalised.
            labels: (B,) int64 class indices.
            clean: the model's view of these images; there where `sees` names something, None or not elsewhere.

        Returns:
            (B, 1, h, w) float32, non-negative, detached.
        """

    def prepare(self, context: PrepareContext) -> None:
        """Train or load what the guide needs before the first batch; the result goes through ``context.keep``."""
