"""Build a cached data set: read headers, split, decode, describe, commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automix.data.cache import Meta, Rows
from automix.data.dataset import SPLITS, Progress
from automix.data.decode import Unreadable, decode, read_headers
from automix.data.fingerprint import channel_statistics, meta_features
from automix.data.labels import add_noise, encode
from automix.data.pixels import Header, choose_size, size_note
from automix.data.sources import Samples, Source
from automix.data.splits import CUT_SHARE, assign, stratified_subset
from automix.data.writer import CacheWriter
from automix.errors import DataError

__all__ = ["Request", "build", "unreadable_text"]

_MAX_NAMED = 10
_VAL_UNDER_LIMIT = 1000
"""Val images that a limit always leaves: fewer would not measure accuracy to within 1.6 % (one standard error)."""


@dataclass(frozen=True)
class Request:
    """What was asked for; the arguments of `open_data`, checked."""

    image_size: tuple[int, int] | None
    limit: int | None
    label_noise: float
    seed: int
    strict: bool


@dataclass
class _Plan:
    """What will be in the data set; ``rows`` holds each split's positions, of which decoding may take some away."""

    samples: Samples
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    rows: dict[str, NDArray[np.intp]]
    size: tuple[int, int]
    channels: int
    notes: list[str]
    skipped: list[Unreadable]

    def order(self) -> NDArray[np.intp]:
        """Return the positions in the order of images.npy."""
        return np.concatenate([self.rows[split] for split in SPLITS])


def build(source: Source, key: str, work: Path, request: Request, progress: Progress | None) -> None:
    """Decode, split and describe a source into its folder of the cache; the caller holds the lock.

    Raises:
        DataError: the data are not usable, or an image is unreadable and the request is strict.
        SettingError: the limit is below the number of classes.
        StorageError: the work folder is full or cannot be written.
    """
    plan = _plan(source, request, progress)
    with CacheWriter(work, key, (plan.channels, *plan.size)) as writer:
        _decode_into(writer, plan, request.strict, progress)
        _check_classes(plan.labels[plan.rows["train"]], plan.classes, plan.skipped)
        _check_splits(plan)
        rows = _label_rows(plan, request)
        writer.commit(rows, _describe(source, plan, writer, rows, request))


def unreadable_text(skipped: Sequence[str]) -> str:
    """Count unreadable images and name the first ten."""
    more = f" and {len(skipped) - _MAX_NAMED} more" if len(skipped) > _MAX_NAMED else ""
    plural = "s" if len(skipped) > 1 else ""
    return f"{len(skipped)} unreadable image{plural}: {'; '.join(skipped[:_MAX_NAMED])}{more}"


def _plan(source: Source, request: Request, progress: Progress | None) -> _Plan:
    samples = source.read()
    labels, classes, class_notes = encode(samples.labels, samples.class_names, source.spec)
    headers, skipped = _read_usable(samples, request.strict, progress)
    _check_classes(labels[list(headers)], classes, skipped)
    rows, split_notes = _choose_rows(samples, labels, classes, list(headers), request)
    size = request.image_size or choose_size(headers.values())
    return _Plan(
        samples=samples,
        labels=labels,
        classes=classes,
        rows=rows,
        size=size,
        channels=1 if all(header.is_grey for header in headers.values()) else 3,
        notes=[*samples.notes, *class_notes, size_note(headers.values(), size), *split_notes],
        skipped=skipped,
    )


def _read_usable(
    samples: Samples, strict: bool, progress: Progress | None
) -> tuple[dict[int, Header], list[Unreadable]]:
    """Return the headers of readable images by position, in order, and what is unreadable so far."""
    headers: dict[int, Header] = {}
    skipped: list[Unreadable] = []
    for i, header in enumerate(read_headers(samples, progress)):
        if isinstance(header, Unreadable):
            skipped.append(header)
        else:
            headers[i] = header
    if skipped and (strict or not headers):
        raise _refused(skipped)
    return headers, skipped


