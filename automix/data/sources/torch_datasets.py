"""Map-style data sets: ``torchvision:NAME`` and any ``torch.utils.data.Dataset`` given from Python.

An item is ``(image, label)``, further fields being ignored, or a mapping with ``image`` and ``label``. An image is
a PIL image, a numpy array (H, W) or (H, W, C), or a tensor (H, W) or (C, H, W); arrays and tensors are uint8, or
floats in [0, 1]. A data set that augments at random is refused, because it has no fixed content.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automix.data.sources.base import Samples, digest
from automix.errors import DataError, listed, unknown_name

__all__ = ["DatasetSource", "from_dataset", "is_dataset", "open_torchvision"]

_TORCHVISION_SPLITS = {"train": "train", "trainval": "train", "val": "val", "valid": "val", "test": "test"}


def is_dataset(value: object) -> bool:
    """Tell whether a value can be read by position."""
    return hasattr(value, "__len__") and hasattr(value, "__getitem__")


@dataclass(frozen=True, eq=False)
class DatasetSource:
    """Map-style data sets, one per split (or one under '').

    Args:
        spec: as in `Source`.
        name: as in `Source`.
        parts: the data sets by split.
        published: the name and length tell the content, as for torchvision's own. Otherwise every item is read to
            know whether the data changed: nothing cheaper can be trusted of an object in memory.
    """

    spec: str
    name: str
    parts: Mapping[str, Any]
    published: bool = False

    def signature(self) -> str:
        """Return a hash over all images and labels, or over names and lengths where that suffices."""
        if self.published:
            return digest([self.spec, *(f"{split} {len(part)}" for split, part in self.parts.items())])
        return digest([*self._scan[1], *(self.class_names or ())])

    def read(self) -> Samples:
        """Return the items as samples, not in parallel: such objects are often not safe for threads."""
        return Samples(
            labels=(self._declared_labels() if self.published else None) or self._scan[0],
            open=lambda i: self._item(i)[0],
            where=self._where,
            class_names=self.class_names,
            splits=None if "" in self.parts else [split for split, _ in self._place],
            parallel=False,
        )

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The data set's ``classes`` where they are texts, else None."""
        names = getattr(next(iter(self.parts.values())), "classes", None)
        is_text = isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
        return tuple(names) if is_text and names else None

    @cached_property
    def _place(self) -> list[tuple[str, int]]:
        place = [(split, i) for split, part in self.parts.items() for i in range(len(part))]
        if not place:
            raise DataError(f"The data set {self.name} is empty.")
        return place

    @cached_property
    def _scan(self) -> tuple[list[Any], list[str]]:
        """Read every item once: labels, and a line that identifies each."""
        if self._label_and_line(0) != self._label_and_line(0):
            raise DataError(
                f"{self._where(0)} differs from one reading to the next. Give the data set without random augmentation."
            )
        rows = [self._label_and_line(i) for i in range(len(self._place))]
        return [label for label, _ in rows], [line for _, line in rows]

    def _label_and_line(self, i: int) -> tuple[Any, str]:
        image, label = self._item(i)
        pixels = hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest()
        return label, f"{self._place[i][0]} {label} {image.mode} {image.size} {pixels}"

    def _declared_labels(self) -> list[Any] | None:
        """Return what torchvision keeps in ``targets`` or ``labels``, or None where a part has neither."""
        labels: list[Any] = []
        for part in self.parts.values():
            own = getattr(part, "targets", getattr(part, "labels", None))
            if own is None or np.shape(own) != (len(part),):
                return None
            labels += np.asarray(own).tolist()
        return labels

    def _where(self, i: int) -> str:
        split, position = self._place[i]
        return f"{self.name}[{split + ' ' if split else ''}{position}]"

    def _item(self, i: int) -> tuple[Image.Image, Any]:
        split, position = self._place[i]
        try:
            item = self.parts[split][position]
        except (LookupError, OSError, ValueError) as err:
            raise DataError(f"{self._where(i)} cannot be read: {type(err).__name__}: {err}") from err
        return _image_and_label(item, self._where(i))


def from_dataset(dataset: Any, *, name: str, spec: str | None = None) -> DatasetSource:
    """Wrap a map-style data set; its splits are cut by automix."""
    return DatasetSource(spec or f"dataset:{name}", name, {"": dataset})


