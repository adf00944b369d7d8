"""Image files on disk: ``folder:DIR`` and ``csv:FILE``.

**folder:DIR** has one sub-folder per class, searched in depth, as torchvision's ImageFolder reads it. Or it has
``train`` and any of ``val`` (``validation``, ``valid``, ``dev``) and ``test``, each with one sub-folder per class; it
is read so when ``train`` holds sub-folders and no images of its own. Hidden files and folders are passed over, and so
are files that are no images by their ending.

**csv:FILE** is UTF-8 with a header line: ``path`` (relative to the CSV file, or absolute), ``label`` (any text;
numbered in order, by value where all are integers), and optionally ``split`` (names as above, on every line or on
none).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from automix.data.sources.base import Samples, digest, stat_line
from automix.errors import DataError, listed

__all__ = ["FileSource", "ImageFile", "open_csv", "open_folder"]

_ENDINGS = frozenset(
    [".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"]
)
_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
}


@dataclass(frozen=True)
class ImageFile:
    """One image file: where it is, how it is named in messages, its class, and its split or ''."""

    path: Path
    shown: str
    label: str
    split: str = ""


@dataclass(frozen=True)
class FileSource:
    """Image files with labels; `spec` and `name` as in `Source`."""

    spec: str
    name: str
    files: tuple[ImageFile, ...]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def signature(self) -> str:
        """Return a hash over path, size, time of change, class and split of every file."""
        return digest(f"{stat_line(file.path)} {file.label} {file.split}" for file in self.files)

    def read(self) -> Samples:
        """Return the files as samples; each is opened when it is asked for."""
        number = {name: i for i, name in enumerate(self.class_names)}
        return Samples(
            labels=[number[file.label] for file in self.files],
            open=lambda i: Image.open(self.files[i].path),
            where=lambda i: self.files[i].shown,
            class_names=self.class_names,
            splits=[file.split for file in self.files] if self.files[0].split else None,
            notes=self.notes,
        )


def open_folder(location: str, work: Path) -> FileSource:  # noqa: ARG001 - openers share one signature
    """Open a folder of class folders.

    Raises:
        DataError: the folder is missing, or no class folder holds an image.
    """
    root = _existing(location, "folder")
    if not root.is_dir():
        raise DataError(f"Expected a folder in 'folder:{location}' but {root} is a file.")
    try:
        files, empty = _list_folder(root)
    except OSError as err:
        raise DataError(f"Could not list the images below {root}: {err}") from err
    if not files:
        raise DataError(
            f"No images found in {root}. Expected one sub-folder per class (DIR/cat/1.jpg), or folders train, val and "
            f"test of such; image files end in {' '.join(sorted(_ENDINGS))}."
        )
    notes = (f"class folders without images were left out: {listed(empty)}",) if empty else ()
    classes = tuple(sorted({file.label for file in files}))
    return FileSource(f"folder:{root}", root.name, tuple(files), classes, notes)


def open_csv(location: str, work: Path) -> FileSource:  # noqa: ARG001 - openers share one signature
    """Open a table of image paths and labels.

    Raises:
        DataError: the file is missing, has no rows, lacks a column, or a line lacks a value.
    """
    table = _existing(location, "csv")
    try:
        with table.open(newline="", encoding="utf-8-sig") as lines:
            files = tuple(_csv_files(table, csv.DictReader(lines)))
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise DataError(f"Could not read {table} as a CSV file in UTF-8: {err}") from err
    if not files:
        raise DataError(
            f"No rows found in {table}. Expected a header line 'path,label' or 'path,label,split' and one image a line."
        )
    with_split = [file for file in files if file.split]
    if 0 < len(with_split) < len(files):
        raise DataError(
            f"{table} names a split for {len(with_split)} of {len(files)} images. Name it for all or for none."
        )
    return FileSource(f"csv:{table}", table.stem, files, _ordered({file.label for file in files}))


def _existing(location: str, scheme: str) -> Path:
    if not location:
        raise DataError(f"Expected a path after '{scheme}:' but got nothing. Write '{scheme}:PATH'.")
    path = Path(location).expanduser()
    if not path.exists():
        raise DataError(f"Nothing found at {path.absolute()} (from '{scheme}:{location}'). Check the path.")
    return path.resolve()


def _list_folder(root: Path) -> tuple[list[ImageFile], list[str]]:
    """Return all image files, and the class folders that hold none."""
    files: list[ImageFile] = []
    empty: list[str] = []
    for split, folder in _split_folders(root):
        for class_folder in _sub_folders(folder):
            images = sorted(_images_below(class_folder))
            files += [ImageFile(p, str(p.relative_to(root)), class_folder.name, split) for p in images]
            if not images:
                empty.append(str(class_folder.relative_to(root)))
    return files, empty


def _split_folders(root: Path) -> list[tuple[str, Path]]:
    """Return (split, folder) pairs; one pair with split '' where the folder has no splits."""
    named = [(_SPLIT_NAMES[f.name.lower()], f) for f in _sub_folders(root) if f.name.lower() in _SPLIT_NAMES]
    train = [folder for split, folder in named if split == "train"]
    # A class may be called "train": a folder of a split holds class folders, that of a class holds images.
    if not train or not _sub_folders(train[0]) or any(_is_image(p) for p in train[0].iterdir()):
        return [("", root)]
    splits = [split for split, _ in named]
    double = sorted({split for split in splits if splits.count(split) > 1})
    if double:
        raise DataError(
            f"{root} has several folders for {listed(double)}: {listed(f.name for _, f in named)}. Keep one for each."
        )
    return named


def _sub_folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _images_below(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if _is_image(path):
            yield path
        elif path.is_dir() and not path.name.startswith("."):
            yield from _images_below(path)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _ENDINGS and not path.name.startswith(".") and not path.is_dir()


def _csv_files(table: Path, rows: csv.DictReader[str]) -> Iterator[ImageFile]:
    columns = rows.fieldnames or []
    missing = [column for column in ("path", "label") if column not in columns]
    if missing:
        raise DataError(f"{table} has no column {listed(missing)}. Its first line names: {listed(columns)}.")
    for row in rows:
        here = f"{table} line {rows.line_num}"
        path, label, split = (str(row.get(column) or "").strip() for column in ("path", "label", "split"))
        if not path or not label:
            raise DataError(f"Expected a path and a label in {here} but got path {path!r}, label {label!r}.")
        if split and split.lower() not in _SPLIT_NAMES:
            raise DataError(f"Expected a split of train, val or test in {here} but got {split!r}.")
        yield ImageFile(table.parent / path, path, label, _SPLIT_NAMES.get(split.lower(), ""))


def _ordered(labels: set[str]) -> tuple[str, ...]:
    """Sort labels, by value where all are integers ('2' before '10')."""
    try:
        return tuple(sorted(labels, key=int))
    except ValueError:
        return tuple(sorted(labels))
