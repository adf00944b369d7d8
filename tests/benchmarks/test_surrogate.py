"""The surrogate sees policies, not parameters, and takes out what a seed does to all of them."""

from __future__ import annotations

import bench_banks
import numpy as np
import pytest
from bench_banks import N_EPOCHS, trained
from surrogate import Encoder, Levelled, Surrogate, quality_of
from trials_bank import DATA, Bank

CUTMIX = {"mixer": "cutmix", "prob.cutmix": 0.65, "alpha.cutmix": 0.1, "stop": 1.0}


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(bench_banks.header().compose().parameters)


def test_numbers_are_scaled_to_their_range_logarithms_too(encoder):
    row = dict(zip(encoder.columns, encoder.encode({"branches": 1, **CUTMIX}), strict=True))
    assert row["cutmix"] == 1.0
    assert row["mixup"] == 0.0
    assert row["prob.cutmix"] == pytest.approx(0.5)
    assert row["alpha.cutmix"] == pytest.approx(0.0)
    assert row["stop"] == pytest.approx(1.0)


def test_what_a_policy_does_not_have_is_outside_every_range(encoder):
    row = dict(zip(encoder.columns, encoder.encode({"branches": 1, **CUTMIX}), strict=True))
    assert row["prob.mixup"] < 0
    assert row["alpha.mixup"] < 0


def test_the_order_of_two_equal_branches_does_not_matter(encoder):
    one = {"mixer": "cutmix", "prob.cutmix": 0.5, "alpha.cutmix": 1.0}
    other = {"mixer2": "mixup", "prob2.mixup": 0.9, "alpha2.mixup": 0.3}
    turned = {"mixer": "mixup", "prob.mixup": 0.9, "alpha.mixup": 0.3}
    back = {"mixer2": "cutmix", "prob2.cutmix": 0.5, "alpha2.cutmix": 1.0}
    both = {"branches": 2, "share2": 0.5, "stop": 0.8}
    assert encoder.encode({**both, **one, **other}) == pytest.approx(encoder.encode({**both, **turned, **back}))


def test_two_branches_of_one_method_count_by_their_weight(encoder):
    params = {"branches": 2, "share2": 0.25, **CUTMIX, "mixer2": "cutmix", "prob2.cutmix": 1.0, "alpha2.cutmix": 0.1}
    row = dict(zip(encoder.columns, encoder.encode(params), strict=True))
    assert row["cutmix"] == pytest.approx(1.0)
    assert row["prob.cutmix"] == pytest.approx(0.75 * 0.5 + 0.25 * 1.0)


def test_what_a_seed_does_to_all_is_taken_out_and_what_is_left_is_noise(tmp_path):
    # Seed 1 takes 0.1 from both, and then moves them 0.02 apart.
    some = [trained(0, top1=0.6), trained(0, seed=1, top1=0.51), trained(1, top1=0.7), trained(1, seed=1, top1=0.59)]
    levelled = Levelled.of(bench_banks.bank(tmp_path, *some))
    ends = levelled.curves[:, N_EPOCHS - 1]
    assert ends == pytest.approx([0.6, 0.61, 0.7, 0.69])
    # Of four numbers with two row and two column means, one is free: 4 * 0.005^2 of squares for a variance of 1e-4.
    assert np.square(levelled.deviations()[:, N_EPOCHS - 1]).mean() == pytest.approx(1e-4)


@pytest.fixture(scope="module")
def bank() -> Bank:
    return Bank.read(DATA / "fashion-noisy.jsonl.gz")


def test_the_committed_trials_make_a_surrogate(bank):
    surrogate = Surrogate(bank)
    some = [one.params for one in bank.full() if one.params][:5]
    curves = surrogate.mean(some)
    assert curves.shape == (len(some), 2, surrogate.n_epochs)
    assert ((curves[:, 0] > 0) & (curves[:, 0] < 1)).all()
    assert surrogate.arm("none").shape == (2, surrogate.n_epochs)
    draws = [surrogate.noise(np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()


def test_the_surrogate_ranks_policies_that_it_has_not_seen(bank):
    quality = quality_of(bank)
    assert quality.rank > 0.3
    assert quality.noise < quality.rmse < quality.spread
