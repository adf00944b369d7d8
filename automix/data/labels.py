"""Labels: from whatever a source gives to 0..K-1, and label noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automix.errors import DataError, listed

__all__ = ["add_noise", "encode"]


def encode(
    labels: NDArray[Any] | Sequence[Any], class_names: Sequence[str] | None, spec: str
) -> tuple[NDArray[np.int64], tuple[str, ...], tuple[str, ...]]:
    """Number the classes that occur, in the order of their labels.

    Args:
        labels: (N,) integers or texts. With ``class_names`` they are positions in it.
        class_names: names of label 0, 1, ...; None takes the labels' own text.
        spec: the source's text, for messages.

    Returns:
        (N,) int64 in 0..K-1; the K class names; notes about names without images, which are left out.

    Raises:
        DataError: labels are no integers or texts, fall outside ``class_names``, or there are fewer than two classes.
    """
    values = np.asarray(labels)
    if values.ndim != 1 or values.dtype.kind not in "biufUS":
        raise DataError(
            f"Expected one integer or text per image as label in {spec} but got {values.dtype} of shape {values.shape}."
        )
    if values.dtype.kind == "f" and not (whole := values == np.floor(values)).all():
        first = int(np.argmin(whole))  # NaN is not equal to itself and lands here too
        raise DataError(f"Expected integer labels in {spec} but got {values[first]!s} at position {first}.")
    if values.dtype.kind in "biuf":
        values = values.astype(np.int64)
    present, encoded = np.unique(values, return_inverse=True)
    classes, notes = _names(present, class_names, spec)
    if len(classes) < 2:
        raise DataError(f"Expected at least two classes in {spec} but found {len(classes)}: {listed(classes)}.")
    return encoded.astype(np.int64), classes, notes


def _names(
    present: NDArray[Any], class_names: Sequence[str] | None, spec: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if class_names is None:
        return tuple(str(value) for value in present), ()
    if present.dtype.kind != "i" or present[0] < 0 or present[-1] >= len(class_names):
        raise DataError(
            f"Expected labels from 0 to {len(class_names) - 1} in {spec}, which has {len(class_names)} class names, "
            f"but got {present[0]!s} to {present[-1]!s}."
        )
    unused = sorted(set(range(len(class_names))) - set(present.tolist()))
    notes = (f"classes without images were left out: {listed(class_names[i] for i in unused)}",) if unused else ()
    return tuple(class_names[i] for i in present), notes


def add_noise(labels: NDArray[np.int64], num_classes: int, share: float, seed: int) -> NDArray[np.int64]:
    """Redraw a share of the labels uniformly from all classes, the right one included.

    Exactly ``round(share * N)`` labels are redrawn, so about ``share * (1 - 1 / K)`` of them become wrong.

    Args:
        labels: (N,) int64; not changed.
        num_classes: K.
        share: in [0, 1).
        seed: names the stream; equal seeds give equal noise.

    Returns:
        (N,) int64.
    """
    from automix.mixing.random import seed_of

    rng = np.random.default_rng(seed_of(seed, "label noise"))
    chosen = rng.permutation(len(labels))[: round(share * len(labels))]
    noisy = labels.copy()
    noisy[chosen] = rng.integers(num_classes, size=len(chosen))
    return noisy
