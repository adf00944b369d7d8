"""Images, labels and splits: from any source to batches on the device.

    dataset.py       the records that cross to other layers: DataSet, Split, Fingerprint
    sources/         what a data set's text names: digits, folder:DIR, npz:FILE, csv:FILE, torchvision:NAME, ...
    labels.py        any labels to 0..K-1; label noise
    splits.py        stratified train, val, test; the limit on training images
    pixels.py        which colours, which size, and how an image gets there
    decode.py        headers and pixels read by a pool of threads; unreadable images are named
    cache.py         the decoded images on disk: complete or absent, shared by all processes
    fingerprint.py   the numbers that describe a data set
    writer.py        fills one folder of the cache, all or nothing
    building.py      from a source to its folder of the cache
    opening.py       `open_data`: builds a data set once per work folder
    loader.py        batches, normalised and augmented, on the device
    augment.py       flips and crops of a whole batch

Importing this package does not import torch: `Loader` and `Augmentation` come on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automix.data.cache import load_data
from automix.data.dataset import DataSet, Fingerprint, Split
from automix.data.opening import open_data

if TYPE_CHECKING:
    from automix.data.augment import Augmentation, AugmentPlan
    from automix.data.loader import Loader

__all__ = [
    "AugmentPlan",
    "Augmentation",
    "DataSet",
    "Fingerprint",
    "Loader",
    "Split",
    "load_data",
    "open_data",
]


def __getattr__(name: str) -> object:
    """Import what needs torch when it is first asked for."""
    if name in ("Augmentation", "AugmentPlan"):
        from automix.data import augment

        return getattr(augment, name)
    if name == "Loader":
        from automix.data.loader import Loader

        return Loader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
