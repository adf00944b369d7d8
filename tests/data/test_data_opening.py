from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from automix.data import open_data
from automix.data.dataset import SPLITS
from automix.errors import DataError, SettingError


def damage(path, keep: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])


def test_digits_are_split_and_described(tmp_path):
    data = open_data("digits", work=tmp_path)
    assert (data.num_classes, data.channels, data.image_size) == (10, 1, (8, 8))
    assert sum(len(split) for split in data.splits.values()) == 1797
    assert data.splits["train"].images[:].max() == 255
    together = np.concatenate([split.index for split in data.splits.values()])
    assert sorted(together) == list(range(1797))
    json.dumps(data.summary())


def test_images_and_labels_belong_together(tmp_path):
    from sklearn.datasets import load_digits

    digits = load_digits()
    data = open_data("digits", work=tmp_path)
    for split in data.splits.values():
        assert (split.labels == digits.target[split.index]).all()
        np.testing.assert_array_equal(split.images[:, 0], np.round(digits.images[split.index] * 255 / 16))


def test_mean_and_std_are_those_of_the_training_images(tmp_path, folder):
    data = open_data(f"folder:{folder}", work=tmp_path)
    train = data.splits["train"].images / 255
    np.testing.assert_allclose(data.mean, train.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(data.std, train.std(axis=(0, 2, 3)), rtol=1e-6)


def test_equal_arguments_give_equal_data_in_another_work_folder(tmp_path):
    options = {"limit": 100, "label_noise": 0.3, "seed": 5}
    a, b = (open_data("digits", work=tmp_path / name, **options) for name in "ab")
    assert a.key == b.key
    assert a.fingerprint == b.fingerprint
    for split in SPLITS:
        np.testing.assert_array_equal(a.splits[split].images, b.splits[split].images)
        np.testing.assert_array_equal(a.splits[split].labels, b.splits[split].labels)


@pytest.mark.parametrize("other", [{"seed": 1}, {"limit": 100}, {"label_noise": 0.1}, {"image_size": 16}])
def test_any_other_argument_changes_key_and_content_hash(tmp_path, other):
    plain, changed = open_data("digits", work=tmp_path), open_data("digits", work=tmp_path, **other)
    assert plain.key != changed.key
    assert plain.fingerprint.content_hash != changed.fingerprint.content_hash


def test_limit_counts_training_images_and_keeps_val_and_test(tmp_path):
    whole, limited = open_data("digits", work=tmp_path), open_data("digits", work=tmp_path, limit=50)
    assert len(limited.splits["train"]) == 50
    for split in ("val", "test"):
        np.testing.assert_array_equal(limited.splits[split].index, whole.splits[split].index)
    assert set(limited.splits["train"].index) <= set(whole.splits["train"].index)
    assert any("50 of 1259 train images kept" in note for note in limited.notes)


def test_limit_thins_out_a_large_val_split_and_leaves_test_whole(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 60), ("val", 2400), ("test", 1500)):
        arrays[f"x_{split}"] = rng.integers(0, 256, (n, 8, 8), dtype=np.uint8)
        arrays[f"y_{split}"] = np.arange(n) % 3
    np.savez(tmp_path / "set.npz", **arrays)
    data = open_data(f"npz:{tmp_path / 'set.npz'}", work=tmp_path, limit=30)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 30, "val": 1000, "test": 1500}
    assert set(np.bincount(data.splits["val"].labels).tolist()) == {333, 334}


def test_label_noise_touches_train_only_and_keeps_the_clean_labels(tmp_path):
    clean, noisy = open_data("digits", work=tmp_path), open_data("digits", work=tmp_path, label_noise=0.4)
    train = noisy.splits["train"]
    np.testing.assert_array_equal(train.clean_labels, clean.splits["train"].labels)
    assert (train.labels != train.clean_labels).mean() == pytest.approx(0.36, abs=0.03)
    for split in ("val", "test"):
        np.testing.assert_array_equal(noisy.splits[split].labels, clean.splits[split].labels)
        assert noisy.splits[split].clean_labels is None
    assert clean.splits["train"].clean_labels is None


def test_mixed_sizes_and_colours_become_one_shape(tmp_path, write_image):
    for i, (size, mode) in enumerate([((40, 30), "L"), ((90, 64), "RGB"), ((64, 200), "P"), ((70, 70), "CMYK")] * 3):
        ending = "jpg" if mode == "CMYK" else "png"
        write_image(tmp_path / "data" / "ab"[i % 2] / f"{i}.{ending}", size, mode)
    data = open_data(f"folder:{tmp_path / 'data'}", work=tmp_path / "work")
    assert (data.channels, data.image_size) == (3, (64, 64))
    assert "30 to 200 px" in data.notes[0]


