"""The data layer on the real data sets beside the repository."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from automix.data import open_data


def test_fashion_mnist_opens_with_its_class_names(tmp_path, real_data):
    data = open_data(f"npz:{real_data('fashion-mnist-3k/fashion_mnist_3k.npz')}", work=tmp_path)
    assert (data.channels, data.image_size, data.num_classes) == (1, (28, 28), 10)
    assert sum(len(split) for split in data.splits.values()) == 3615
    assert data.classes[9] == "ankle boot"
    # Published for the whole set: mean 0.286, standard deviation 0.353.
    assert data.mean[0] == pytest.approx(0.286, abs=0.005)
    assert data.std[0] == pytest.approx(0.353, abs=0.005)


@pytest.mark.slow
def test_slice_of_cifar_keeps_its_test_images(tmp_path, real_data):
    path = real_data("cifar10-jpeg/cifar10_jpeg.npz")
    data = open_data(f"npz:{path}", work=tmp_path, limit=1000)
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [1000, 1000, 10000]  # val is thinned out
    assert (np.bincount(data.splits["train"].labels) == 100).all()
    with np.load(path, allow_pickle=False) as archive:
        np.testing.assert_array_equal(data.splits["test"].labels, archive["test_label"])
        train_labels = archive["train_label"]
    np.testing.assert_array_equal(data.splits["train"].labels, train_labels[data.splits["train"].index])


def test_unpacked_clothing_folder_keeps_its_splits(tmp_path, real_data):
    with zipfile.ZipFile(real_data("clothing-small/clothing_small.zip")) as archive:
        archive.extractall(tmp_path / "clothing")
    data = open_data(f"folder:{tmp_path / 'clothing'}", work=tmp_path / "work", image_size=64)
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 900, "val": 341, "test": 372}
    assert data.image_size == (64, 64)
    assert data.skipped == ()
    assert Path(data.spec.removeprefix("folder:")) == tmp_path / "clothing"
