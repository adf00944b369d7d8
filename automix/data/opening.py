"""`open_data`: from a text or data set object to a decoded, split, described `DataSet`, once per work folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from automix.data.building import Request, build, unreadable_text
from automix.data.cache import cache_folder, cache_key, load_data
from automix.data.dataset import DataSet, Progress
from automix.data.sources import Opener, open_source
from automix.data.writer import locked
from automix.errors import ArtifactError, DataError, SettingError

__all__ = ["open_data"]

_log = logging.getLogger(__name__)
_MIN_SIDE = 4


def open_data(
    spec: object,
    *,
    work: Path,
    image_size: int | tuple[int, int] | None = None,
    limit: int | None = None,
    label_noise: float = 0.0,
    seed: int = 0,
    strict: bool = False,
    sources: Mapping[str, Opener] | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """Open a data set; decode it unless this work folder already holds it.

    Args:
        spec: "digits", "folder:DIR", "npz:FILE", "csv:FILE", "torchvision:NAME", a plugin's scheme, or a map-style
            data set (`automix.data.sources` says more).
        work: the work folder; decoded images go to ``work/data/<key>``.
        image_size: side or (H, W) in pixels; None follows the rule of `automix.data.pixels`.
        limit: how many training images to keep, stratified; val is thinned out to as many but not below 1000, test
            stays whole.
        label_noise: share of the training labels that is redrawn uniformly from all classes; val and test stay clean.
        seed: names the streams of splits, limit and noise; equal seeds give equal data.
        strict: refuse unreadable images instead of leaving them out.
        sources: openers of plugins by scheme.
        progress: called as ``progress(done, total, what)``.

    Raises:
        SettingError: an argument is out of its range.
        UnknownNameError: nobody registered the scheme.
        DataError: the data are missing or not usable.
        StorageError: the work folder is full or cannot be written.
    """
    request = _checked(image_size, limit, label_noise, seed, strict)
    work = Path(work)
    source = open_source(spec, work, sources)
    key = cache_key(source.name, source.signature(), request.image_size, limit, label_noise, seed)
    data = _cached(key, work)
    if data is None:
        with locked(work, key, progress):
            data = _cached(key, work)  # another process may have made it meanwhile
            if data is None:
                build(source, key, work, request, progress)
                data = load_data(key, work)
    if strict and data.skipped:
        raise DataError(f"Refused {unreadable_text(data.skipped)}. Repair or remove these files.")
    return data


def _checked(
    image_size: int | tuple[int, int] | None, limit: int | None, label_noise: float, seed: int, strict: bool
) -> Request:
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if size is not None and (min(size) < _MIN_SIDE):
        raise SettingError(
            f"Expected `image_size` as a side or (H, W) of at least {_MIN_SIDE} px but got {image_size!r}."
        )
    if limit is not None and limit < 1:
        raise SettingError(f"Expected `limit` of at least 1 training image but got {limit}.")
    if not 0 <= label_noise < 1:
        raise SettingError(f"Expected `label_noise` in [0, 1) but got {label_noise}.")
    return Request(size, limit, label_noise, seed, strict)


def _cached(key: str, work: Path) -> DataSet | None:
    if not cache_folder(work, key).exists():
        return None
    try:
        return load_data(key, work)
    except ArtifactError as err:
        _log.warning("%s This is done now.", err)
        return None
