"""``automix doctor``: find what goes wrong silently, and say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automix.cli.context import DEFAULT_WORK, JsonOption, WorkOption, app_of, print_json, print_paragraph, say, warn

if TYPE_CHECKING:
    from automix.doctor.finding import Finding

app = typer.Typer(add_completion=False)

_EXIT_FAILED = 1
_WIDTH = 22


@app.command()
def doctor(
    context: typer.Context,
    work: WorkOption = DEFAULT_WORK,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="A policy file that is, or will be, trained with.")
    ] = None,
    trainer: Annotated[
        Path | None,
        typer.Option("--trainer", help="The script that trains with it; it is read, not run."),
    ] = None,
    label_smoothing: Annotated[float, typer.Option("--label-smoothing", help="Label smoothing of that trainer.")] = 0.0,
    rebuild_mlflow: Annotated[
        bool,
        typer.Option("--rebuild-mlflow", help="Make MLflow's runs anew from the books of all studies, then stop."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at machine, installation, work folder and policy for what goes wrong silently.

    Exits with 1 where something must be repaired before a search can work.
    """
    from automix.doctor.checkup import Question, check_up

    host = app_of(context).host
    if rebuild_mlflow:
        _rebuild(work, as_json)
        return
    findings = list(check_up(Question(work, policy, trainer, label_smoothing), host))
    if as_json:
        from dataclasses import asdict

        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            _show(finding)
    if any(finding.result == "fail" for finding in findings):
        raise typer.Exit(_EXIT_FAILED)


def _show(finding: Finding) -> None:
    advice = f" -> {finding.advice}" if finding.advice else ""
    print_paragraph(finding.text + advice, f"{f'{finding.result:<5} {finding.name}':<{_WIDTH}} ")


def _rebuild(work: Path, as_json: bool) -> None:
    from automix.doctor.rebuild import rebuild_mlflow

    done = rebuild_mlflow(work, warn if as_json else say)
    if as_json:
        print_json(
            {"kept": None if done.kept is None else str(done.kept), "runs": done.runs, "problems": done.problems}
        )
        return
    for study, n_runs in done.runs.items():
        say(f"{study}: {n_runs} runs")
    for problem in done.problems:
        warn(problem)
    if done.kept is not None:
        say(f"The store as it was: {done.kept}")