def open_torchvision(location: str, work: Path) -> DatasetSource:
    """Open ``NAME``, ``NAME?download`` or ``NAME?root=DIR&download``; the root is ``work/torchvision`` unless given.

    Raises:
        UnknownNameError: torchvision has no data set of this name.
        DataError: its files are not there and ``?download`` was not given, or the download failed, or it is not for
            classification.
    """
    from torchvision import datasets

    name, _, query = location.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = set(options) - {"download", "root"}
    known = {known.lower(): known for known in datasets.__all__ if not known.endswith("Folder")}  # those are folder:DIR
    if name.lower() not in known:
        raise unknown_name("torchvision data set", name, known.values())
    if unknown:
        raise unknown_name("option", min(unknown), ("download", "root"), f"'torchvision:{location}'")
    name = known[name.lower()]
    root = Path(options.get("root") or work / "torchvision").expanduser().resolve()
    parts = _torchvision_parts(getattr(datasets, name), name, root, "download" in options)
    return DatasetSource(f"torchvision:{name}?root={root}", name, parts, published=True)


def _torchvision_parts(make: Callable[..., Any], name: str, root: Path, download: bool) -> dict[str, Any]:
    """Build the data set once per split that it offers."""
    accepted = inspect.signature(make).parameters
    common: dict[str, Any] = {"root": str(root)} if "root" in accepted else {}
    if "download" in accepted:
        common["download"] = download
    try:
        if "train" in accepted:
            return {"train": make(**common, train=True), "test": make(**common, train=False)}
        if "split" in accepted:
            return _by_split(make, common)
        return {"": make(**common)}
    except (RuntimeError, OSError) as err:  # torchvision raises RuntimeError for missing files
        hint = (
            "Check the connection and the space left"
            if download
            else f"Write 'torchvision:{name}?download' to fetch it"
        )
        raise DataError(
            f"torchvision's {name} cannot be read in {root}: {err} {hint}, or name its place by '?root=DIR'."
        ) from err
    except (TypeError, ValueError, ModuleNotFoundError) as err:
        raise DataError(f"torchvision's {name} cannot be opened as a classification data set: {err}") from err


def _by_split(make: Callable[..., Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """Try the split names in use; torchvision raises ValueError for one that a data set does not have."""
    parts: dict[str, Any] = {}
    for theirs, ours in _TORCHVISION_SPLITS.items():
        if ours not in parts:
            try:
                parts[ours] = make(**common, split=theirs)
            except ValueError:
                continue
    if "train" not in parts:
        raise ValueError(f"no split named {listed(_TORCHVISION_SPLITS)}")
    return parts


def _image_and_label(item: Any, where: str) -> tuple[Image.Image, Any]:
    if isinstance(item, Mapping):
        fields: Iterable[Any] = [item[key] for key in ("image", "label") if key in item]
    else:
        fields = item if isinstance(item, (tuple, list)) else ()
    pair = list(fields)[:2]
    if len(pair) < 2:
        raise DataError(
            f"Expected (image, label) or a mapping with 'image' and 'label' in {where} but got {type(item).__name__}."
        )
    image, label = pair
    return _to_pil(image, where), label.item() if hasattr(label, "item") and np.size(label) == 1 else label


def _to_pil(image: Any, where: str) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    array = np.asarray(image)
    if array.ndim == 3 and not isinstance(image, np.ndarray):
        array = np.moveaxis(array, 0, 2)  # tensors are (C, H, W)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if 0 in array.shape or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise DataError(f"Expected an image with 1, 3 or 4 channels in {where} but got shape {tuple(np.shape(image))}.")
    return Image.fromarray(_unit_to_uint8(array, where))


def _unit_to_uint8(array: NDArray[Any], where: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind in "bf" and array.min() >= 0 and array.max() <= 1:
        return np.ascontiguousarray(np.rint(array * 255.0).astype(np.uint8))
    raise DataError(
        f"Expected uint8 or floats in [0, 1] in {where} but got {array.dtype} from {array.min():g} to {array.max():g}. "
        "Give the data set without normalisation."
    )
