from __future__ import annotations

import numpy as np
import pytest

from automix.data import open_data
from automix.data.fingerprint import channel_statistics, meta_features


def features(images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    counts = {"train": len(images), "val": 0, "test": 0}
    return meta_features(images, labels, int(labels.max()) + 1, counts)


def noise(n: int, channels: int = 3, side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, channels, side, side), dtype=np.uint8)


def test_statistics_agree_with_numpy_over_several_chunks():
    images = noise(600, side=5)
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, (images / 255).mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, (images / 255).std(axis=(0, 2, 3)), rtol=1e-9)


def test_constant_channel_has_a_std_to_divide_by():
    assert channel_statistics(np.full((3, 1, 4, 4), 7, np.uint8))[1] == [pytest.approx(1 / 255)]


def test_separability_is_one_for_clear_classes_and_zero_by_chance():
    labels = np.arange(400) % 2
    clear = noise(400) // 8 + (labels[:, None, None, None] * 200).astype(np.uint8)
    assert features(clear, labels)["separability"] == 1
    assert features(noise(400), labels)["separability"] < 0.15


def test_label_noise_lowers_separability(tmp_path):
    clean, noisy = (open_data("digits", work=tmp_path, label_noise=share) for share in (0.0, 0.4))
    assert clean.fingerprint.meta["separability"] > 0.95
    assert 0.2 < noisy.fingerprint.meta["separability"] < 0.5


def test_near_duplicates_are_counted():
    images = noise(40)
    images[1] = images[0]
    images[3] = np.clip(images[2].astype(int) + 1, 0, 255)
    assert features(images, np.arange(40) % 2)["near_duplicates"] == pytest.approx(4 / 40)


def test_colourfulness_is_zero_for_grey_and_grows_with_saturation():
    labels = np.arange(20) % 2
    grey = noise(20, channels=1)
    muted = np.clip(128 + (noise(20).astype(int) - 128) // 8, 0, 255).astype(np.uint8)
    values = [features(x, labels)["colourfulness"] for x in (grey, grey.repeat(3, axis=1), muted, noise(20))]
    assert values[0] == 0
    assert values[1] == pytest.approx(0, abs=1e-6)
    assert values[1] < values[2] < values[3]


def test_edge_density_by_hand():
    stripes = np.zeros((4, 1, 8, 8), np.uint8)
    stripes[..., ::2] = 255  # every step across is a full one, every step down is none
    assert features(stripes, np.arange(4) % 2)["edge_density"] == pytest.approx(0.5)


def test_imbalance_is_the_ratio_of_largest_to_smallest_class():
    assert features(noise(40), np.repeat([0, 1], [30, 10]))["imbalance"] == 3
