from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.transforms import v2

from automix.mixing import BetaLaw, FixedLaw, PairPlan, ReversePairing
from automix_mixup.mixer import Mixup


def test_pixels_and_labels_are_blended_alike_by_hand(make_batch: Any) -> None:
    batch = make_batch(3, num_classes=3)
    plan = PairPlan(perm=torch.tensor([1, 2, 0]), lam=torch.tensor([0.25, 1.0, 0.0]))
    mixed = Mixup().apply(batch.images, plan)
    x = batch.images
    for row, (lam, partner) in enumerate([(0.25, 1), (1.0, 2), (0.0, 0)]):
        for place in [(0, 0, 0), (2, 5, 7), (1, 11, 9)]:
            expected = lam * float(x[row][place]) + (1 - lam) * float(x[partner][place])
            assert float(mixed.images[row][place]) == pytest.approx(expected, abs=1e-6)
    expected_targets = torch.tensor([[0.25, 0.75, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert torch.equal(mixed.targets(batch.labels, 3), expected_targets)


@pytest.mark.parametrize(("lam", "whose"), [(1.0, 0), (0.0, 1)])
def test_lam_at_its_ends_shows_one_image_bit_for_bit(make_batch: Any, lam: float, whose: int) -> None:
    batch = make_batch(2)
    mixer = Mixup(ratio=FixedLaw(value=lam), pairing=ReversePairing())
    mixed = mixer.apply(batch.images, mixer.draw(batch, torch.Generator()))
    assert torch.equal(mixed.images[0], batch.images[whose])


def test_it_agrees_with_torchvision(make_batch: Any) -> None:
    """torchvision pairs with the batch rolled by one and draws one lam; both are fed to us."""
    batch = make_batch(5, num_classes=5)
    torch.manual_seed(3)
    theirs, targets = v2.MixUp(num_classes=5, alpha=1.0)(batch.images, batch.labels)
    lam = float(targets[0, 0])
    plan = PairPlan(perm=torch.tensor([4, 0, 1, 2, 3]), lam=torch.full((5,), lam))
    ours = Mixup().apply(batch.images, plan)
    torch.testing.assert_close(ours.images, theirs)
    torch.testing.assert_close(ours.targets(batch.labels, 5), targets)


def test_prob_is_a_coin_per_image_or_per_batch(make_batch: Any) -> None:
    batch = make_batch(200, 1, (4, 4))
    by_image = Mixup(prob=0.3).draw(batch, torch.Generator().manual_seed(0))
    mixed = float((by_image.lam < 1).float().mean())
    assert 0.2 < mixed < 0.4
    by_batch = [Mixup(prob=0.3, prob_unit="batch").draw(batch, torch.Generator().manual_seed(i)) for i in range(100)]
    assert 15 <= sum(isinstance(plan, PairPlan) for plan in by_batch) <= 45


def test_ratios_follow_the_law(make_batch: Any) -> None:
    plan = Mixup(ratio=BetaLaw(alpha=0.2)).draw(make_batch(5000, 1, (2, 2)), torch.Generator().manual_seed(0))
    assert abs(float(plan.lam.var()) - 0.25 / (2 * 0.2 + 1)) < 0.006
