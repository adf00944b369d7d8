"""Where images come from: ``SCHEME:LOCATION`` names a source, a table of openers finds it.

| text | what |
|---|---|
| ``digits`` | scikit-learn's 1797 handwritten digits, 8x8, grey; ships with scikit-learn |
| ``folder:DIR`` | one sub-folder per class, or train / val / test folders of such (`files.py`) |
| ``npz:FILE`` | numpy arrays or encoded images in one archive (`arrays.py`) |
| ``csv:FILE`` | columns path, label and optionally split (`files.py`) |
| ``torchvision:NAME`` | a torchvision data set that lies on disk; ``?download`` fetches it (`torch_datasets.py`) |

A plugin adds its own line with ``register(scheme, opener)``. The opener gets the text after the colon and the work
folder, and returns a `Source` or simply a map-style data set of (image, label) items. From Python, such an object
can be given instead of a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from automix.data.sources.arrays import open_digits, open_npz
from automix.data.sources.base import Opener, Samples, Source
from automix.data.sources.files import open_csv, open_folder
from automix.data.sources.torch_datasets import from_dataset, is_dataset, open_torchvision
from automix.errors import DataError, SettingError, listed, unknown_name

__all__ = ["BUILT_IN", "Opener", "Samples", "Source", "open_source"]

BUILT_IN: Mapping[str, Opener] = {
    "csv": open_csv,
    "digits": open_digits,
    "folder": open_folder,
    "npz": open_npz,
    "torchvision": open_torchvision,
}


def open_source(spec: object, work: Path, extra: Mapping[str, Opener] | None = None) -> Source:
    """Find the source that ``spec`` names; the images themselves are not read yet.

    Args:
        spec: text as in the table above, or a map-style data set with ``__len__`` and ``__getitem__``.
        work: the work folder, where a source may keep what it downloads.
        extra: openers of plugins by scheme; a built-in scheme cannot be replaced.

    Raises:
        UnknownNameError: no opener has this scheme.
        DataError: the opener does not find usable data.
        SettingError: ``spec`` has the wrong type, or a plugin claims a built-in scheme.
    """
    if not isinstance(spec, str):
        if is_dataset(spec):
            return from_dataset(spec, name=type(spec).__name__)
        raise SettingError(
            "Expected `data` as text ('digits', 'folder:DIR', ...) or a map-style data set (__len__ and __getitem__), "
            f"but got {type(spec).__name__}."
        )
    openers = _table(extra or {})
    scheme, _, location = spec.partition(":")
    if scheme not in openers:
        raise _unknown_scheme(spec, scheme, openers)
    opened = openers[scheme](location, work)
    if isinstance(opened, Source):
        return opened
    if is_dataset(opened):
        return from_dataset(opened, name=location or scheme, spec=spec)
    raise DataError(f"The opener of data source {scheme!r} returned {type(opened).__name__}, which is no data set.")


def _table(extra: Mapping[str, Opener]) -> dict[str, Opener]:
    taken = sorted(set(extra) & set(BUILT_IN))
    if taken:
        raise SettingError(
            f"A plugin registers the data source {listed(taken)}, which is built in. Choose another name."
        )
    return {**BUILT_IN, **extra}


def _unknown_scheme(spec: str, scheme: str, openers: Mapping[str, Opener]) -> Exception:
    path = Path(spec).expanduser()
    if path.is_dir():
        return DataError(f"Expected `data` as SCHEME:LOCATION but got the folder {spec!r}. Write 'folder:{spec}'.")
    if path.is_file() and path.suffix in (".npz", ".csv"):
        return DataError(
            f"Expected `data` as SCHEME:LOCATION but got the file {spec!r}. Write '{path.suffix[1:]}:{spec}'."
        )
    return unknown_name("data source", scheme, openers)
