from __future__ import annotations

import numpy as np
import pytest
from interval_coverage import SPREADS, Bootstrap, Spread, answers, components, error

from automix.verdict.statistics import LEVEL


def generator(key: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


def test_bootstrap_is_that_of_tables_drawn_anew() -> None:
    ours, theirs = answers(SPREADS[0], 5, generator())
    low, high = Bootstrap(5, ours.shape[1], generator(1))(ours, theirs)
    table, rng = ours.astype(float) - theirs, generator(2)
    n, m = table.shape
    means = [table[rng.integers(n, size=n)][:, rng.integers(m, size=m)].mean() for _ in range(2000)]
    assert (low, high) == pytest.approx(np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]), abs=0.006)


def test_simulated_arms_have_the_accuracy_and_the_spread_over_seeds_that_were_asked_for() -> None:
    spread = Spread("", n_images=20_000, accuracy=0.8, seed_sd=0.02)
    ours, theirs = answers(spread, 400, generator())
    assert ours.mean() == pytest.approx(0.8, abs=0.01)
    assert (ours.mean(axis=1) - theirs.mean(axis=1)).std() == pytest.approx(0.02, rel=0.15)


def test_where_seeds_are_all_that_varies_three_of_them_mislead_the_bootstrap_alone() -> None:
    spread = Spread("", n_images=4000, accuracy=0.9, seed_sd=0.02)
    bootstrap, _ = error(Bootstrap(3, 4000, generator()), spread, 3, 200)
    ours, _ = error(components, spread, 3, 200)
    assert bootstrap > 0.1
    assert ours < 0.07
