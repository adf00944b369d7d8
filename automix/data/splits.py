"""Fixed, stratified splits, and subsets of them.

Splits that the source gives are kept. What is missing is cut from the training images, class by class: 15 % of them
each for val and test, at least one image per class and split, and always at least one left to train on. Each class
has its own random stream, so that adding a class does not move the images of another.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from automix.errors import DataError, SettingError, listed

__all__ = ["CUT_SHARE", "assign", "stratified_subset"]

CUT_SHARE = 0.15
"""Share of the training images that a missing val or test split takes, each."""


def assign(
    labels: NDArray[np.int64], classes: Sequence[str], given: Sequence[str] | None, seed: int
) -> NDArray[np.str_]:
    """Give each image its split.

    Args:
        labels: (N,) int64 in 0..K-1.
        classes: K names, for messages.
        given: the source's own split of each image, or None.
        seed: names the streams; equal seeds give equal splits.

    Returns:
        (N,) text: "train", "val" or "test".

    Raises:
        DataError: a class has too few images to be in every split, or none to train on.
    """
    splits = np.array(given if given is not None else ["train"] * len(labels), dtype="<U5")
    _check_train(labels, classes, splits)
    missing = [split for split in ("val", "test") if not np.any(splits == split)]
    for k in range(len(classes)):
        rows = np.flatnonzero((labels == k) & (splits == "train"))
        if len(rows) <= len(missing):
            raise DataError(_too_few(labels, classes, splits, missing))
        shuffled = rows[_permutation(len(rows), seed, "split", k)]
        size = max(1, int(CUT_SHARE * len(rows) + 0.5))
        for i, split in enumerate(missing):
            splits[shuffled[i * size : (i + 1) * size]] = split
    return splits


def _check_train(labels: NDArray[np.int64], classes: Sequence[str], splits: NDArray[np.str_]) -> None:
    trained = set(np.unique(labels[splits == "train"]).tolist())
    unseen = [name for k, name in enumerate(classes) if k not in trained]
    if unseen:
        raise DataError(f"No training images for class {listed(unseen)}: every class in val and test must be in train.")


def _too_few(
    labels: NDArray[np.int64], classes: Sequence[str], splits: NDArray[np.str_], missing: Sequence[str]
) -> str:
    counts = np.bincount(labels[splits == "train"], minlength=len(classes))
    few = [f"{name} ({n})" for name, n in zip(classes, counts.tolist(), strict=True) if n <= len(missing)]
    return (
        f"Expected at least {len(missing) + 1} images of each class, one for each of {', '.join(['train', *missing])}, "
        f"but got fewer for: {listed(few)}. Add images of these classes or leave the classes out."
    )


def stratified_subset(labels: NDArray[np.int64], limit: int, num_classes: int, seed: int) -> NDArray[np.intp]:
    """Choose some images of a split, keeping the classes' proportions.

    A class's share is rounded down and the images still missing go to the largest remainders; every class keeps at
    least one. A smaller limit takes the first images of the same random order, so it is a subset of a larger one up
    to rounding.

    Args:
        labels: (N,) int64, those of the split.
        limit: how many to keep; at least ``num_classes``.
        num_classes: K.
        seed: names the streams.

    Returns:
        Sorted positions in ``labels``; all of them where ``limit >= N``.

    Raises:
        SettingError: ``limit`` is below the number of classes.
    """
    if limit < num_classes:
        raise SettingError(
            f"Expected `limit` of at least {num_classes} training images, one per class, but got {limit}."
        )
    if limit >= len(labels):
        return np.arange(len(labels))
    counts = np.bincount(labels, minlength=num_classes)
    quota = counts * (limit / len(labels))
    take = np.minimum(counts, np.maximum(1, np.floor(quota).astype(np.int64)))
    while take.sum() != limit:
        # Too many only where small classes were lifted to one image: then the others give, never those.
        up = take.sum() < limit
        gap = np.where(take < counts, quota - take, -np.inf) if up else np.where(take > 1, take - quota, -np.inf)
        take[np.argmax(gap)] += 1 if up else -1
    chosen = [
        np.flatnonzero(labels == k)[_permutation(int(counts[k]), seed, "limit", k)[: take[k]]]
        for k in range(num_classes)
    ]
    return np.sort(np.concatenate(chosen))


def _permutation(n: int, seed: int, *key: int | str) -> NDArray[np.intp]:
    from automix.mixing.random import seed_of

    return np.random.default_rng(seed_of(seed, *key)).permutation(n).astype(np.intp)
