"""Which winners of earlier studies to try first on new data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from automix.zoo.distance import FAR, distance
from automix.zoo.winners import Winner, mixers_of

__all__ = ["Recollection", "recall"]


@dataclass(frozen=True)
class Recollection:
    """A winner, and how far its data set is from the one at hand."""

    winner: Winner
    distance: float


def recall(
    winners: Iterable[Winner], content_hash: str, features: Mapping[str, float], *, with_own: bool = True
) -> list[Recollection]:
    """Order winners by how much they promise.

    The best policy of the nearest data set comes first. The second best of a data set (of those that differ in their
    mixers) stands as far back as the best of one that is farther away by 1, and so on.

    Args:
        winners: what is known.
        content_hash: of the data set at hand.
        features: of the data set at hand.
        with_own: whether earlier studies of the very same data count; they are at distance 0.

    Returns:
        Those worth a try, the most promising first; without data sets that are farther away than `FAR`.
    """
    by_data: dict[str, dict[tuple[str, ...], Winner]] = {}
    for winner in sorted(winners, key=lambda winner: winner.rank):
        if with_own or winner.entry.data != content_hash:
            by_data.setdefault(winner.entry.data, {}).setdefault(mixers_of(winner.entry.policy), winner)
    found: list[tuple[float, Recollection]] = []
    for data_hash, best in by_data.items():
        record = next(iter(best.values())).data
        away = 0.0 if data_hash == content_hash else distance(features, record.meta_features)
        if away <= FAR:
            found += [(away + place, Recollection(winner, away)) for place, winner in enumerate(best.values())]
    return [recollection for _, recollection in sorted(found, key=lambda one: one[0])]
