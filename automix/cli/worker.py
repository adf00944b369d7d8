"""``automix worker``: one worker of a study. The search starts these by itself; start more by hand where you like."""

from __future__ import annotations

from typing import Annotated

import typer

from automix.cli.context import DEFAULT_WORK, WorkOption

app = typer.Typer(add_completion=False)


@app.command()
def worker(
    study: Annotated[str, typer.Option("--study", help="Name of the study.")],
    work: WorkOption = DEFAULT_WORK,
    number: Annotated[int, typer.Option("--worker", help="Number of this worker, for its log.")] = 0,
) -> None:
    """Train slot after slot of a study until none is left."""
    from automix.search.config import load_config
    from automix.search.folder import StudyFolder
    from automix.search.worker import worker_main

    load_config(
        StudyFolder(work.absolute(), study)
    )  # a mistyped name is told in one line, before signals are taken over
    raise typer.Exit(worker_main(study, work, number))
