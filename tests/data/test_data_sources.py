from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from automix.data import open_data
from automix.data.sources import open_source
from automix.errors import DataError, SettingError, UnknownNameError


def read(spec: object, work: Path, **options: object):
    return open_source(spec, work, **options).read()


# --- the table of openers


def test_unknown_scheme_suggests_the_nearest(tmp_path):
    with pytest.raises(UnknownNameError, match=r"Unknown data source 'fodler'.*Did you mean 'folder'"):
        open_source("fodler:x", tmp_path)


def test_bare_path_is_told_how_to_be_written(folder, tmp_path):
    with pytest.raises(DataError, match=f"Write 'folder:{folder}'"):
        open_source(str(folder), tmp_path)


def test_plugin_source_may_return_a_plain_dataset(tmp_path):
    items = [(Image.new("L", (5, 4), i), i % 2) for i in range(8)]
    seen = []

    def opener(location, work):
        seen.append((location, work))
        return items

    data = open_data("mine:here", work=tmp_path, sources={"mine": opener})
    assert seen == [("here", tmp_path)]
    assert data.spec == "mine:here"
    assert (data.image_size, data.channels) == ((4, 5), 1)


def test_plugin_cannot_replace_a_built_in_scheme(tmp_path):
    with pytest.raises(SettingError, match=r"folder, which is built in"):
        open_source("digits", tmp_path, {"folder": lambda location, work: []})


def test_a_value_that_is_no_data_is_refused(tmp_path):
    with pytest.raises(SettingError, match="got int"):
        open_source(3, tmp_path)


# --- folder


def test_folder_reads_classes_in_depth_and_ignores_other_files(folder, tmp_path, write_image):
    write_image(folder / "cat" / "more" / "deep.jpg")
    write_image(folder / ".cache" / "0.png")
    (folder / "cat" / "notes.txt").write_text("no image")
    (folder / "cat" / "._1.png").write_bytes(b"resource fork")
    samples = read(f"folder:{folder}", tmp_path)
    assert samples.class_names == ("cat", "dog")
    assert list(samples.labels).count(0) == 11
    assert samples.splits is None


@pytest.mark.parametrize("val_name", ["val", "validation", "Valid"])
def test_folder_with_split_folders_keeps_them(tmp_path, write_image, val_name):
    for split, n in (("train", 4), (val_name, 2), ("test", 3)):
        for name in ("cat", "dog"):
            for i in range(n):
                write_image(tmp_path / "data" / split / name / f"{i}.png")
    data = open_data(f"folder:{tmp_path / 'data'}", work=tmp_path / "work")
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 8, "val": 4, "test": 6}
    assert not any("cut from train" in note for note in data.notes)


def test_class_named_train_is_a_class_when_it_holds_images(tmp_path, write_image):
    for name in ("train", "plane"):
        write_image(tmp_path / "vehicles" / name / "0.png")
    samples = read(f"folder:{tmp_path / 'vehicles'}", tmp_path)
    assert samples.class_names == ("plane", "train")


def test_empty_class_folder_is_left_out_with_a_note(folder, tmp_path):
    (folder / "bird").mkdir()
    samples = read(f"folder:{folder}", tmp_path)
    assert samples.class_names == ("cat", "dog")
    assert "bird" in samples.notes[0]


def test_two_folders_for_one_split_are_refused(tmp_path, write_image):
    for split in ("train", "val", "validation"):
        write_image(tmp_path / "data" / split / "cat" / "0.png")
    with pytest.raises(DataError, match=r"several folders for val.*val, validation"):
        open_source(f"folder:{tmp_path / 'data'}", tmp_path)


@pytest.mark.parametrize("spec", ["folder:", "folder:missing", "npz:missing.npz", "csv:missing.csv"])
def test_missing_place_is_one_clear_line(spec, tmp_path):
    with pytest.raises(DataError, match=r"(Check the path|Write 'folder:PATH')"):
        open_source(spec, tmp_path)


def test_folder_without_images_says_what_is_expected(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"No images found in .*empty\. Expected one sub-folder per class"):
        open_source(f"folder:{tmp_path / 'empty'}", tmp_path)


def test_one_class_only_is_refused(tmp_path, write_image):
    for i in range(5):
        write_image(tmp_path / "data" / "cat" / f"{i}.png")
    with pytest.raises(DataError, match=r"at least two classes.*found 1: cat"):
        open_data(f"folder:{tmp_path / 'data'}", work=tmp_path / "work")


# --- csv


def test_csv_paths_are_relative_to_the_file_and_labels_sort_by_value(folder, tmp_path):
    rows = [f"cat/{i}.png,{10 if i < 5 else 2}" for i in range(10)]
    (folder / "table.csv").write_text("\ufeffpath,label\n" + "\n".join(rows), encoding="utf-8")
    samples = read(f"csv:{folder / 'table.csv'}", tmp_path)
    assert samples.class_names == ("2", "10")
    assert list(samples.labels) == [1] * 5 + [0] * 5
    with samples.open(0) as image:
        assert image.size == (20, 16)


