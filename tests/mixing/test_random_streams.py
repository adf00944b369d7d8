"""Streams: the same address gives the same numbers, whoever asks, wherever and in whatever order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import automix
from automix.mixing import Streams, seed_of
from automix.mixing.random import beta


def test_streams_do_not_depend_on_the_order_of_asking() -> None:
    addresses = [(epoch, step, "mix") for epoch in range(3) for step in range(4)]
    forward = {a: torch.rand(3, generator=Streams(5).generator(*a)) for a in addresses}
    backward = {a: torch.rand(3, generator=Streams(5).generator(*a)) for a in reversed(addresses)}
    assert all(torch.equal(forward[a], backward[a]) for a in addresses)


def test_neighbouring_addresses_seeds_and_purposes_differ() -> None:
    streams = [Streams(s).generator(e, i, p) for s in (0, 1) for e in (0, 1) for i in (0, 1) for p in ("mix", "order")]
    draws = torch.stack([torch.rand(4, generator=one) for one in streams])
    assert len(torch.unique(draws, dim=0)) == len(streams)


def test_parts_of_a_key_cannot_run_together() -> None:
    keys = [("ab",), ("a", "b"), (1, 2), (12,), ("1", 2), ("1,2",), (1, "2")]
    assert len({seed_of(*key) for key in keys}) == len(keys)


def test_seeds_fit_a_signed_64_bit_integer() -> None:
    assert all(0 <= seed_of(i, "x") < 2**63 for i in range(200))


def test_another_process_with_another_hash_seed_draws_the_same() -> None:
    code = (
        "import torch; from automix.mixing import Streams; "
        "print(torch.rand(4, generator=Streams(3).generator(1, 2, 'mix')).tolist())"
    )
    root = str(Path(automix.__file__).parents[1])
    env = {**os.environ, "PYTHONHASHSEED": "17", "PYTHONPATH": root}
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    here = torch.rand(4, generator=Streams(3).generator(1, 2, "mix")).tolist()
    assert there.stdout.strip() == str(here)


@pytest.mark.parametrize(("a", "b"), [(0.01, 0.01), (0.2, 0.2), (1.0, 1.0), (4.0, 4.0), (100.0, 100.0), (2.0, 5.0)])
def test_beta_has_the_moments_of_the_beta_distribution(a: float, b: float) -> None:
    n = 40_000
    lam = beta(a, b, n, Streams(0).generator("beta")).double()
    mean, variance = a / (a + b), a * b / ((a + b) ** 2 * (a + b + 1))
    assert bool(((lam >= 0) & (lam <= 1)).all())
    assert abs(float(lam.mean()) - mean) < 5 * (variance / n) ** 0.5
    assert float(lam.var()) == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_beta_agrees_with_torch_distributions_in_its_quantiles(alpha: float) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = torch.distributions.Beta(torch.tensor(alpha), torch.tensor(alpha)).sample((40_000,))
    ours = beta(alpha, alpha, 40_000, Streams(0).generator(0))
    levels = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9])
    cuts = torch.quantile(theirs, levels)
    share = torch.stack([(ours <= cut).double().mean() for cut in cuts])
    expected = torch.stack([(theirs <= cut).double().mean() for cut in cuts])
    assert torch.allclose(share, expected, atol=0.015)


def test_beta_with_tiny_alpha_is_zero_or_one_and_never_nan() -> None:
    lam = beta(0.01, 0.01, 100_000, Streams(0).generator(0))
    assert not bool(lam.isnan().any())
    assert float(((lam < 0.01) | (lam > 0.99)).double().mean()) > 0.9
    assert float((lam > 0.5).double().mean()) == pytest.approx(0.5, abs=0.01)


def test_drawing_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    beta(0.5, 0.5, 100, Streams(0).generator(0))
    assert torch.equal(torch.get_rng_state(), before)
