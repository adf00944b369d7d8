"""Between-Class learning: two images of different classes, and the ratio as the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from automix.mixing import (
    Batch,
    Bool,
    Card,
    Choice,
    Component,
    DifferentClassPairing,
    Float,
    PairMixer,
    PairPlan,
    Requires,
    UniformLaw,
    kernels,
)
from automix.mixing.shares import constant_shares
from automix_between_class.functional import coefficients, energies, energy_share

__all__ = ["BetweenClass", "BetweenClassPlan"]


@dataclass(frozen=True, kw_only=True, eq=False)
class BetweenClassPlan(PairPlan):
    """The two images are added with factors that need not sum to 1.

    Args:
        perm: (B,) int64 partners.
        lam: (B,) float32 r: label weight of the own image, whatever the factors are.
        own: (B,) float32 factor of the own image: r for BC, ``p / sqrt(p^2 + (1-p)^2)`` for BC+.
        partner: (B,) float32 factor of the partner; with ``own`` it is above 0.
    """

    own: Tensor
    partner: Tensor


class BetweenClass(PairMixer):
    """Mix two images of different classes; the target is the ratio r.

    BC blends by r. BC+ takes images as waves: they are mixed so that their loudness is as ``r : 1 - r`` (p, from the
    standard deviations), and rescaled so that the mix is as loud as one image. It belongs together with the input
    treatment `zero_mean`, also at evaluation time, which a policy gets unless it names another.

    Args:
        variant: bc or bc_plus.
        energy_ratio: (bc_plus) weigh pixels by p; else by r.
        rescale: (bc_plus) divide by ``sqrt(p^2 + (1 - p)^2)``.
        prob, prob_unit, draw_unit: as in every pair mixer; the official code draws per image.

    Source: Tokozume, Ushiku, Harada, CVPR 2018, arXiv 1711.10284, and dataset.py of the official code. Deviation:
    both images come from one batch, where that code draws both from the whole training set.

    Example:
        >>> from automix.mixing import FixedLaw
        >>> mixer = BetweenClass(ratio=FixedLaw(value=0.5))
        >>> images = torch.tensor([[3.0, -3.0], [1.0, -1.0]])[:, None, None]
        >>> plan = mixer.draw(Batch(images, torch.tensor([0, 1]), num_classes=2), torch.Generator().manual_seed(0))
        >>> plan.lam, plan.own / (plan.own + plan.partner)  # r, and p: the louder image gets less
        (tensor([0.5000, 0.5000]), tensor([0.2500, 0.7500]))
    """

    name = "between_class"
    card = Card(
        title="Between-class Learning for Image Classification",
        summary="Images of two different classes are mixed and the network learns their ratio; BC+ mixes by loudness.",
        authors="Tokozume, Ushiku, Harada",
        year=2018,
        arxiv="1711.10284",
        code="mil-tokyo/bc_learning_image",
        use_when="Long training of small nets on small images; BC+ changes the input, also in deployment.",
        cost="one standard deviation per image",
        differences="Partners come from the same batch; officially both images come from the whole training set. "
        "Mixing of three images is not offered.",
    )
    plan_type = BetweenClassPlan
    # BC+ weighs pixels by p and labels by r, and amplifies.
    share_equals_weight = False
    defaults: ClassVar[Mapping[str, Component]] = {
        "ratio": UniformLaw(),
        "pairing": DifferentClassPairing(),
    }
    requires = Requires(tasks=("single",))

    variant = Choice(
        "bc_plus",
        choices=("bc", "bc_plus"),
        doc="bc blends; bc_plus mixes by energy and changes the input treatment.",
        source="paper: BC+ is better by 0.2 to 0.6 points on CIFAR",
    )
    energy_ratio = Bool(
        True,
        doc="Weigh pixels so that loudness follows the ratio.",
        source="paper; the part of BC+ that pays",
        when={"variant": ("bc_plus",)},
        searched=False,
    )
    rescale = Bool(
        True,
        doc="Divide by sqrt(p^2 + (1-p)^2), which keeps the loudness of one image.",
        source="paper; neutral on CIFAR-10",
        when={"variant": ("bc_plus",)},
        searched=False,
    )
    prob = Float(
        1.0, low=0.0, high=1.0, search=(0.5, 1.0), doc="Probability that an image is mixed.", source="paper: 1"
    )

    @property
    def input_name(self) -> str:
        """BC+ is defined on images without their mean."""
        return "zero_mean" if self.variant == "bc_plus" else "standard"

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> BetweenClassPlan:
        """Work out the factors from ratio and energies; draws nothing."""
        lam = lam.expand(len(perm))
        is_plus = self.variant == "bc_plus"
        p = self._by_energy(batch.images, perm, lam) if is_plus and self.energy_ratio else lam
        own, partner = coefficients(p, rescale=is_plus and self.rescale)
        plan = BetweenClassPlan(perm=perm, lam=lam, own=own, partner=partner)
        # Nobody to mix with (a batch of one class): rescaling would amplify the image all the same.
        return self.keep_own(plan, perm == torch.arange(len(perm)))

    def _by_energy(self, images: Tensor, perm: Tensor, lam: Tensor) -> Tensor:
        """Return p (B,) on the CPU, from the energies of the images as they are given: treated and augmented."""
        s = energies(images).cpu()
        return energy_share(lam, s, s[perm])

    def move(self, images: Tensor, plan: BetweenClassPlan, out: Tensor) -> Tensor:
        """Add the images with their factors."""
        return kernels.combine(images, plan.perm, plan.own, plan.partner, out)

    def shares(self, plan: BetweenClassPlan, h: int, w: int, how: str) -> Tensor:
        """Return the pixel shares (p, 1 - p), the same everywhere; not the label weights."""
        factors = torch.stack((plan.own, plan.partner), dim=1)
        return constant_shares(factors / factors.sum(dim=1, keepdim=True))

    def keep_own(self, plan: PairPlan, rows: Tensor) -> BetweenClassPlan:
        """Give the own image of these rows the factor 1 and the partner 0 as well."""
        kept = super().keep_own(plan, rows)
        assert isinstance(plan, BetweenClassPlan)
        own, partner = plan.own.masked_fill(rows, 1.0), plan.partner.masked_fill(rows, 0.0)
        return BetweenClassPlan(perm=kept.perm, lam=kept.lam, own=own, partner=partner)
