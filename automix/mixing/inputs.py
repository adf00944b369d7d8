"""Input treatments: what is done to every image, also at evaluation time and in deployment."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from torch import Tensor

from automix.errors import PolicyError
from automix.mixing.component import Card, Component

__all__ = ["InputTreatment", "Normalization", "StandardInput"]

Normalization = tuple[tuple[float, ...], tuple[float, ...]]
"""Per-channel (mean, std) with which images were normalised, in units of pixel value / 255."""


class InputTreatment(Component):
    """A fixed function of an image, with statistics fitted on training images.

    Args:
        statistics: name -> one number per channel, as `fit` returned them; None before fitting.
        normalization: (mean, std) per channel with which arriving images were normalised; None where the treatment does
            not need to know (`needs_normalization`).
    """

    kind = "input"
    needs_normalization: ClassVar[bool] = False
    needs_fit: ClassVar[bool] = False

    def __init__(
        self,
        *,
        statistics: Mapping[str, tuple[float, ...]] | None = None,
        normalization: Normalization | None = None,
        **values: Any,
    ) -> None:
        super().__init__(**values)
        if self.needs_normalization and normalization is None:
            raise PolicyError(
                f"The input treatment {self.name!r} must know how your images are normalised: pass "
                "normalization=(mean, std), one number per channel in units of "
                "pixel value / 255; ((0,), (1,)) for images in [0, 1]."
            )
        self.normalization = normalization
        self.statistics = {k: tuple(float(x) for x in v) for k, v in (statistics or {}).items()}

    @property
    def is_fitted(self) -> bool:
        """Whether `treat` can be called."""
        return bool(self.statistics) or not self.needs_fit

    @abstractmethod
    def treat(self, images: Tensor) -> Tensor:
        """Return treated images, (B, C, H, W) float; the input is not changed."""

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Set `statistics` from training images (each (B, C, H, W) float, normalised). Nothing to fit by default."""

    def config(self) -> dict[str, Any]:
        """Return name, parameters and fitted statistics, as a policy document writes them."""
        fitted = {"statistics": {k: list(v) for k, v in self.statistics.items()}} if self.statistics else {}
        return {**super().config(), **fitted}


class StandardInput(InputTreatment):
    """Images as they arrive: your own normalisation stays."""

    name = "standard"
    card: ClassVar[Card] = Card(title="As given", summary="Images are used as your data pipeline normalised them.")

    def treat(self, images: Tensor) -> Tensor:
        """Return the images themselves."""
        return images
