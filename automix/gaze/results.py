"""What `automix gaze` leaves behind: rows for people, gaze.json, a table per class, and pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automix.errors import StorageError
from automix.gaze.measure import LEVEL, Measured, interval
from automix.gaze.pictures import gaze_sheet

if TYPE_CHECKING:
    from automix.data import DataSet
    from automix.gaze.aligned import AlignedGaze

__all__ = ["DEFINITION", "class_rows", "policy_rows", "write_results"]

DEFINITION = (
    "working definition, not the TdAttenMix paper's exact metric: half the L1 distance between label weights and gaze "
    "weights of a mixed image's sources (|lambda_label - lambda_gaze| for pairs), mean over images; lower is better"
)


def policy_rows(results: Sequence[Measured], n: int) -> list[dict[str, Any]]:
    """Say what each policy came to, and how far it is from the first one on the same images.

    Args:
        results: of policies measured on the same images.
        n: number of images with gaze.
    """
    means = [result.by_image(n) for result in results]
    rows = []
    for result, mean in zip(results, means, strict=True):
        found = interval(mean)
        apart = interval(mean - means[0]) if result is not results[0] else None
        rows.append(
            {
                "policy": result.name,
                "inconsistency": None if found is None else found.mean,
                "low": None if found is None else found.low,
                "high": None if found is None else found.high,
                "to_first": None if apart is None else apart.mean,
                "to_first_low": None if apart is None else apart.low,
                "to_first_high": None if apart is None else apart.high,
                "samples": len(result.values),
                "images": int(np.isfinite(mean).sum()),
                "unmixed": result.unmixed,
                "skipped": result.skipped,
            }
        )
    return rows


def class_rows(results: Sequence[Measured], gaze: AlignedGaze, data: DataSet) -> list[dict[str, Any]]:
    """Say how each policy did on the images of each class; a sample counts for the class of its own image."""
    labels = data.splits["train"].labels[gaze.rows.numpy()]
    rows = []
    for result in results:
        own = labels[result.own]
        for label, name in enumerate(data.classes):
            values = result.values[own == label]
            mean = float(values.mean()) if len(values) else None
            rows.append({"policy": result.name, "class": name, "samples": len(values), "inconsistency": mean})
    return rows


def write_results(out: Path, results: Sequence[Measured], gaze: AlignedGaze, data: DataSet, **settings: Any) -> None:
    """Write ``gaze.json``, ``classes.csv`` and a picture per policy that mixes.

    Args:
        out: a folder; made where it is missing.
        results: of all policies.
        gaze: the images they were measured on.
        data: the data set.
        settings: what else gaze.json should say of how it was measured.

    Raises:
        StorageError: the folder cannot be written.
    """
    book = {
        "definition": DEFINITION,
        "interval": f"{LEVEL:.0%} bootstrap over images, percentiles",
        "data": data.spec,
        "images": dict(gaze.counts),
        "notes": list(gaze.notes),
        **settings,
        "policies": policy_rows(results, len(gaze.rows)),
    }
    classes = class_rows(results, gaze, data)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "gaze.json").write_text(json.dumps(book, indent=2) + "\n", encoding="utf-8")
        with (out / "classes.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(classes[0]))
            table.writeheader()
            table.writerows(classes)
        for number, result in enumerate(results, start=1):
            if len(result.values):
                (out / f"pairs_{number}_{Path(result.name).stem}.png").write_bytes(gaze_sheet(result, data.classes))
    except OSError as err:
        raise StorageError(f"Cannot write the results to {str(out)!r}: {err.strerror}. Choose another --out.") from err
