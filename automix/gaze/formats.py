"""Which format a path holds: a folder of heat maps, an NPZ archive, or a table of fixations. Pickles are refused.

A folder has one grey picture per image, at the image's relative path (the ending may differ). An archive has ``maps``
(N, h, w) and either ``names`` (N,) text, the images' relative paths, or ``index`` (N,), their positions in the data as
listed, from 0.
"""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automix.errors import DataError, listed
from automix.gaze.fixations import open_fixations
from automix.gaze.record import GazeRecord, GazeTable, checked

__all__ = ["open_gaze"]

_PICTURES = frozenset([".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"])
_PICKLES = frozenset([".pickle", ".pkl"])


def open_gaze(path: Path, images: Path | None = None) -> GazeTable:
    """Find out what a path holds, and list it; maps are read later.

    Args:
        path: folder, ``.npz`` file or text file.
        images: for a table of fixations, the list from image number to relative path.

    Raises:
        DataError: it is missing, empty, a pickle, or damaged.
    """
    if not path.exists():
        raise DataError(f"No gaze found at {path.absolute()} (--gaze). Check the path.")
    if path.suffix.lower() in _PICKLES:
        raise DataError(
            f"{path} is a pickle, which can run any program when it is read; automix never unpickles data. Save the "
            "maps with numpy.savez as 'maps' (N, h, w) and 'names'."
        )
    if path.is_dir():
        return _tree(path)
    return _archive(path) if path.suffix.lower() == ".npz" else open_fixations(path, images)


def _tree(root: Path) -> GazeTable:
    files = sorted(file for file in root.rglob("*") if file.suffix.lower() in _PICTURES)
    if not files:
        raise DataError(f"Expected heat maps in {root}, at the relative paths of the images, but found no pictures.")
    return GazeTable(tuple(GazeRecord(f.relative_to(root).as_posix(), str(f), partial(_picture, f)) for f in files))


def _picture(path: Path) -> NDArray[np.float32]:
    try:
        with Image.open(path) as image:
            # Modes of 16 and 32 bits have one channel already, and lose their range in "L".
            return checked(np.asarray(image if image.mode[0] in "IF" else image.convert("L")), str(path))
    except OSError as err:
        raise DataError(f"Could not read the heat map {path}: {err}") from err


def _archive(path: Path) -> GazeTable:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as err:
        raise DataError(f"Could not read {path} as an NPZ archive of numbers and text (no pickles): {err}") from err
    maps, images = arrays.get("maps"), arrays.get("names", arrays.get("index"))
    if (
        maps is None
        or images is None
        or maps.ndim != 3
        or images.shape != maps.shape[:1]
        or images.dtype.kind not in "Uiu"
    ):
        found = listed(f"{name} {array.shape} {array.dtype}" for name, array in arrays.items())
        raise DataError(
            f"Expected 'maps' (N, h, w) and 'names' (N,) of text or 'index' (N,) of integers in {path} but got: "
            f"{found}."
        )
    rows = ((image, f"{path.name}[{i}]", maps[i]) for i, image in enumerate(images.tolist()))
    return GazeTable(tuple(GazeRecord(image, where, partial(checked, one, where)) for image, where, one in rows))
