"""Digits as a data set, and everything that is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from sklearn.datasets import load_digits

from automix.data import DataSet, Fingerprint, Split
from automix.manager import build_host
from automix.registry import Registry


class OnlyTrainAndVal(dict[str, Split]):
    """Splits of which the test split must not be looked at."""

    def __missing__(self, name: str) -> Split:
        raise AssertionError(f"the split {name!r} was looked at")


@pytest.fixture
def registry() -> Registry:
    """Everything installed; a fresh one, so that a test may add to it."""
    return build_host().registry


@pytest.fixture
def digits() -> Callable[..., DataSet]:
    """Return a function that makes a data set of the first digits: 8 x 8 px, grey, without a test split."""
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels.reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)

    def make(n_train: int = 64, n_val: int = 32, channels: int = 1) -> DataSet:
        index = np.arange(n_train + n_val)
        colour = np.repeat(images, channels, axis=1)
        train, val = (Split(images=colour[i], labels=labels[i], index=i) for i in (index[:n_train], index[n_train:]))
        return dataset({"train": train, "val": val}, channels)

    return make


def dataset(splits: Mapping[str, Split], channels: int) -> DataSet:
    return DataSet(
        name="digits",
        key="digits-test",
        spec="digits",
        classes=tuple("0123456789"),
        channels=channels,
        image_size=splits["train"].images.shape[2:],
        splits=OnlyTrainAndVal(splits),
        mean=(0.305,) * channels,
        std=(0.376,) * channels,
        fingerprint=Fingerprint(content_hash="0123456789abcdef", meta={}),
    )
