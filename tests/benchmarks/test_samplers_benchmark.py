"""Regret, compute and their ratio are kept by hand-checked rules; every way repeats."""

from __future__ import annotations

import bench_banks
import numpy as np
import pytest
from bench_banks import N_EPOCHS, trained
from samplers import CHOICES, WAYS, Problem, Search, interval, luckiest, ratio_to, run
from samplers_rivals import thompson

from automix.policy import PolicyDocument
from automix.search.sampler import arm_proposal

STEPS = np.array([1.0, 2.0, 3.0])


def problem(path) -> Problem:
    rng = np.random.default_rng(0)
    some = [trained(0, arm="none", params={"branches": 1, "mixer": "none"}, top1=0.5)]
    some.append(trained(1, arm="cutmix", top1=0.6))
    for i in range(2, 14):
        mixer = ("mixup", "cutmix")[i % 2]
        numbers = {f"prob.{mixer}": rng.uniform(0.3, 1.0), f"alpha.{mixer}": rng.uniform(0.1, 4.0)}
        params = {"branches": 1, "mixer": mixer, **numbers, "stop": 0.9}
        some += [trained(i, params=params, seed=seed, top1=rng.uniform(0.5, 0.7)) for seed in (0, 1)]
    return Problem.of(bench_banks.bank(path, *some))


def search(expected: list[float], noise: list[float]) -> Search:
    """Return a search that trained policies with these means and deviations."""
    made = Search(WAYS["random"](bench_banks.header().compose(), 0), np.random.default_rng(0), is_pruned=False)
    rise = np.arange(1, N_EPOCHS + 1) / N_EPOCHS
    for value, deviation in zip(expected, noise, strict=True):
        proposal = arm_proposal("a", PolicyDocument.of("mixup"), bench_banks.header().compose())
        made.tell(proposal, np.array([value * rise, 1 - value * rise]), np.full((2, N_EPOCHS), deviation))
    return made


def test_regret_is_that_of_the_luckiest_so_far():
    made = search([0.6, 0.7, 0.65], [0.0, 0.0, 0.1])
    assert made.regret(0.7, luckiest, STEPS) == pytest.approx([0.1, 0.0, 0.05])


def test_compute_counts_what_was_trained():
    made = search([0.6, 0.7, 0.65], [0.0, 0.0, 0.0])
    made.costs[1] = 0.5
    made.costs[2] = 0.5
    assert made.regret(0.7, luckiest, STEPS) == pytest.approx([0.1, 0.0, 0.0])


def test_the_ratio_is_that_of_the_first_compute_at_which_chance_is_reached():
    chance = np.array([[0.4, 0.3, 0.2]])
    assert ratio_to(chance, np.array([[0.2, 0.2, 0.1]]), STEPS) == 3.0
    assert ratio_to(chance, np.array([[0.3, 0.2, 0.1]]), STEPS) == 1.5
    assert ratio_to(chance, np.array([[0.3, 0.3, 0.3]]), STEPS) == 0.0


def test_the_interval_holds_the_ratio():
    rng = np.random.default_rng(0)
    chance = np.sort(rng.uniform(size=(30, 14)))[:, ::-1]
    low, high = interval(chance, chance / 2)
    assert low <= ratio_to(chance, chance / 2) <= high


def test_thompson_sampling_repeats_and_prefers_what_paid():
    pulls = [("mixup", 0.9)] * 8 + [("cutmix", 0.5)] * 8
    drawn = [thompson(["mixup", "cutmix"], pulls, seed) for seed in range(50)]
    assert drawn == [thompson(["mixup", "cutmix"], pulls, seed) for seed in range(50)]
    assert drawn.count("mixup") > 45


@pytest.mark.parametrize("way", WAYS)
def test_every_way_repeats_and_starts_with_the_arms(way, tmp_path):
    made = problem(tmp_path)
    first, again = (run(made, way, is_pruned=True, seeds=1, trials=15)[0] for _ in range(2))
    assert [trial.params for trial in first.history] == [trial.params for trial in again.history]
    assert first.expected[:2] == [float(made.surrogate.arm(name)[0, -1]) for name in ("none", "cutmix")]
    assert all(made.best - first.expected[choose(first, range(2, 10))] >= 0 for choose in CHOICES.values())
