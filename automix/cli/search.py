"""``automix search``: find the mixing policy that helps, or that none does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automix.cli.context import DEFAULT_WORK, app_of
from automix.cli.progress import decoding

app = typer.Typer(add_completion=False)

_DATA, _TRAINING, _SEARCH, _FILES = "Data", "Training", "Search", "Files and output"


@app.command()
def search(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="digits, folder:DIR, npz:FILE, csv:FILE or torchvision:NAME.",
            rich_help_panel=_DATA,
        ),
    ] = "digits",
    limit: Annotated[
        int | None, typer.Option("--limit", help="Training images to keep.", rich_help_panel=_DATA)
    ] = None,
    label_noise: Annotated[
        float,
        typer.Option("--label-noise", help="Share of training labels to redraw at random.", rich_help_panel=_DATA),
    ] = 0.0,
    image_size: Annotated[
        int | None,
        typer.Option("--image-size", help="Side in pixels; follows the images by default.", rich_help_panel=_DATA),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse unreadable images.", rich_help_panel=_DATA)] = False,
    model: Annotated[
        str, typer.Option("--model", help="A timm model; auto chooses by image size.", rich_help_panel=_TRAINING)
    ] = "auto",
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Start from timm's weights.", rich_help_panel=_TRAINING)
    ] = False,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            help="Epochs of a whole training, so of each trial unless --fidelity says less; the preset's by default.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    final_epochs: Annotated[
        int | None,
        typer.Option(
            "--final-epochs",
            help="How long you will train in the end, to be warned where the search is far from it; as long as "
            "--epochs by default.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", help="Images per step.", rich_help_panel=_TRAINING)
    ] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="Peak learning rate.", rich_help_panel=_TRAINING)] = None,
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.", rich_help_panel=_TRAINING)
    ] = "auto",
    seed: Annotated[int, typer.Option("--seed", help="Of everything.", rich_help_panel=_TRAINING)] = 0,
    preset: Annotated[
        str, typer.Option("--preset", help="smoke, quick or standard.", rich_help_panel=_SEARCH)
    ] = "quick",
    goal: Annotated[
        str,
        typer.Option(
            "--goal",
            help="What the search makes as good as it can: accuracy, balanced_accuracy, log_loss, calibration, "
            "robustness, images_per_s, or a plugin's metric.",
            rich_help_panel=_SEARCH,
        ),
    ] = "accuracy",
    fidelity: Annotated[
        str,
        typer.Option(
            "--fidelity",
            help="Share of the whole training that a trial gets: full; epochs:0.5 for fewer passes; images:0.25 for as "
            "many passes over fewer images.",
            rich_help_panel=_SEARCH,
        ),
    ] = "full",
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            help="default, small, cnn, vit, or a YAML file; the preset's by default.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option("--trials", help="Trials in all, reference arms included.", rich_help_panel=_SEARCH),
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Time for this start, such as 2h or 45m.", rich_help_panel=_SEARCH)
    ] = None,
    confirm: Annotated[
        int | None,
        typer.Option(
            "--confirm",
            help="Fresh seeds for the verdict, on which the best policies and the references are trained again; "
            "the preset's by default, 0 for no verdict.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    no_memory: Annotated[
        bool,
        typer.Option(
            "--no-memory", help="Leave out what won on the nearest data sets searched before.", rich_help_panel=_SEARCH
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            help="Trials at a time; one per GPU, or a few per CPU, by default.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Of the study; made from the other options by default.", rich_help_panel=_FILES),
    ] = None,
    work: Annotated[
        Path,
        typer.Option(
            "--work",
            envvar="AUTOMIX_WORK",
            help="Work folder: databases, data cache, studies.",
            rich_help_panel=_FILES,
        ),
    ] = DEFAULT_WORK,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for results; automix-out/NAME by default.", rich_help_panel=_FILES),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the plan and what it costs, then stop.", rich_help_panel=_FILES),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=_FILES)] = False,
) -> None:
    """Find the mixing policy that helps your images, or that none does.

    The same command goes on where it was stopped.
    """
    from automix.cli.running import run
    from automix.planning import SearchRequest, plan_search

    options = app_of(context)
    request = SearchRequest(
        data=data,
        preset=preset,
        space=space,
        trials=trials,
        budget=budget,
        epochs=epochs,
        final_epochs=final_epochs,
        goal=goal,
        fidelity=fidelity,
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
        memory=not no_memory,
        name=name,
        work=work,
        out=out,
    )
    with decoding() as progress:
        plan = plan_search(request, options.host, progress)
    run(options, plan, is_dry=dry_run, as_json=as_json)