def _choose_rows(
    samples: Samples, labels: NDArray[np.int64], classes: tuple[str, ...], usable: list[int], request: Request
) -> tuple[dict[str, NDArray[np.intp]], list[str]]:
    """Return the positions of each split's images, in order, and what was cut."""
    positions = np.array(usable, dtype=np.intp)
    given = None if samples.splits is None else [samples.splits[i] for i in usable]
    splits = assign(labels[positions], classes, given, request.seed)
    rows = {split: positions[splits == split] for split in SPLITS}
    cut = [split for split in ("val", "test") if given is None or split not in given]
    notes = []
    if cut:
        share = f"{CUT_SHARE:.0%}{' each' if len(cut) > 1 else ''}"
        notes.append(f"{' and '.join(cut)} cut from train, {share}, stratified, seed {request.seed}")
    if request.limit is not None:
        notes += _limit(rows, labels, len(classes), request.limit, request.seed)
    if request.label_noise:
        share = f"{100 * request.label_noise:g}% of the training labels redrawn from all classes"
        notes.append(f"{share}; val and test stay clean")
    return rows, notes


def _limit(
    rows: dict[str, NDArray[np.intp]], labels: NDArray[np.int64], num_classes: int, limit: int, seed: int
) -> list[str]:
    """Thin out train, and a val split that would take longer to look at than train takes to learn from."""
    notes = []
    for split, most in (("train", limit), ("val", max(limit, _VAL_UNDER_LIMIT, num_classes))):
        whole = rows[split]
        rows[split] = whole[stratified_subset(labels[whole], most, num_classes, seed)]
        if split == "train" or len(rows[split]) < len(whole):
            notes.append(f"{len(rows[split])} of {len(whole)} {split} images kept (limit {limit}), stratified")
    return notes


def _decode_into(writer: CacheWriter, plan: _Plan, strict: bool, progress: Progress | None) -> None:
    """Write split after split, and move what cannot be decoded from the plan's rows to ``skipped``."""
    order = plan.order().tolist()
    broken: list[int] = []
    images = decode(plan.samples, order, plan.size, plan.channels, progress)
    for position, image in zip(order, images, strict=True):
        if not isinstance(image, Unreadable):
            writer.append(image)
            continue
        broken.append(position)
        plan.skipped.append(image)
        if strict:
            raise _refused(plan.skipped)
    plan.rows = {split: rows[~np.isin(rows, broken)] for split, rows in plan.rows.items()}


def _check_classes(labels: NDArray[np.int64], classes: tuple[str, ...], skipped: list[Unreadable]) -> None:
    """Refuse data of which unreadable images took a whole class."""
    gone = set(range(len(classes))) - set(labels.tolist()) if skipped else set()
    if gone:
        raise DataError(f"No readable training image is left of class {classes[min(gone)]!r}: {_text(skipped)}.")


def _check_splits(plan: _Plan) -> None:
    """Refuse data of which unreadable images took a whole split."""
    empty = [split for split in SPLITS if not len(plan.rows[split])]
    if empty:
        raise DataError(f"No readable image is left in {empty[0]}: {_text(plan.skipped)}.")


def _label_rows(plan: _Plan, request: Request) -> Rows:
    """Return labels in the order of images.npy, with noise on those of train."""
    index = plan.order().astype(np.int64)
    clean = plan.labels[index]
    n_train = len(plan.rows["train"])
    noisy = add_noise(clean[:n_train], len(plan.classes), request.label_noise, request.seed)
    return Rows(np.concatenate([noisy, clean[n_train:]]), clean, index)


def _describe(source: Source, plan: _Plan, writer: CacheWriter, rows: Rows, request: Request) -> Meta:
    counts = {split: len(plan.rows[split]) for split in SPLITS}
    train = writer.images()[: counts["train"]]
    mean, std = channel_statistics(train)
    notes = [*plan.notes, *([f"left out {_text(plan.skipped)}"] if plan.skipped else [])]
    return Meta(
        name=source.name,
        spec=source.spec,
        classes=list(plan.classes),
        channels=plan.channels,
        image_size=list(plan.size),
        counts=counts,
        mean=mean,
        std=std,
        content_hash=writer.content_hash(rows, (counts, plan.classes)),
        features=meta_features(train, rows.labels[: len(train)], len(plan.classes), counts),
        notes=notes,
        skipped=[str(image) for image in plan.skipped],
        noisy=request.label_noise > 0,
    )


def _refused(skipped: list[Unreadable]) -> DataError:
    return DataError(f"Refused {_text(skipped)}. Repair or remove these files.")


def _text(skipped: list[Unreadable]) -> str:
    return unreadable_text([str(image) for image in skipped])
