"""``automix plugins``: which plugins are installed and what became of them; scaffold a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automix.cli.context import JsonOption, app_of, print_json, print_table, say

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command("list")
def list_plugins(context: typer.Context, as_json: JsonOption = False) -> None:
    """List installed plugins: loaded, blocked, broken or refused, and why."""
    host = app_of(context).host
    rows = [
        {
            "plugin": info.name,
            "distribution": info.distribution,
            "version": info.version,
            "status": info.status,
            "cause": info.cause,
        }
        for info in host.plugins
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, texts=("cause",))


@app.command("new")
def new_plugin(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the new mixer: lower case letters, digits and _.")],
    folder: Annotated[Path, typer.Option("--in", help="Folder in which the distribution is written.")] = Path(),
) -> None:
    """Write a new distribution with one mixer that passes `automix check` as it comes."""
    from automix.scaffold import scaffold_plugin

    target = scaffold_plugin(name, folder, taken=app_of(context).host.registry.names("mixer"))
    say(f"Wrote {target}. Next:")
    say(f"  pip install -e {target}")
    say(f"  automix check {target.name}")
    say("  automix methods show " + name)
