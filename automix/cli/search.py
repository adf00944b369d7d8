"""``automix search``: find the mixing policy that helps, or that none does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automix.cli.context import DEFAULT_WORK, WorkOption, app_of, print_json, say
from automix.cli.progress import decoding, duration, search_display
from automix.cli.ranking import print_ranking

if TYPE_CHECKING:
    from automix.planning import SearchPlan
    from automix.search.result import SearchResult

app = typer.Typer()

_EXIT_STOPPED = 130


@app.command()
def search(
    context: typer.Context,
    data: Annotated[
        str, typer.Option("--data", help="digits, folder:DIR, npz:FILE, csv:FILE or torchvision:NAME.")
    ] = "digits",
    limit: Annotated[int | None, typer.Option("--limit", help="Training images to keep.")] = None,
    label_noise: Annotated[
        float, typer.Option("--label-noise", help="Share of training labels to redraw at random.")
    ] = 0.0,
    image_size: Annotated[int | None, typer.Option("--image-size", help="Side in pixels.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse unreadable images.")] = False,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Images per step.")] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="Peak learning rate.")] = None,
    model: Annotated[str, typer.Option("--model", help="A timm model; chosen by image size by default.")] = "auto",
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Start from timm's weights.")] = False,
    space: Annotated[
        str | None, typer.Option("--space", help="default, small, cnn, vit, or a YAML file; the preset's by default.")
    ] = None,
    preset: Annotated[str, typer.Option("--preset", help="smoke, quick or standard.")] = "quick",
    trials: Annotated[int | None, typer.Option("--trials", help="Trials in all, reference arms included.")] = None,
    budget: Annotated[str | None, typer.Option("--budget", help="Time, such as 2h or 45m.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Epochs of each trial.")] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Trials at a time; one per GPU, or per core up to 4, by default.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    seed: Annotated[int, typer.Option("--seed", help="Of everything.")] = 0,
    confirm: Annotated[
        int | None,
        typer.Option("--confirm", help="Fresh seeds on which the winner is trained again; the preset's by default."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the study; made from the other options by default.")
    ] = None,
    work: WorkOption = DEFAULT_WORK,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for results; automix-out/NAME by default.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and what it costs, then stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find the mixing policy that helps your images, or that none does.

    The same command goes on where it was stopped.
    """
    from automix.api import execute
    from automix.planning import SearchRequest, plan_search

    options = app_of(context)
    request = SearchRequest(
        data=data,
        preset=preset,
        space=space,
        trials=trials,
        budget=budget,
        epochs=epochs,
        model=model,
        pretrained=pretrained,
        batch_size=batch_size,
        lr=lr,
        image_size=image_size,
        limit=limit,
        label_noise=label_noise,
        strict=strict,
        workers=workers,
        device=device,
        seed=seed,
        confirm=confirm,
        name=name,
        work=work,
        out=out,
    )
    with decoding() as progress:
        plan = plan_search(request, options.host, progress)
    options.tell_problems(options.host)
    trial_s = _estimate(plan)
    if not as_json:
        _show_plan(plan, trial_s)
    if dry_run:
        if as_json:
            print_json(_plan_data(plan, trial_s))
        return
    announce = _quiet if as_json else say
    with search_display(is_quiet=as_json) as listener:
        result = execute(plan, listener=listener, announce=announce, expected_trial_s=trial_s)
    _show_result(plan, result, as_json)
    if not result.is_complete and result.ending.value == "stopped":
        raise typer.Exit(_EXIT_STOPPED)


def _quiet(line: str) -> None:
    """Keep the output JSON."""


def _estimate(plan: SearchPlan) -> float:
    """Measure a few steps and tell what a trial takes, in seconds."""
    from automix.search.estimate import estimate_trial

    return estimate_trial(plan.data, plan.settings, plan.host.registry).trial_s


def _show_plan(plan: SearchPlan, trial_s: float) -> None:
    """Say what goes in, what stays out, and how long it takes."""
    from automix.outputs import augmentation_text

    counts = ", ".join(f"{len(split)} {name}" for name, split in plan.data.splits.items())
    height, width = plan.data.image_size
    colours = "grey" if plan.data.channels == 1 else "colour"
    say(f"Data      {plan.data.name}: {counts}; {plan.data.num_classes} classes, {width} x {height} px, {colours}")
    for note in plan.data.notes:
        say(f"          {note}")
    settings = plan.settings
    say(
        f"Model     {settings.model}, {settings.epochs} epochs, batches of {settings.batch_size}, "
        f"{settings.optimizer} at {settings.lr:g}"
    )
    say(f"Augment   {augmentation_text(plan)} (in every trial, also without mixing)")
    say(f"Methods   {', '.join(plan.space.mixers)}; {len(plan.space.parameters)} searched parameters")
    for mixer, reason in plan.space.left_out:
        say(f"  not     {mixer}: {reason}")
    say(f"Arms      {', '.join(arm.name for arm in plan.config.arms)}")
    for note in plan.notes:
        say(f"          {note}")
    say(f"Study     {plan.config.name}: {plan.config.n_trials} trials; {_cost(plan, trial_s)}")
    say(f"Results   {plan.out}")
    say()


def _cost(plan: SearchPlan, trial_s: float) -> str:
    from automix.api import machine_for

    n_workers = machine_for(plan).n_workers
    total = trial_s * plan.config.n_trials / n_workers
    text = f"about {duration(trial_s)} each, {n_workers} at a time: {duration(total)} at most"
    if plan.budget_s is not None and plan.budget_s < total:
        fits = max(0, int(plan.budget_s * n_workers / max(trial_s, 1e-9)))
        text += f"; the budget of {duration(plan.budget_s)} holds about {fits}"
    return text


def _plan_data(plan: SearchPlan, trial_s: float) -> dict[str, Any]:
    return {
        "study": plan.config.name,
        "data": plan.data.summary(),
        "settings": plan.settings.to_dict(),
        "mixers": plan.space.mixers,
        "left_out": dict(plan.space.left_out),
        "parameters": [row._asdict() for row in plan.space.summary()],
        "arms": [arm.name for arm in plan.config.arms],
        "trials": plan.config.n_trials,
        "trial_s": trial_s,
        "out": str(plan.out),
        "work": str(plan.work),
        "notes": list(plan.notes),
    }


def _show_result(plan: SearchPlan, result: SearchResult, as_json: bool) -> None:
    from automix.outputs import Outputs, headline, leaderboard_rows, usage_lines

    outputs = Outputs(result.out)
    files = {name: str(path) for name, path in outputs.files().items() if path.exists()}
    if as_json:
        ranking = leaderboard_rows(result)
        print_json({"study": result.study, "ending": result.ending.value, "files": files, "leaderboard": ranking})
        return
    say()
    print_ranking(result.leaderboard)
    for problem in result.problems:
        say(f"Note: {problem}")
    say(headline(result, len(plan.data.splits["val"])))
    say(result.note)
    say()
    for name, path in files.items():
        say(f"{name:<13} {path}")
    say()
    if result.best is not None:
        say("Use it in your own training loop:")
        say(usage_lines(outputs, plan))
    if not result.is_complete:
        say("Not finished: the same command goes on from here.")
