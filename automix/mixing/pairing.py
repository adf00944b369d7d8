"""Pairings: who is mixed with whom."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from automix.mixing.component import Card, Component

__all__ = ["ClassBalancedPairing", "DifferentClassPairing", "Pairing", "RandomPairing", "ReversePairing"]


class Pairing(Component):
    """A rule that gives each image of a batch a partner from the same batch."""

    kind = "pairing"

    @abstractmethod
    def partners(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Choose a partner for each row.

        Args:
            labels: (B,) int64 class indices, on any device.
            generator: CPU generator.

        Returns:
            (B,) int64 on the CPU. A row with no fitting partner gets itself, which leaves it unmixed.
        """


class RandomPairing(Pairing):
    """A random permutation; a row may meet itself."""

    name = "random"
    card: ClassVar[Card] = Card(
        title="Random permutation",
        summary="Each image is used exactly once as a partner.",
        authors="Zhang et al.",
        year=2018,
        arxiv="1710.09412",
        code="facebookresearch/mixup-cifar10",
    )

    def partners(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a permutation."""
        return torch.randperm(len(labels), generator=generator)


class ReversePairing(Pairing):
    """Row i meets row B-1-i, as timm pairs; draws nothing and needs shuffled batches."""

    name = "reverse"
    card: ClassVar[Card] = Card(
        title="Reversed batch",
        summary="Row i meets row B-1-i; the middle row of an odd batch stays unmixed.",
        code="huggingface/pytorch-image-models",
    )

    def partners(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return B-1 .. 0."""
        return torch.arange(len(labels) - 1, -1, -1)


class DifferentClassPairing(Pairing):
    """A partner drawn uniformly from the rows of other classes."""

    name = "different_class"
    card: ClassVar[Card] = Card(
        title="Between-class pairs",
        summary="The partner always has another label; a batch of one class stays unmixed.",
        authors="Tokozume et al.",
        year=2018,
        arxiv="1711.10284",
        code="mil-tokyo/bc_learning_image",
        differences="Officially both images come from the whole training set; here the partner comes from the batch.",
    )

    def partners(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one partner of another class for each row.

        Rows are sorted by class; the rows of other classes are then the ring without the own class's stretch, so that
        one integer in ``[0, B - n_own)`` picks one of them, without rejection.
        """
        labels = labels.cpu()
        n = len(labels)
        order = torch.argsort(labels, stable=True)
        _, group, counts = torch.unique(labels, return_inverse=True, return_counts=True)
        ends = counts.cumsum(0)
        others = n - counts[group]
        pick = (torch.rand(n, generator=generator, dtype=torch.float64) * others).long()
        partners = order[(ends[group] + pick) % n]
        return torch.where(others > 0, partners, torch.arange(n))


class ClassBalancedPairing(Pairing):
    """A partner whose class is drawn uniformly from the classes in the batch, then one of its images."""

    name = "class_balanced"
    card: ClassVar[Card] = Card(
        title="Class-balanced pairs",
        summary="Rare classes are partners as often as common ones; for long-tailed data.",
        use_when="classes are imbalanced",
    )

    def partners(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a class, then an image of it, for each row."""
        labels = labels.cpu()
        n = len(labels)
        order = torch.argsort(labels, stable=True)
        _, counts = torch.unique(labels, return_counts=True)
        starts = counts.cumsum(0) - counts
        chosen = torch.randint(len(counts), (n,), generator=generator)
        within = (torch.rand(n, generator=generator, dtype=torch.float64) * counts[chosen]).long()
        return order[starts[chosen] + within]
