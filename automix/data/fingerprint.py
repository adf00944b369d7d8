"""Numbers that describe a data set, cheap enough to take of every one.

All are taken of the training images as they are trained on (after limit and label noise), the costly ones of at
most 1000 images spread evenly over them. They tell which earlier studies were alike, and in which regime the data
are: few or many images, clean or noisy.

| key | meaning |
|---|---|
| n_train, n_val, n_test | images per split |
| num_classes | K |
| imbalance | training images of the largest class over those of the smallest |
| side | geometric mean of height and width, px |
| channels | 1 or 3 |
| contrast | standard deviation of brightness over all pixels, scale [0, 1] |
| colourfulness | Hasler and Süsstrunk 2003, equation 11, on the scale [0, 1]; 0 for grey |
| edge_density | mean difference of brightness between neighbours, scale [0, 1] |
| separability | share of images whose nearest other one (at 8x8 px) has their label: 0 is chance; noise lowers it |
| near_duplicates | share of images whose nearest other one differs by less than 2 % of the range (RMS at 8x8 px) |
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["channel_statistics", "meta_features"]

_SAMPLE = 1000
_THUMBNAIL = 8
_DUPLICATE = 0.02
_MIN_STD = 1 / 255  # one grey level: a constant channel must not divide by zero
_CHUNK = 256


def channel_statistics(images: NDArray[np.uint8]) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation per channel over all images.

    Args:
        images: (N, C, H, W) uint8, N >= 1; read in chunks.

    Returns:
        Two lists of C numbers on the scale [0, 1]; a standard deviation is at least 1/255.
    """
    total = np.zeros(images.shape[1])
    squares = np.zeros(images.shape[1])
    for start in range(0, len(images), _CHUNK):
        # float64 sums of integers below 2^53 are exact, so the result does not depend on the chunks.
        chunk = images[start : start + _CHUNK].astype(np.float64)
        total += chunk.sum(axis=(0, 2, 3))
        squares += np.einsum("nchw,nchw->c", chunk, chunk)
    pixels = images[:, 0].size
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 0.0))
    return (mean / 255).tolist(), np.maximum(std / 255, _MIN_STD).tolist()


def meta_features(
    images: NDArray[np.uint8], labels: NDArray[np.int64], num_classes: int, counts: dict[str, int]
) -> dict[str, float]:
    """Describe a data set by the numbers in the table above.

    Args:
        images: (N, C, H, W) uint8, the training images.
        labels: (N,) int64, as trained on.
        num_classes: K.
        counts: images per split.

    Returns:
        The features by name, rounded to six digits.
    """
    chosen = np.unique(np.linspace(0, len(images) - 1, min(_SAMPLE, len(images))).astype(np.int64))
    pixels = images[chosen].astype(np.float32) / np.float32(255)
    brightness: NDArray[np.float32] = pixels.mean(axis=1)
    separability, near_duplicates = _neighbours(_thumbnails(images[chosen]), labels[chosen])
    per_class = np.bincount(labels, minlength=num_classes)
    height, width = images.shape[2:]
    features = {
        **{f"n_{split}": float(count) for split, count in counts.items()},
        "num_classes": float(num_classes),
        "imbalance": float(per_class.max() / max(1, per_class.min())),
        "side": float(np.sqrt(height * width)),
        "channels": float(images.shape[1]),
        "contrast": float(brightness.std()),
        "colourfulness": _colourfulness(pixels),
        "edge_density": _edge_density(brightness),
        "separability": separability,
        "near_duplicates": near_duplicates,
    }
    return {name: round(value, 6) for name, value in features.items()}


def _colourfulness(pixels: NDArray[np.float32]) -> float:
    if pixels.shape[1] == 1:
        return 0.0
    red, green, blue = pixels[:, 0], pixels[:, 1], pixels[:, 2]
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    shift = np.hypot(red_green.mean(), yellow_blue.mean())
    return float(spread + 0.3 * shift)


def _edge_density(brightness: NDArray[np.float32]) -> float:
    steps = [np.abs(np.diff(brightness, axis=axis)) for axis in (1, 2)]
    n_steps = sum(step.size for step in steps)
    return float(sum(step.sum() for step in steps) / max(1, n_steps))


def _thumbnails(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Shrink to at most 8x8 by box averages; returns (N, D) on the scale [0, 1]."""
    n, _, height, width = images.shape
    size = (min(width, _THUMBNAIL), min(height, _THUMBNAIL))
    small = [
        np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BOX)) for image in images for plane in image
    ]
    return np.stack(small).reshape(n, -1).astype(np.float64) / 255


def _neighbours(points: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Return separability and share of near duplicates from the nearest other point of each."""
    if len(points) < 2:
        return 0.0, 0.0
    norms = np.einsum("nd,nd->n", points, points)
    distance = norms[:, None] + norms[None, :] - 2 * points @ points.T
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argmin(axis=1)
    agreement = float((labels == labels[nearest]).mean())
    shares = np.bincount(labels) / len(labels)
    chance = float((shares**2).sum())
    separability = max(0.0, (agreement - chance) / (1 - chance)) if chance < 1 else 0.0
    closest = np.sqrt(np.maximum(distance.min(axis=1), 0) / points.shape[1])
    return separability, float((closest < _DUPLICATE).mean())
