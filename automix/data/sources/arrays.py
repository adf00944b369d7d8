"""Arrays: scikit-learn's ``digits`` and ``npz:FILE``.

An NPZ file is read without pickle. It holds images and labels under one of these pairs of names, for the whole or
for each split (``train``, ``val``, ``test``; train is needed, val and test are not):

| | whole | per split |
|---|---|---|
| keras | ``x`` ``y`` | ``x_train`` ``y_train`` |
| medmnist | ``images`` ``labels`` | ``train_images`` ``train_labels`` |
| singular | ``image`` ``label`` | ``train_image`` ``train_label`` |
| encoded images | ``jpeg`` ``offset`` ``label`` | ``train_jpeg`` ``train_offset`` ``train_label`` |

Encoded images are files of any format that Pillow opens, one after the other in a 1-D uint8 array; image i is the
bytes from ``offset[i]`` to ``offset[i + 1]``. Other images have shape (N, H, W), (N, H, W, C) or (N, C, H, W) with
C of 1, 3 or 4, where the last two are told apart by the last axis. Values: uint8 as they are, bool as 0 and 255,
floats in [0, 1] times 255, other numbers in [0, 255] rounded, uint16 beyond that divided by 257. An optional array
of text ``class_names`` names label 0, 1, ...
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automix.data.sources.base import Samples, stat_line
from automix.errors import DataError, listed

__all__ = ["ArraySource", "Digits", "open_digits", "open_npz"]


@dataclass(frozen=True)
class Digits:
    """1797 handwritten digits that come with scikit-learn: 8x8, 17 grey levels (Alpaydin and Kaynak, UCI 1998)."""

    spec: str = "digits"
    name: str = "digits"

    def signature(self) -> str:
        """Return a constant: the data have not changed since 1998."""
        return "digits"

    def read(self) -> Samples:
        """Return the digits on a scale of 0 to 255."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.round(digits.images * (255 / 16)).astype(np.uint8)
        return Samples(
            labels=digits.target,
            open=lambda i: Image.fromarray(images[i]),
            where=lambda i: f"digits[{i}]",
        )


def open_digits(location: str, work: Path) -> Digits:  # noqa: ARG001 - openers share one signature
    """Open the embedded digits.

    Raises:
        DataError: something follows the name.
    """
    if location:
        raise DataError(f"Expected 'digits' alone but got 'digits:{location}'.")
    return Digits()


@dataclass(frozen=True)
class ArraySource:
    """One NPZ file."""

    path: Path

    @property
    def spec(self) -> str:
        """The text that opens it again."""
        return f"npz:{self.path}"

    @property
    def name(self) -> str:
        """The file's name without ending."""
        return self.path.stem

    def signature(self) -> str:
        """Return the file's path, size and time of change."""
        return stat_line(self.path)

    def read(self) -> Samples:
        """Load the arrays.

        Raises:
            DataError: the file is no NPZ archive, needs pickle, lacks the arrays named above, or they do not fit
                each other.
        """
        if not zipfile.is_zipfile(self.path):
            raise DataError(
                f"Expected an NPZ archive but {self.path} is none, or is cut off. Save arrays with numpy.savez."
            )
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                return _samples(self.path, archive)
        except DataError:
            raise
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as err:
            raise DataError(_why_unreadable(self.path, err)) from err


def open_npz(location: str, work: Path) -> ArraySource:  # noqa: ARG001 - openers share one signature
    """Open an archive of arrays; they are loaded when they are first needed.

    Raises:
        DataError: there is no such file.
    """
    path = Path(location).expanduser()
    if not path.is_file():
        raise DataError(f"No file found at {path.absolute()} (from 'npz:{location}'). Check the path.")
    return ArraySource(path.resolve())


def _why_unreadable(path: Path, err: Exception) -> str:
    if "allow_pickle" in str(err):
        return (
            f"{path} holds an array of Python objects, which only pickle could read; automix never unpickles data. "
            "Save texts as numpy.array(names, dtype=str), images as one uint8 array."
        )
    return f"Could not read {path} as an NPZ archive: {err}"


@dataclass(frozen=True)
class _Part:
    """Images of one split ('' for the whole): either pixels (N, H, W[, C]) or encoded bytes with offsets."""

    split: str
    labels: NDArray[Any]
    pixels: NDArray[np.uint8] | None = None
    encoded: NDArray[np.uint8] | None = None
    offset: NDArray[np.int64] | None = None

    def open(self, i: int) -> Image.Image:
        if self.pixels is not None:
            return Image.fromarray(self.pixels[i])
        assert self.encoded is not None
        assert self.offset is not None
        return Image.open(io.BytesIO(self.encoded[self.offset[i] : self.offset[i + 1]].tobytes()))


