"""``automix ui``: MLflow's interface on the work folder's store."""

from __future__ import annotations

from typing import Annotated

import typer

from automix.cli.context import DEFAULT_WORK, WorkOption, say

app = typer.Typer(add_completion=False)


@app.command()
def ui(
    work: WorkOption = DEFAULT_WORK,
    host: Annotated[str, typer.Option(help="Interface to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to prefer; a free one is used where it is taken.")] = 5000,
    study: Annotated[str, typer.Option("--name", help="Study to open; the newest by default.")] = "",
) -> None:
    """Open MLflow's interface with the newest study's comparison prepared; Ctrl-C stops it."""
    from automix.tracking.ui import run_ui

    run_ui(work, say, host=host, port=port, study=study or None)
