"""``automix confirm``: train a finished search's policies on fresh seeds, or on more of them."""

from __future__ import annotations

from typing import Annotated

import typer

from automix.cli.context import DEFAULT_WORK, JsonOption, WorkOption, app_of, print_json, say, split_names, warn
from automix.cli.progress import decoding
from automix.cli.running import EXIT_STOPPED

app = typer.Typer(add_completion=False)


@app.command()
def confirm(
    context: typer.Context,
    study: Annotated[str, typer.Argument(help="Study; the one started last by default.")] = "",
    seeds: Annotated[int | None, typer.Option("--seeds", help="Fresh seeds in all, from 2 to 20.")] = None,
    policies: Annotated[
        str | None,
        typer.Option("--policies", help="Slots or reference arms to be trained too, comma separated: 7,cutmix."),
    ] = None,
    work: WorkOption = DEFAULT_WORK,
    workers: Annotated[int | None, typer.Option("--workers", help="Trainings at a time.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Come to a verdict on what a search has found, or to a surer one with more seeds.

    What is trained already is kept. A second look at the test images has to be surer of a gain than the first.
    """
    from automix.api import confirm_study
    from automix.cli.closing import result_data, show_result
    from automix.resuming import plan_again

    options = app_of(context)
    with decoding() as progress:
        plan = plan_again(work, study, options.host, progress, confirm=seeds, workers=workers)
    result = confirm_study(plan, split_names(policies), warn if as_json else say)
    if as_json:
        print_json(result_data(plan, result))
    else:
        show_result(plan, result)
    if result.ending.value == "stopped":
        raise typer.Exit(EXIT_STOPPED)
