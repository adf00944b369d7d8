"""The null and power controls: whole studies of noise through the code that comes to verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta
from verdict_studies import Spread, Study

# Spreads measured on digits with the network of its size (docs/verdict.md): accuracy, how much two arms differ on an
# image and how much of that is noise; seed effects at the upper end of what was seen.
CLEAN = Spread(accuracy=0.92, seed_sd=0.016, shared=0.7, own=0.3, n_val=269, n_test=269)
NOISY = Spread(accuracy=0.864, seed_sd=0.010, shared=0.7, own=0.3, n_val=269, n_test=269)
# Many test images, so that seeds are nearly all that varies: the hardest case for three seeds.
LARGE = Spread(accuracy=0.80, seed_sd=0.016, shared=0.8, own=0.3, n_val=300, n_test=1000)


def _upper_limit(hits: int, n: int) -> float:
    """Clopper-Pearson's one-sided 95 % limit."""
    return float(beta.ppf(0.95, hits + 1, n - hits))


@pytest.mark.parametrize(
    ("spread", "n_seeds", "n_studies"),
    [(CLEAN, 3, 2000), (LARGE, 3, 1000)],
    ids=["clean", "large"],
)
def test_studies_without_any_gain_claim_one_in_at_most_six_percent(
    spread: Spread, n_seeds: int, n_studies: int
) -> None:
    generator = np.random.Generator(np.random.Philox(key=3))
    kinds = [Study(spread, n_seeds).run(generator).kind for _ in range(n_studies)]
    assert _upper_limit(kinds.count("helps"), n_studies) <= 0.065


def test_studies_that_are_extended_until_they_claim_a_gain_do_so_no_more_often() -> None:
    generator = np.random.Generator(np.random.Philox(key=5))
    looks = [Study(LARGE, 5).looks(generator, (3, 5)) for _ in range(700)]
    claims = sum(any(one.kind == "helps" for one in study) for study in looks)
    assert _upper_limit(claims, len(looks)) <= 0.065


@pytest.mark.parametrize("n_seeds", [3, 5])
def test_a_true_gain_of_five_points_on_noisy_labels_is_found_in_most_studies(n_seeds: int) -> None:
    generator = np.random.Generator(np.random.Philox(key=4))
    kinds = [Study(NOISY, n_seeds, gain=0.05).run(generator).kind for _ in range(200)]
    assert kinds.count("helps") >= 0.6 * len(kinds)