def test_csv_splits_are_kept(folder, tmp_path):
    splits = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    lines = [f"{name}/{i}.png,{name},{split}" for name in ("cat", "dog") for i, split in enumerate(splits)]
    (folder / "table.csv").write_text("path,label,split\n" + "\n".join(lines))
    data = open_data(f"csv:{folder / 'table.csv'}", work=tmp_path / "work")
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [12, 4, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column label, path"),
        ("path,label\n", "No rows"),
        ("file,label\na.png,cat\n", "has no column path.*file, label"),
        ("path,label\na.png,\n", "line 2 but got path 'a.png', label ''"),
        ("path,label,split\na.png,cat,holdout\n", "line 2 but got 'holdout'"),
        ("path,label,split\na.png,cat,train\nb.png,cat,\n", "for 1 of 2 images"),
    ],
)
def test_csv_mistakes_name_file_and_line(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        open_source(f"csv:{tmp_path / 't.csv'}", tmp_path)


# --- npz


def save(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)
    return f"npz:{path}"


def pixels(samples, i: int) -> np.ndarray:
    with samples.open(i) as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.full((4, 3, 2), 7, np.uint8), 7),
        (np.full((4, 3, 2), 0.5), 128),
        (np.ones((4, 3, 2), bool), 255),
        (np.full((4, 3, 2), 200.4, np.float32), 200),
        (np.full((4, 3, 2), 65535, np.uint16), 255),
        (np.full((4, 3, 2, 1), 9, np.int64), 9),
    ],
)
def test_npz_values_come_to_eight_bits_by_the_stated_rule(tmp_path, x, expected):
    samples = read(save(tmp_path / "a.npz", x=x, y=np.array([0, 1, 0, 1])), tmp_path)
    assert pixels(samples, 3).shape == (3, 2)
    assert (pixels(samples, 3) == expected).all()


def test_npz_accepts_channels_first_and_last(tmp_path):
    last = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)
    y = np.array([0, 1] * 3)
    a = read(save(tmp_path / "a.npz", x=last, y=y), tmp_path)
    b = read(save(tmp_path / "b.npz", x=last.transpose(0, 3, 1, 2), y=y), tmp_path)
    np.testing.assert_array_equal(pixels(a, 2), pixels(b, 2))
    np.testing.assert_array_equal(pixels(a, 2), last[2])


@pytest.mark.parametrize(
    "names",
    [("x_train", "y_train", "x_test", "y_test"), ("train_images", "train_labels", "test_images", "test_labels")],
)
def test_npz_with_splits_keeps_them(tmp_path, names):
    x, y = np.zeros((8, 4, 4), np.uint8), np.array([[0], [1]] * 4)
    spec = save(tmp_path / "a.npz", **dict(zip(names, (x, y, x[:4], y[:4]), strict=True)))
    samples = read(spec, tmp_path)
    assert samples.splits == ["train"] * 8 + ["test"] * 4
    assert samples.where(9) == "a.npz[test 1]"


def test_npz_of_encoded_images_slices_the_bytes(tmp_path):
    files = []
    for value in range(6):
        stream = io.BytesIO()
        Image.new("RGB", (4, 4), (value * 40, 0, 0)).save(stream, "PNG")
        files.append(stream.getvalue())
    offset = np.cumsum([0, *map(len, files)])
    spec = save(
        tmp_path / "a.npz",
        train_jpeg=np.frombuffer(b"".join(files), np.uint8),
        train_offset=offset,
        train_label=np.array([0, 1] * 3, np.uint8),
    )
    samples = read(spec, tmp_path)
    assert [int(pixels(samples, i)[0, 0, 0]) for i in range(6)] == [0, 40, 80, 120, 160, 200]


X4, Y4 = np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X4, "y": Y4[:3]}, "'y' has 3 and 'x' has 4"),
        ({"x": X4, "y": np.eye(2)[Y4]}, r"one label per image in 'y' .* shape \(4, 2\)"),
        ({"x": X4, "y": Y4, "class_names": np.array(["a", "b"], dtype=object)}, "never unpickles.*dtype=str"),
        ({"x": X4, "y": Y4, "class_names": np.array([1, 2])}, "1-D array of text"),
        ({"pictures": X4, "y": Y4}, "holds: pictures, y"),
        ({"x_test": X4, "y_test": Y4}, "Expected arrays x and y"),
        ({"x": np.zeros((4, 8)), "y": Y4}, r"got shape \(4, 8\)"),
        ({"x": np.zeros((4, 8, 8, 2)), "y": Y4}, r"got shape \(4, 8, 8, 2\)"),
        ({"x": X4.astype(float) - 1.5, "y": Y4}, "got -1.5 to -1.5. Undo any normalisation"),
        ({"x": X4 * np.nan, "y": Y4}, "without NaN"),
        ({"jpeg": np.zeros(9, np.uint8), "offset": np.array([0, 5, 3, 9]), "label": Y4[:3]}, "rising"),
    ],
)
def test_npz_mistakes_are_one_clear_line(tmp_path, arrays, message):
    spec = save(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message) as caught:
        read(spec, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut off"])
def test_file_that_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="is none, or is cut off"):
        read(f"npz:{tmp_path / 'a.npz'}", tmp_path)


