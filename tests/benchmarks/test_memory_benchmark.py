"""How trials are counted until a search with and one without memory reach the same accuracy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import memory
import pytest


def search(*scores: float, name: str = "digits", arms: tuple[str, ...] = ()) -> Any:
    found = memory.Search(SimpleNamespace(task=SimpleNamespace(name=name)))
    found.scores = list(scores)
    found.proposals = [SimpleNamespace(arm=arm) for arm in (*arms, *[""] * (len(scores) - len(arms)))]
    return found


def test_trial_that_reaches_a_target_is_counted_from_one_and_none_counts_as_one_more() -> None:
    found = search(0.5, 0.6, 0.7)
    assert [found.first_at(target) for target in (0.4, 0.6, 0.65, 0.8)] == [1, 2, 3, 4]


def test_target_is_the_same_for_all_seeds_and_set_by_searches_without_memory_alone() -> None:
    pairs = [
        memory.Pair(search(0.5, 0.7), search(0.5, 0.99)),
        memory.Pair(search(0.6, 0.8), search(0.6, 0.99)),
    ]
    assert memory.target_of(pairs, 1.0) == pytest.approx(0.75)
    assert memory.target_of(pairs, 0.5) == pytest.approx(0.65)


def test_report_gives_the_mean_difference_over_seeds_and_what_the_memory_added() -> None:
    none = "none"
    alone = search(0.5, 0.6, 0.7, arms=(none,))
    helped = search(0.5, 0.7, 0.6, arms=(none, "memory-1", "memory-2"))
    lines = memory.report([memory.Pair(alone, helped)] * 4, minutes=1.0)
    whole = next(line for line in lines if line.startswith("| digits, 70.0% | 100% |"))
    assert "| 3.0 | 2.0 | -1.0 (-1.0 to -1.0) | 8 of 8 |" in whole
    assert any(line.startswith("| all | 100% | 3.0 | 2.0 |") for line in lines)
