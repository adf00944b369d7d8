"""``automix check``: hold a plugin's mixers against the conformance kit."""

from __future__ import annotations

from typing import Annotated

import typer

from automix.cli.context import JsonOption, app_of, print_json, print_table, say

app = typer.Typer(add_completion=False)


@app.command()
def check(
    context: typer.Context,
    plugin: Annotated[
        str, typer.Argument(help="A plugin, or a single mixer, as `plugins list` and `methods list` say.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Run every conformance check on every mixer of a plugin; exits with 1 where one fails."""
    from automix.errors import unknown_name
    from automix.testing import check_mixer

    host = app_of(context).host
    entries = [entry for entry in host.registry.entries("mixer") if plugin in (entry.plugin, entry.name)]
    if not entries:
        known = {name for entry in host.registry.entries("mixer") for name in (entry.plugin, entry.name)}
        raise unknown_name("plugin or mixer", plugin, known)
    rows = [
        {"mixer": entry.name, "check": finding.check, "result": finding.status, "detail": finding.detail}
        for entry in entries
        for finding in check_mixer(entry.obj)
    ]
    failed = [row for row in rows if row["result"] == "failed"]
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
        names = ", ".join(entry.name for entry in entries)
        say(f"{names}: {len(rows) - len(failed)} of {len(rows)} checks hold." if failed else f"{names}: conforms.")
    raise typer.Exit(1 if failed else 0)
