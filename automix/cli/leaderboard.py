"""``automix leaderboard``: a study's ranking."""

from __future__ import annotations

from typing import Annotated

import typer

from automix.cli.context import DEFAULT_WORK, JsonOption, WorkOption, print_json, say
from automix.cli.ranking import print_ranking

app = typer.Typer(add_completion=False)


@app.command()
def leaderboard(
    work: WorkOption = DEFAULT_WORK,
    name: Annotated[str, typer.Option("--name", help="Study; the one started last by default.")] = "",
    limit: Annotated[int | None, typer.Option("--limit", help="Rows to show.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a study's ranking, also while it runs."""
    from dataclasses import asdict

    from automix.goal import goal_of
    from automix.search.leaderboard import leaderboard as ranking
    from automix.search.reading import find_study, read_slots

    folder, config = find_study(work, name)
    goal = goal_of(config.goal)
    rows = ranking(read_slots(folder).values(), goal)[:limit]
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    say(f"{config.name}: {len(rows)} of {config.n_trials} trials begun")
    say()
    print_ranking(rows, goal)
