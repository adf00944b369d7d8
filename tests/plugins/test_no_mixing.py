from __future__ import annotations

from typing import Any

import pytest
import torch

from automix.errors import PolicyError
from automix.mixing import BetaLaw, KeepPlan
from automix_none.mixer import NoMixing


def test_images_are_handed_on_and_nothing_is_drawn(make_batch: Any) -> None:
    batch, gen = make_batch(3), torch.Generator().manual_seed(4)
    state = gen.get_state()
    plan = NoMixing().draw(batch, gen)
    assert isinstance(plan, KeepPlan)
    assert torch.equal(gen.get_state(), state)
    mixed = NoMixing().apply(batch.images, plan)
    assert mixed.images is batch.images
    assert torch.equal(mixed.targets(batch.labels, 3), torch.eye(3))


def test_it_reads_no_slot() -> None:
    assert NoMixing.reads == frozenset()
    with pytest.raises(PolicyError, match="has no ratio"):
        NoMixing(ratio=BetaLaw())