def _samples(path: Path, archive: Mapping[str, NDArray[Any]]) -> Samples:
    parts = [part for split in ("", "train", "val", "test") if (part := _part(path, archive, split))]
    if not parts or (parts[0].split == "" and len(parts) > 1) or parts[0].split not in ("", "train"):
        raise DataError(
            "Expected arrays x and y, or x_train and y_train with optional val and test (or images and labels; or "
            f"jpeg, offset and label), but {path} holds: {listed(archive)}."
        )
    place = [(part, i) for part in parts for i in range(len(part.labels))]
    return Samples(
        labels=np.concatenate([part.labels for part in parts]),
        open=lambda i: place[i][0].open(place[i][1]),
        where=lambda i: f"{path.name}[{place[i][0].split or 'x'} {place[i][1]}]",
        class_names=_class_names(path, archive),
        splits=None if parts[0].split == "" else [part.split for part, _ in place],
    )


def _part(path: Path, archive: Mapping[str, NDArray[Any]], split: str) -> _Part | None:
    """Return the images of one split, or None where the archive has none."""
    prefix, suffix = (f"{split}_", f"_{split}") if split else ("", "")
    jpeg, offset, label = f"{prefix}jpeg", f"{prefix}offset", f"{prefix}label"
    if jpeg in archive and offset in archive and label in archive:
        encoded, ends, labels = archive[jpeg], archive[offset].astype(np.int64), _flat(path, label, archive[label])
        _check_length(path, label, len(labels), offset, len(ends) - 1)
        if encoded.dtype != np.uint8 or np.any(np.diff(ends) < 0) or ends[0] < 0 or ends[-1] > encoded.size:
            raise DataError(f"Expected {jpeg!r} as uint8 bytes and {offset!r} rising within them in {path}.")
        return _Part(split, labels, encoded=encoded, offset=ends)
    pairs = ((f"x{suffix}", f"y{suffix}"), (f"{prefix}images", f"{prefix}labels"), (f"{prefix}image", label))
    for x, y in pairs:
        if x in archive and y in archive:
            pixels, labels = archive[x], _flat(path, y, archive[y])
            _check_length(path, y, len(labels), x, len(pixels))
            return _Part(split, labels, pixels=_to_uint8(path, x, _channels_last(path, x, pixels)))
    return None


def _flat(path: Path, name: str, labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels (N,); a trailing axis of 1, as medmnist has it, is dropped."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim != 1:
        raise DataError(f"Expected one label per image in {name!r} of {path} but got shape {labels.shape}.")
    return labels


def _check_length(path: Path, y: str, n_labels: int, x: str, n_images: int) -> None:
    if n_labels != n_images:
        raise DataError(
            f"Expected as many labels as images in {path} but {y!r} has {n_labels} and {x!r} has {n_images}."
        )


def _class_names(path: Path, archive: Mapping[str, NDArray[Any]]) -> tuple[str, ...] | None:
    if "class_names" not in archive:
        return None
    names = archive["class_names"]
    if names.ndim != 1 or names.dtype.kind != "U":
        raise DataError(
            f"Expected 'class_names' of {path} as a 1-D array of text but got {names.dtype} of shape {names.shape}."
        )
    return tuple(str(name) for name in names)


def _channels_last(path: Path, name: str, x: NDArray[Any]) -> NDArray[Any]:
    """Return (N, H, W) for grey and (N, H, W, 3 or 4) for colour."""
    if x.ndim == 4 and x.shape[3] not in (1, 3, 4) and x.shape[1] in (1, 3, 4):
        x = np.moveaxis(x, 1, 3)
    if x.ndim == 4 and x.shape[3] == 1:
        x = x[..., 0]
    if 0 in x.shape or not (x.ndim == 3 or (x.ndim == 4 and x.shape[3] in (3, 4))):
        raise DataError(
            f"Expected {name!r} of {path} as (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels "
            f"but got shape {x.shape}."
        )
    return x


def _to_uint8(path: Path, name: str, x: NDArray[Any]) -> NDArray[np.uint8]:
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    if x.dtype.kind not in "biuf" or not np.all(np.isfinite(x)):
        raise DataError(f"Expected numbers without NaN in {name!r} of {path} but got dtype {x.dtype}.")
    low, high = float(x.min()), float(x.max())
    if low >= 0 and high <= 1 and x.dtype.kind in "bf":
        scale = 255.0
    elif low >= 0 and high <= 255:
        scale = 1.0
    elif x.dtype == np.uint16:
        scale = 1 / 257
    else:
        raise DataError(
            f"Expected pixels in [0, 1] or [0, 255] in {name!r} of {path} but got {low:g} to {high:g}. "
            "Undo any normalisation."
        )
    return np.ascontiguousarray(np.rint(x.astype(np.float32) * scale).astype(np.uint8))
