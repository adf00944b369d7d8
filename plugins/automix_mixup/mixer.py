"""Input mixup: two images and their labels, blended by one ratio."""

from __future__ import annotations

import torch
from torch import Tensor

from automix.mixing import Batch, BlendMixer, Card, PairPlan

__all__ = ["Mixup"]


class Mixup(BlendMixer):
    """Blend each image with a partner: ``lam * x_i + (1 - lam) * x_j``, labels alike.

    Args:
        prob, prob_unit, draw_unit: as in every pair mixer; ``draw_unit="batch"`` draws one lam per batch as the
            official code does.

    Source: Zhang, Cisse, Dauphin, Lopez-Paz, ICLR 2018, arXiv 1710.09412, eq. 1. Deviation: lam is drawn per image by
    default, which costs nothing here.

    Example:
        >>> from automix.mixing import FixedLaw, ReversePairing
        >>> mixer = Mixup(ratio=FixedLaw(value=0.75), pairing=ReversePairing())
        >>> batch = Batch(torch.tensor([0.0, 1.0])[:, None, None, None], torch.tensor([3, 7]), num_classes=10)
        >>> mixed = mixer.apply(batch.images, mixer.draw(batch, torch.Generator().manual_seed(0)))
        >>> mixed.images.flatten(), mixed.weights
        (tensor([0.2500, 0.7500]), tensor([[0.7500, 0.2500],
                [0.7500, 0.2500]]))
    """

    name = "mixup"
    card = Card(
        title="mixup: Beyond Empirical Risk Minimization",
        summary="Two images are blended everywhere by one ratio, and so are their labels.",
        authors="Zhang, Cisse, Dauphin, Lopez-Paz",
        year=2018,
        arxiv="1710.09412",
        code="facebookresearch/mixup-cifar10",
        use_when="A safe first try, also under label noise; alpha 1 on small images, 0.2 on ImageNet.",
        differences="lam is drawn per image unless draw_unit is batch; the official code draws one per batch.",
    )

    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> PairPlan:
        """Take partners and ratios as they are drawn."""
        return PairPlan(perm=perm, lam=lam.expand(len(perm)))
