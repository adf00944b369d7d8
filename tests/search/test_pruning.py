"""Pruning looks late and seldom, at everything that counts, and never lets one kind of policy remove the other."""

from __future__ import annotations

import math
import random

import pytest

from automix.goal import GOALS
from automix.search.pruning import Peer, is_due, losing_kind, should_prune

N = 10


def rows(top1: float, logloss: float, epochs: int = N, **more: float) -> list[dict[str, float]]:
    return [{"val/top1": top1, "val/logloss": logloss, **more}] * epochs


PEERS = [Peer(rows(0.5 + 0.01 * i, 1.0 - 0.01 * i), is_mixing=True) for i in range(5)]  # medians 0.52 and 0.98


def prune(curve: list[dict[str, float]], peers: list[Peer] = PEERS, *, is_mixing: bool = True, **more) -> bool:
    return should_prune(curve, peers, N, is_mixing=is_mixing, **more)


@pytest.mark.parametrize(
    ("epochs", "expected"), [(1, False), (4, False), (5, True), (6, False), (8, True), (10, False)]
)
def test_a_trial_is_looked_at_after_a_half_and_three_quarters_of_its_epochs(epochs: int, expected: bool) -> None:
    assert is_due(epochs, N) is expected
    assert prune(rows(0.1, 5.0, epochs)) is expected


def test_short_trials_are_looked_at_too_but_never_after_their_end() -> None:
    assert [[e for e in range(1, n + 1) if is_due(e, n)] for n in (1, 2, 3, 4)] == [[], [1], [2], [2, 3]]


@pytest.mark.parametrize(
    ("top1", "logloss", "expected"),
    [(0.51, 0.99, True), (0.51, 0.97, False), (0.53, 0.99, False), (0.52, 0.98, False), (0.51, math.nan, True)],
)
def test_a_trial_that_leads_in_either_measure_lives(top1: float, logloss: float, expected: bool) -> None:
    assert prune(rows(top1, logloss, 5)) is expected


def test_four_finished_trials_are_too_few() -> None:
    assert not prune(rows(0.1, 5.0, 5), PEERS[:4])
    assert not prune(rows(0.1, 5.0, 5), [*PEERS[:4], Peer(rows(0.5, 1.0, 5), True, is_finished=False)])


def test_pruned_peers_count_where_they_got_to_so_that_survivors_do_not_raise_the_bar() -> None:
    poor = [Peer(rows(0.3, 1.5, 5), True, is_finished=False)] * 6
    assert prune(rows(0.45, 1.2, 5))
    assert not prune(rows(0.45, 1.2, 5), [*PEERS, *poor])
    assert prune(rows(0.45, 1.2, 8), [*PEERS, *poor])  # none of them got to this epoch


def test_peers_are_judged_at_the_same_epoch() -> None:
    rising = [{"val/top1": 0.1 * e, "val/logloss": 2 - 0.1 * e} for e in range(1, N + 1)]
    peers = [Peer(rising, True)] * 5
    assert not prune(rows(0.55, 1.45, 5), peers)
    assert prune(rows(0.55, 1.45, 8), peers)


def test_neither_kind_is_pruned_by_the_other_before_the_regime_is_known() -> None:
    assert not prune(rows(0.1, 5.0, 5), is_mixing=False)
    plain = [Peer(rows(0.9, 0.1), is_mixing=False)] * 3
    assert not prune(rows(0.525, 0.95, 5), [*PEERS, *plain])


def test_regime_is_known_once_four_of_each_kind_are_wholly_apart() -> None:
    better, worse = ([Peer(rows(level + 0.01 * i, 1.0), False) for i in range(4)] for level in (0.8, 0.2))
    between = Peer(rows(0.505, 1.0), False)
    assert losing_kind([*PEERS, *better], GOALS["accuracy"]) is True
    assert losing_kind([*PEERS, *worse], GOALS["accuracy"]) is False
    assert losing_kind([*PEERS, *better[:3]], GOALS["accuracy"]) is None
    assert losing_kind([*PEERS, *better, between], GOALS["accuracy"]) is None
    assert losing_kind([*PEERS[:4], Peer(rows(0.9, 1.0, 5), True, False), *better], GOALS["accuracy"]) is True
    # From then on the losing kind is held against everybody, the other one against its own.
    assert prune(rows(0.525, 1.05, 5), [*PEERS, *better])
    assert not prune(rows(0.75, 1.05, 5), [*PEERS, *better], is_mixing=False)


@pytest.mark.parametrize(
    ("goal", "own", "others", "expected"),
    [
        ("images_per_s", {"cost/img_s": 90.0}, {"cost/img_s": 100.0}, True),
        ("images_per_s", {"cost/img_s": 110.0}, {"cost/img_s": 100.0}, False),
        ("calibration", {"val/ece": 0.2}, {"val/ece": 0.1}, True),
        ("calibration", {"val/ece": 0.05}, {"val/ece": 0.1}, False),
    ],
)
def test_the_goal_decides_with_the_others_and_alone_where_it_is_not_about_quality(
    goal: str, own: dict[str, float], others: dict[str, float], expected: bool
) -> None:
    peers = [Peer(rows(0.5, 1.0, **others), True)] * 5
    assert prune(rows(0.1, 5.0, 5, **own), peers, goal=GOALS[goal]) is expected
    if goal == "images_per_s":
        assert prune(rows(0.9, 0.1, 5, **own), peers, goal=GOALS[goal]) is expected


def late_winner(strength: float, n_epochs: int, noise: random.Random) -> list[dict[str, float]]:
    """A trial that mixes this much: behind no mixing until two thirds of its epochs, ahead of it at the end."""
    curve = []
    for epoch in range(1, n_epochs + 1):
        done = epoch / n_epochs
        top1 = 0.6 * done**0.5 + strength * (0.3 * done - 0.2) + noise.gauss(0, 0.005)
        curve.append({"val/top1": top1, "val/logloss": 1.5 - top1})
    return curve


@pytest.mark.parametrize("seed", range(10))
def test_mixing_that_starts_behind_and_wins_late_is_not_lost(seed: int) -> None:
    noise, n_epochs = random.Random(seed), 20
    peers = [Peer(late_winner(0.0, n_epochs, noise), False) for _ in range(8)]
    for slot in range(40):
        is_mixing = slot % 2 == 0
        curve = late_winner(1.0 if is_mixing else 0.0, n_epochs, noise)
        ends = [e for e in range(1, n_epochs + 1) if should_prune(curve[:e], peers, n_epochs, is_mixing=is_mixing)]
        peers.append(Peer(curve[: ends[0]] if ends else curve, is_mixing, not ends))
    finished = [peer for peer in peers if peer.is_finished]
    assert sum(peer.is_mixing for peer in finished) >= 5
    assert max(finished, key=lambda peer: peer.curve[-1]["val/top1"]).is_mixing
    # The rule that was here before, one median for all, removes every one of them.
    everyone = [Peer(late_winner(0.0, n_epochs, noise), True) for _ in range(8)]
    assert should_prune(late_winner(1.0, n_epochs, noise)[:10], everyone, n_epochs, is_mixing=True)
