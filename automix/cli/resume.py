"""``automix resume``: go on with a study by its name."""

from __future__ import annotations

from typing import Annotated

import typer

from automix.cli.context import DEFAULT_WORK, WorkOption, app_of
from automix.cli.progress import decoding

app = typer.Typer(add_completion=False)


@app.command()
def resume(
    context: typer.Context,
    study: Annotated[str, typer.Argument(help="Study; the one started last by default.")] = "",
    work: WorkOption = DEFAULT_WORK,
    trials: Annotated[
        int | None, typer.Option("--trials", help="Trials in all, where there are to be more than were asked for.")
    ] = None,
    budget: Annotated[str | None, typer.Option("--budget", help="Time for this start, such as 2h or 45m.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Trials at a time.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and what it costs, then stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Go on with a study as it was asked for at its latest start, trainings on fresh seeds included.

    The same as giving the same `automix search` command again, from any folder.
    """
    from automix.cli.running import run
    from automix.resuming import plan_again

    options = app_of(context)
    with decoding() as progress:
        plan = plan_again(work, study, options.host, progress, trials=trials, budget=budget, workers=workers)
    run(options, plan, is_dry=dry_run, as_json=as_json)