def test_image_size_overrides_the_rule(tmp_path, folder):
    assert open_data(f"folder:{folder}", work=tmp_path).image_size == (16, 20)
    assert open_data(f"folder:{folder}", work=tmp_path, image_size=24).image_size == (24, 24)
    assert open_data(f"folder:{folder}", work=tmp_path, image_size=(8, 12)).image_size == (8, 12)


def test_unreadable_images_are_named_counted_and_left_out(tmp_path, folder):
    (folder / "cat" / "3.png").write_bytes(b"not an image")  # found by its header
    damage(folder / "dog" / "4.png", keep=0.6)  # found by decoding
    data = open_data(f"folder:{folder}", work=tmp_path / "work")
    assert sum(len(split) for split in data.splits.values()) == 18
    assert len(data.skipped) == 2
    note = data.notes[-1]
    assert "2 unreadable images" in note
    assert "cat/3.png: cannot identify" in note
    assert "dog/4.png:" in note
    names = sorted(folder.rglob("*.png"))
    for split in data.splits.values():
        for image, index in zip(split.images, split.index, strict=True):
            np.testing.assert_array_equal(image, np.asarray(Image.open(names[index])).transpose(2, 0, 1))


@pytest.mark.parametrize("keep", [0.0, 0.6])
def test_strict_refuses_unreadable_images_fresh_and_from_the_cache(tmp_path, folder, keep):
    damage(folder / "dog" / "4.png", keep)
    for _ in range(2):
        with pytest.raises(DataError, match=r"Refused 1 unreadable image: .*dog/4\.png"):
            open_data(f"folder:{folder}", work=tmp_path / "work", strict=True)
        open_data(f"folder:{folder}", work=tmp_path / "work")


def test_at_most_ten_unreadable_images_are_named(tmp_path, write_image):
    for name in "ab":
        for i in range(15):
            write_image(tmp_path / "data" / name / f"{i}.png")
    for i in range(12):
        (tmp_path / "data" / "a" / f"bad{i:02d}.png").write_bytes(b"")
    note = open_data(f"folder:{tmp_path / 'data'}", work=tmp_path / "work").notes[-1]
    assert note.startswith("left out 12 unreadable images: ")
    assert note.endswith("and 2 more")
    assert note.count(".png: ") == 10


@pytest.mark.parametrize("keep", [0.0, 0.6])
def test_class_lost_to_damage_is_named(tmp_path, folder, keep):
    for path in (folder / "dog").iterdir():
        damage(path, keep)
    with pytest.raises(DataError, match="training image is left of class 'dog': 10 unreadable images"):
        open_data(f"folder:{folder}", work=tmp_path / "work")
    assert not list((tmp_path / "work" / "data").glob("pets*"))


def test_split_lost_to_damage_is_named(tmp_path, folder):
    lines = ["path,label,split"]
    for name in ("cat", "dog"):
        for i in range(10):
            lines.append(f"{name}/{i}.bmp,{name},{'val' if i < 3 else 'test' if i < 6 else 'train'}")
            Image.open(folder / name / f"{i}.png").save(folder / name / f"{i}.bmp")
            if i < 3:
                damage(folder / name / f"{i}.bmp", keep=0.6)
    (folder / "t.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="No readable image is left in val: 6 unreadable images"):
        open_data(f"csv:{folder / 't.csv'}", work=tmp_path / "work")


def test_all_images_unreadable_is_refused(tmp_path, folder):
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="Refused 20 unreadable images"):
        open_data(f"folder:{folder}", work=tmp_path / "work")


def test_csv_row_whose_file_is_missing_counts_as_unreadable(tmp_path, folder):
    lines = [f"{name}/{i}.png,{name}" for name in ("cat", "dog") for i in range(11)]
    (folder / "t.csv").write_text("path,label\n" + "\n".join(lines))
    data = open_data(f"csv:{folder / 't.csv'}", work=tmp_path / "work")
    assert [text.split(":")[0] for text in data.skipped] == ["cat/10.png", "dog/10.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 2}, "`image_size` as a side or .H, W. of at least 4 px but got 2"),
        ({"image_size": (32, 0)}, r"got \(32, 0\)"),
        ({"limit": 0}, "`limit` of at least 1 training image but got 0"),
        ({"limit": 5}, "`limit` of at least 10 training images, one per class, but got 5"),
        ({"label_noise": 1.0}, r"`label_noise` in \[0, 1\) but got 1.0"),
        ({"label_noise": -0.1}, "got -0.1"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, options, message):
    with pytest.raises(SettingError, match=message):
        open_data("digits", work=tmp_path, **options)


def test_progress_counts_up_to_the_total(tmp_path, folder):
    calls = []
    open_data(f"folder:{folder}", work=tmp_path / "work", progress=lambda *call: calls.append(call))
    assert calls == [(20, 20, "reading headers"), (20, 20, "decoding images")]


def test_importing_and_opening_the_package_needs_no_torch():
    import subprocess
    import sys

    code = "import sys, automix.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
