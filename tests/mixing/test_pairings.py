"""Pairings: who may meet whom, and how often."""

from __future__ import annotations

import pytest
import torch

from automix.mixing import ClassBalancedPairing, DifferentClassPairing, RandomPairing, ReversePairing, Streams

DRAWS = 4_000


def counts(pairing, labels: torch.Tensor) -> torch.Tensor:
    """(B, B): how often row i got partner j."""
    n = len(labels)
    table = torch.zeros(n, n)
    for step in range(DRAWS):
        table[torch.arange(n), pairing.partners(labels, Streams(0).generator(step))] += 1
    return table


def assert_close_to(table: torch.Tensor, expected: torch.Tensor) -> None:
    spread = 5 * (DRAWS * expected * (1 - expected)).sqrt()
    assert bool(((table - DRAWS * expected).abs() <= spread).all())


def test_random_is_a_permutation_and_every_pair_is_equally_likely() -> None:
    labels = torch.zeros(5, dtype=torch.long)
    for step in range(20):
        assert sorted(RandomPairing().partners(labels, Streams(0).generator(step)).tolist()) == [0, 1, 2, 3, 4]
    assert_close_to(counts(RandomPairing(), labels), torch.full((5, 5), 0.2))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_reverse_is_timms_flip_and_draws_nothing(n: int) -> None:
    generator = Streams(0).generator(0)
    before = generator.get_state()
    partners = ReversePairing().partners(torch.zeros(n, dtype=torch.long), generator)
    assert torch.equal(partners, torch.arange(n).flip(0))
    assert torch.equal(generator.get_state(), before)


def test_different_class_never_meets_its_own_and_is_uniform_over_the_others() -> None:
    labels = torch.tensor([2, 0, 2, 1, 0, 2])
    other = (labels[:, None] != labels[None, :]).float()
    table = counts(DifferentClassPairing(), labels)
    assert bool((table[other == 0] == 0).all())
    assert_close_to(table, other / other.sum(dim=1, keepdim=True))


@pytest.mark.parametrize("labels", [[3], [1, 1, 1]])
def test_different_class_leaves_a_batch_of_one_class_unmixed(labels: list[int]) -> None:
    partners = DifferentClassPairing().partners(torch.tensor(labels), Streams(0).generator(0))
    assert partners.tolist() == list(range(len(labels)))


def test_class_balanced_draws_the_class_first() -> None:
    labels = torch.tensor([7, 7, 7, 7, 7, 1])
    expected = torch.where(labels == 1, 0.5, 0.1).expand(6, 6)
    assert_close_to(counts(ClassBalancedPairing(), labels), expected)
