from __future__ import annotations

import numpy as np
import pytest
import torch

from automix.data import Augmentation, Loader, Split, open_data
from automix.errors import SettingError
from automix.mixing.random import Streams

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def split_of(n: int, channels: int = 3) -> Split:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, channels, 6, 5), dtype=np.uint8)
    return Split(images, np.arange(n) % 4, np.arange(n) + 1000)


def loader_of(n: int = 10, **options) -> Loader:
    settings = {"batch_size": 4, "device": "cpu", "mean": MEAN, "std": STD, "shuffle": False, **options}
    return Loader(split_of(n), **settings)


def test_images_are_normalised_and_rows_stay_together():
    split = split_of(10)
    seen = 0
    for images, labels, index in loader_of().epoch(0):
        rows = index.numpy() - 1000
        expected = (split.images[rows] / 255 - np.array(MEAN)[:, None, None]) / np.array(STD)[:, None, None]
        torch.testing.assert_close(images, torch.from_numpy(expected).float())
        assert labels.tolist() == (rows % 4).tolist()
        assert (images.dtype, labels.dtype, index.dtype) == (torch.float32, torch.int64, torch.int64)
        seen += len(rows)
    assert seen == 10


def test_without_shuffling_the_order_is_that_of_the_split():
    index = torch.cat([index for _, _, index in loader_of().epoch(3)])
    assert index.tolist() == list(range(1000, 1010))


def test_shuffled_order_depends_on_seed_and_epoch_only():
    def order(seed, epoch, **options):
        loader = loader_of(64, shuffle=True, streams=Streams(seed), **options)
        return torch.cat([index for _, _, index in loader.epoch(epoch)]).tolist()

    assert order(0, 1) == order(0, 1, batch_size=16, augmentation=Augmentation(flip=True, crop_padding=1))
    assert sorted(order(0, 1)) == list(range(1000, 1064))
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


@pytest.mark.parametrize(
    ("n", "options", "sizes"),
    [
        (10, {}, [4, 4, 2]),
        (9, {}, [4, 4, 1]),  # evaluation sees every image
        (9, {"shuffle": True}, [4, 4]),  # a single image cannot train batch normalisation
        (10, {"shuffle": True}, [4, 4, 2]),
        (1, {"shuffle": True}, [1]),
        (10, {"drop_last": True}, [4, 4]),
        (3, {"drop_last": True}, [3]),
    ],
)
def test_last_batch_is_kept_or_left_out_by_the_stated_rule(n, options, sizes):
    loader = loader_of(n, streams=Streams(0), **options)
    assert [len(labels) for _, labels, _ in loader.epoch(0)] == sizes
    assert len(loader) == len(sizes)


def test_prepare_comes_before_the_augmentation():
    augmentation = Augmentation(flip=True, crop_padding=2)
    plain = next(loader_of().epoch(2))[0]
    loader = loader_of(streams=Streams(5), augmentation=augmentation, prepare=lambda images: images + 7)
    plan = augmentation.draw(4, Streams(5).generator(2, 0, "augment"))
    assert torch.equal(next(loader.epoch(2))[0], augmentation.apply(plain + 7, plan))


def test_streamed_and_resident_batches_are_equal():
    options = {"shuffle": True, "streams": Streams(1), "augmentation": Augmentation(flip=True, crop_padding=1)}
    resident, streamed = loader_of(30, **options), loader_of(30, memory_limit=0.0, **options)
    assert (resident.is_resident, streamed.is_resident) == (True, False)
    for ours, theirs in zip(resident.epoch(0), streamed.epoch(0), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_batches_may_be_changed_by_the_caller():
    loader = loader_of()
    first = [batch[0].clone() for batch in loader.epoch(0)]
    for images, labels, index in loader.epoch(0):
        images.zero_(), labels.zero_(), index.zero_()
    assert all(torch.equal(a, batch[0]) for a, batch in zip(first, loader.epoch(0), strict=True))


def test_memory_mapped_data_need_no_copy_on_the_cpu(tmp_path):
    data = open_data("digits", work=tmp_path)
    loader = Loader(data.splits["train"], batch_size=64, device="cpu", mean=data.mean, std=data.std, shuffle=False)
    images = torch.cat([images for images, _, _ in loader.epoch(0)])
    assert images.mean().item() == pytest.approx(0, abs=1e-4)
    assert images.std().item() == pytest.approx(1, abs=1e-3)
    assert loader._images.data_ptr() == data.splits["train"].images.ctypes.data


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size` of at least 1 but got 0"),
        ({"memory_limit": 1.5}, "`memory_limit`"),
        ({"shuffle": True}, "`streams`"),
        ({"augmentation": Augmentation(flip=True, crop_padding=0)}, "`streams`"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(SettingError, match=message):
        loader_of(**options)


@pytest.mark.gpu
@pytest.mark.parametrize("memory_limit", [0.0, 0.5])
def test_gpu_batches_equal_those_of_the_cpu(memory_limit):
    options = {"shuffle": True, "streams": Streams(1), "augmentation": Augmentation(flip=True, crop_padding=1)}
    here, there = loader_of(30, **options), loader_of(30, device="cuda", memory_limit=memory_limit, **options)
    assert there.is_resident == (memory_limit > 0)
    for ours, theirs in zip(here.epoch(0), there.epoch(0), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b.cpu())