def test_damaged_array_in_an_archive_is_refused(tmp_path):
    save(tmp_path / "a.npz", x=np.zeros((4, 8, 8), np.uint8), y=Y4)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[200] ^= 0xFF  # inside x: its checksum no longer fits
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="Could not read"):
        read(f"npz:{tmp_path / 'a.npz'}", tmp_path)


# --- data sets from Python and torchvision


class Pictures(Dataset):
    classes = ("even", "odd")

    def __init__(self, make, n=12):
        self.make, self.n, self.reads = make, n, 0

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.reads += 1
        return self.make(i), i % 2, "ignored"


def tensor_image(i: int) -> torch.Tensor:
    return torch.full((3, 6, 5), i / 255)


@pytest.mark.parametrize(
    "make",
    [
        tensor_image,
        lambda i: (tensor_image(i) * 255).to(torch.uint8),
        lambda i: np.full((6, 5, 3), i, np.uint8),
        lambda i: Image.new("RGB", (5, 6), (i, i, i)),
    ],
)
def test_dataset_object_gives_equal_data_for_tensors_arrays_and_pictures(tmp_path, make):
    data = open_data(Pictures(make), work=tmp_path)
    assert (data.channels, data.image_size, data.classes) == (3, (6, 5), ("even", "odd"))
    for split in data.splits.values():
        for image, label, index in zip(split.images, split.labels, split.index, strict=True):
            assert (image == index).all()
            assert label == index % 2


def test_dataset_object_with_changed_pixels_has_another_key(tmp_path):
    first = open_data(Pictures(tensor_image), work=tmp_path)
    again = open_data(Pictures(tensor_image), work=tmp_path)
    other = open_data(Pictures(lambda i: tensor_image(i + 1)), work=tmp_path)
    assert first.key == again.key != other.key


def test_tensor_dataset_is_a_data_set(tmp_path):
    data = open_data(TensorDataset(torch.rand(12, 1, 4, 4), torch.arange(12) % 3), work=tmp_path)
    assert (data.channels, data.num_classes) == (1, 3)


def test_dataset_of_mappings_is_read_by_key(tmp_path):
    items = [{"image": Image.new("L", (4, 4), i), "label": i % 2} for i in range(8)]
    assert open_data(items, work=tmp_path).num_classes == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda i: torch.rand(3, 4, 4), "without random augmentation"),
        (lambda i: torch.full((3, 4, 4), -1.0), "without normalisation"),
        (lambda i: torch.zeros(2, 4, 4), r"1, 3 or 4 channels in Pictures.0. but got shape \(2, 4, 4\)"),
        (lambda i: [1, 2][i + 2], "Pictures.0. cannot be read: IndexError"),
    ],
)
def test_unusable_dataset_objects_are_named(tmp_path, make, message):
    with pytest.raises(DataError, match=message):
        open_data(Pictures(make), work=tmp_path)


def test_empty_dataset_object_is_refused(tmp_path):
    with pytest.raises(DataError, match="Pictures is empty"):
        open_data(Pictures(tensor_image, n=0), work=tmp_path)


def test_torchvision_never_downloads_unasked(tmp_path):
    with pytest.raises(DataError, match=r"Write 'torchvision:CIFAR10\?download'"):
        open_source("torchvision:cifar10", tmp_path)
    assert not list(tmp_path.rglob("*.gz"))


def test_torchvision_names_the_nearest_data_set_and_option(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'CIFAR10'"):
        open_source("torchvision:CIFAR1O", tmp_path)
    with pytest.raises(UnknownNameError, match="Did you mean 'download'"):
        open_source("torchvision:CIFAR10?downlaod", tmp_path)


def test_torchvision_data_that_lie_on_disk_are_read_with_their_test_split(tmp_path):
    raw = tmp_path / "torchvision" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, n in (("train", 40), ("t10k", 20)):
        images, labels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), np.arange(n, dtype=np.uint8) % 10
        head = [np.array(values, ">i4").tobytes() for values in ([0x803, n, 28, 28], [0x801, n])]
        (raw / f"{part}-images-idx3-ubyte").write_bytes(head[0] + images.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(head[1] + labels.tobytes())
    data = open_data("torchvision:mnist", work=tmp_path)
    assert data.name == "MNIST"
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [30, 10, 20]
    assert data.classes[3] == "3 - three"
