"""Ratio laws: what lam is distributed like."""

from __future__ import annotations

import pytest
import torch

from automix.errors import SettingError
from automix.mixing import BetaLaw, FixedLaw, Streams, TruncatedBetaLaw, UniformLaw

N = 20_000


def drawn(law, n: int = N) -> torch.Tensor:
    return law.sample(n, Streams(0).generator("law"))


def test_uniform_fills_its_range_evenly() -> None:
    lam = drawn(UniformLaw(low=0.2, high=0.6))
    counts = torch.histc(lam, bins=8, min=0.2, max=0.6)
    assert bool(((lam >= 0.2) & (lam <= 0.6)).all())
    assert float((counts / N - 1 / 8).abs().max()) < 0.015


def test_fixed_gives_its_value_and_draws_nothing() -> None:
    generator = Streams(0).generator(0)
    before = generator.get_state()
    assert torch.equal(FixedLaw(value=0.3).sample(4, generator), torch.full((4,), 0.3))
    assert torch.equal(generator.get_state(), before)


def test_beta_law_is_symmetric_and_spreads_with_alpha() -> None:
    narrow, wide = drawn(BetaLaw(alpha=8.0)), drawn(BetaLaw(alpha=0.2))
    assert abs(float(narrow.mean()) - 0.5) < 0.01
    assert float(narrow.std()) < 0.15 < 0.35 < float(wide.std())


def test_truncated_law_is_the_beta_law_given_the_range() -> None:
    lam = drawn(TruncatedBetaLaw(alpha=0.7, low=0.1, high=0.8))
    free = BetaLaw(alpha=0.7).sample(8 * N, Streams(1).generator(0))
    inside = free[(free >= 0.1) & (free <= 0.8)]
    levels = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])
    assert bool(((lam >= 0.1) & (lam <= 0.8)).all())
    assert torch.allclose(torch.quantile(lam, levels), torch.quantile(inside, levels), atol=0.015)


def test_truncated_law_ends_where_the_range_is_all_but_impossible() -> None:
    lam = drawn(TruncatedBetaLaw(alpha=0.01, low=0.4, high=0.5), 50)
    assert bool(((lam >= 0.4) & (lam <= 0.5)).all())


@pytest.mark.parametrize("law", [UniformLaw, TruncatedBetaLaw])
def test_a_range_out_of_order_is_refused(law: type) -> None:
    with pytest.raises(SettingError, match="`low` <= `high`"):
        law(low=0.7, high=0.3)
