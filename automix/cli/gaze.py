"""``automix gaze``: hold the labels of policies against where people looked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automix.cli.context import (
    DEFAULT_WORK,
    JsonOption,
    WorkOption,
    app_of,
    print_json,
    print_paragraph,
    print_table,
    say,
)
from automix.cli.table import Column

app = typer.Typer(add_completion=False)

_COLUMNS = (
    Column("policy", "policy"),
    Column("mean", "inconsistency (95 %)", is_number=True),
    Column("apart", "to first (95 %)", is_number=True),
    Column("samples", "mixed", is_number=True),
    Column("unmixed", "not mixed", is_number=True, spare=2),
    Column("skipped", "no gaze left", is_number=True, spare=1),
)


@app.command()
def gaze(
    context: typer.Context,
    gaze: Annotated[
        Path,
        typer.Option(
            "--gaze", help="Fixation table (CUB-GHA's text format), folder of heat maps, or NPZ file; docs/gaze.md."
        ),
    ],
    policy: Annotated[
        list[str],
        typer.Option("--policy", help="A policy file, or a registered policy or mixer; may be repeated."),
    ],
    data: Annotated[
        str, typer.Option("--data", help="digits, folder:DIR, npz:FILE, csv:FILE, torchvision:NAME.")
    ] = "digits",
    gaze_images: Annotated[
        Path | None,
        typer.Option("--gaze-images", help="For a table: the list from image number to path, as CUB's images.txt."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="A trained model, for policies that look into it.")
    ] = None,
    images: Annotated[int, typer.Option("--images", help="Training images with gaze to use at most.")] = 512,
    rounds: Annotated[int, typer.Option("--rounds", help="How often each image is mixed.")] = 4,
    augment: Annotated[bool, typer.Option(help="Flip and crop images and maps together, as in training.")] = True,
    seed: Annotated[int, typer.Option("--seed", help="Of images, order, flips, crops and mixing.")] = 0,
    image_size: Annotated[int | None, typer.Option("--image-size", help="Side in pixels.")] = None,
    work: WorkOption = DEFAULT_WORK,
    out: Annotated[Path, typer.Option("--out", help="Folder for gaze.json, classes.csv and pictures.")] = Path(
        "automix-gaze"
    ),
    as_json: JsonOption = False,
) -> None:
    """Compute how far a policy's labels are from what people looked at: a working definition of image-label
    inconsistency.

    Needs gaze maps of training images, and is a proxy: not the exact metric of the TdAttenMix paper. Lower is better.
    """
    from automix.gaze.results import DEFINITION
    from automix.gazing import gaze_report

    report = gaze_report(
        data,
        gaze,
        policy,
        host=app_of(context).host,
        out=out,
        images=gaze_images,
        model=model,
        n_images=images,
        rounds=rounds,
        augment=augment,
        seed=seed,
        work=work,
        image_size=image_size,
    )
    if as_json:
        print_json(report.rows)
        return
    rows = [
        row
        | {
            "mean": _text(row["inconsistency"], row["low"], row["high"]) or "mixes nothing",
            "apart": _text(row["to_first"], row["to_first_low"], row["to_first_high"], "+"),
        }
        for row in report.rows
    ]
    print_table(rows, _COLUMNS)
    for note in report.gaze.notes:
        print_paragraph(f"{note}.", "note: ")
    print_paragraph(f"{DEFINITION}.", "inconsistency: ")
    say(f"Wrote {out}.")


def _text(mean: float | None, low: float | None, high: float | None, sign: str = "") -> str | None:
    if mean is None:
        return None
    return f"{mean:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"
