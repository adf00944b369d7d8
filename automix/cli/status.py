"""``automix status``: how a search is getting on, from any terminal."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from automix.cli.context import DEFAULT_WORK, JsonOption, WorkOption, print_json, print_table, say
from automix.cli.progress import duration
from automix.cli.ranking import print_ranking

app = typer.Typer(add_completion=False)

_TOP = 5


@app.command()
def status(
    work: WorkOption = DEFAULT_WORK,
    name: Annotated[str, typer.Option("--name", help="Study; the one started last by default.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show what runs, what is done and how long the rest takes."""
    from automix.goal import goal_of
    from automix.search.account import load_account
    from automix.search.leaderboard import leaderboard
    from automix.search.locks import is_locked
    from automix.search.progress import progress_of
    from automix.search.reading import find_study, read_slots

    folder, config = find_study(work, name)
    goal, slots = goal_of(config.goal), read_slots(folder)
    is_running = is_locked(folder.lock_file)
    account = load_account(folder)
    running = [slot for slot in slots.values() if slot.state.value == "running"]
    progress = progress_of(
        config.name,
        slots,
        n_trials=config.n_trials,
        n_epochs=config.n_epochs,
        n_workers=max(1, len(running)),
        estimator=None if account is None else account.estimator(config),
        goal=goal,
    )
    rows: list[dict[str, Any]] = [
        {
            "slot": slot.slot,
            "policy": slot.proposal.title,
            "epoch": f"{len(slot.curve)}/{config.n_epochs}",
            goal.title: goal.text(goal.value(slot.curve)) if slot.curve else None,
        }
        for slot in running
    ]
    if as_json:
        print_json(
            {
                "study": config.name,
                "is_running": is_running,
                "trials": config.n_trials,
                "settled": progress.n_settled,
                "eta_s": progress.eta_s,
                "running": rows,
                "out": config.out,
            }
        )
        return
    state = "running" if is_running else "not running; the same `automix search` command goes on with it"
    if progress.n_settled == config.n_trials:
        state = "done"
    eta = f", about {duration(progress.eta_s)} left" if is_running and progress.eta_s else ""
    say(f"{config.name} ({state}): {progress.n_settled} of {config.n_trials} trials{eta}")
    if rows and is_running:
        print_table(rows)
    print_ranking(leaderboard(slots.values(), goal), goal, _TOP)
    say(f"Results: {config.out}")
