"""Ratio laws: how lam is drawn."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from automix.mixing.component import Card, Component
from automix.mixing.params import Float
from automix.mixing.random import beta

__all__ = ["BetaLaw", "FixedLaw", "RatioLaw", "TruncatedBetaLaw", "UniformLaw"]

_MAX_TRIES = 64


class RatioLaw(Component):
    """A distribution of lam, the weight of the row's own image."""

    kind = "ratio"

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw ``n`` values.

        Returns:
            (n,) float32 in [0, 1], on the CPU.
        """


class BetaLaw(RatioLaw):
    """lam ~ Beta(alpha, alpha)."""

    name = "beta"
    card: ClassVar[Card] = Card(
        title="Symmetric Beta distribution",
        summary="Small alpha: nearly unmixed images; 1: uniform; large: close to half and half.",
        authors="Zhang et al.",
        year=2018,
        arxiv="1710.09412",
    )
    alpha = Float(
        1.0,
        low=0.01,
        high=100.0,
        search=(0.1, 4.0),
        scale="log",
        doc="Concentration of Beta(alpha, alpha).",
        source="Mixup: 0.2 on ImageNet, 1 on CIFAR; 0.2 to 2 by data set in OpenMixup's benchmark.",
    )

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw from Beta(alpha, alpha)."""
        return beta(self.alpha, self.alpha, n, generator)


class UniformLaw(RatioLaw):
    """lam ~ U(low, high)."""

    name = "uniform"
    card: ClassVar[Card] = Card(
        title="Uniform distribution",
        summary="Every ratio in a range is equally likely.",
        authors="Tokozume et al.",
        year=2018,
        arxiv="1711.10284",
    )
    low = Float(0.0, low=0.0, high=1.0, search=(0.0, 0.5), doc="Smallest lam.", source="BC learning: 0.")
    high = Float(1.0, low=0.0, high=1.0, search=(0.5, 1.0), doc="Largest lam.", source="BC learning: 1.")
    ordered = (("low", "high"),)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw from U(low, high)."""
        return self.low + (self.high - self.low) * torch.rand(n, generator=generator)


class FixedLaw(RatioLaw):
    """lam = value, always."""

    name = "fixed"
    card: ClassVar[Card] = Card(title="Constant", summary="The same ratio for every image.")
    value = Float(0.5, low=0.0, high=1.0, search=(0.5, 0.95), doc="lam.", source="ours")

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``value`` n times; draws nothing."""
        return torch.full((n,), self.value)


class TruncatedBetaLaw(RatioLaw):
    """lam ~ Beta(alpha, alpha) given that it lies in [low, high]."""

    name = "truncated_beta"
    card: ClassVar[Card] = Card(
        title="Truncated Beta distribution",
        summary="Beta(alpha, alpha) with the ends cut off: no nearly unmixed images, or no nearly swapped ones.",
        year=2020,
        arxiv="2012.11101",
        code="Westlake-AI/openmixup",
        differences="OpenMixup's ResizeMix option redraws once uniformly from the range; here they are redrawn "
        "from the same law, so that the result is its conditional distribution.",
    )
    alpha = Float(
        1.0,
        low=0.01,
        high=100.0,
        search=(0.1, 4.0),
        scale="log",
        doc="Concentration before truncation.",
        source="as beta",
    )
    low = Float(0.1, low=0.0, high=1.0, search=(0.0, 0.5), doc="Smallest lam.", source="ResizeMix's scope: 0.1.")
    high = Float(0.8, low=0.0, high=1.0, search=(0.5, 1.0), doc="Largest lam.", source="ResizeMix's scope: 0.8.")
    ordered = (("low", "high"),)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw by rejection; what is still outside after 64 rounds is clamped to the nearer end."""
        lam = beta(self.alpha, self.alpha, n, generator)
        for _ in range(_MAX_TRIES):
            outside = (lam < self.low) | (lam > self.high)
            if not bool(outside.any()):
                break
            # A full redraw keeps the number of draws a function of the round, not of which rows failed.
            lam = torch.where(outside, beta(self.alpha, self.alpha, n, generator), lam)
        return lam.clamp(self.low, self.high)
