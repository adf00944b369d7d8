"""``automix preview``: your own images under every method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automix.cli.context import DEFAULT_WORK, WorkOption, app_of, say, split_names
from automix.cli.progress import decoding
from automix.errors import StorageError

app = typer.Typer(add_completion=False)


@app.command()
def preview(
    context: typer.Context,
    data: Annotated[
        str, typer.Option("--data", help="digits, folder:DIR, npz:FILE, csv:FILE, torchvision:NAME.")
    ] = "digits",
    methods: Annotated[str, typer.Option("--methods", help="Mixers, comma separated; all by default.")] = "",
    policy: Annotated[
        list[str] | None, typer.Option("--policy", help="A policy file or registered policy; may be repeated.")
    ] = None,
    pairs: Annotated[int, typer.Option("--pairs", help="Columns of the sheet.")] = 8,
    image_size: Annotated[int | None, typer.Option("--image-size", help="Side in pixels.")] = None,
    work: WorkOption = DEFAULT_WORK,
    out: Annotated[Path, typer.Option("--out", help="The PNG file to write.")] = Path("contact_sheet.png"),
) -> None:
    """Draw the same pairs of your images under every method, with the label that each gets."""
    from automix import api

    with decoding() as progress:
        sheet = api.preview(
            data,
            methods=split_names(methods),
            policies=policy or (),
            pairs=pairs,
            host=app_of(context).host,
            work=work,
            image_size=image_size,
            progress=progress,
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(sheet)
    except OSError as err:
        raise StorageError(f"Cannot write {str(out)!r}: {err.strerror}. Choose another file with --out.") from err
    say(f"Wrote {out}.")
