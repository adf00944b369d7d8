"""``automix methods``: everything that is registered, by kind, and the card of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automix.cli.context import JsonOption, app_of, print_json, print_paragraph, print_table, say
from automix.cli.table import Column

if TYPE_CHECKING:
    from automix.registry import Entry

app = typer.Typer(no_args_is_help=True, add_completion=False)

_COLUMNS = (
    Column("kind", "kind"),
    Column("name", "name"),
    Column("what", "what", is_text=True),
    Column("plugin", "plugin", spare=1),
    Column("version", "version", spare=2),
)
_PARAMETER_COLUMNS = (
    Column("parameter", "parameter"),
    Column("default", "default"),
    Column("searched", "searched"),
    Column("meaning", "meaning", is_text=True),
)
_KINDS = ("mixer", "ratio", "pairing", "labels", "guide", "input", "policy", "data_source", "metric", "command")


@app.command("list")
def list_methods(
    context: typer.Context,
    kind: Annotated[str, typer.Option("--kind", help=f"One of {', '.join(_KINDS)}; all by default.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List everything that is registered, by kind."""
    options = app_of(context)
    registry = options.host.registry
    rows = [_row(entry) for one in ([kind] if kind else _KINDS) for entry in registry.entries(one)]
    options.tell_problems(options.host)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS)


@app.command("show")
def show_method(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A registered name, e.g. cutmix.")],
    kind: Annotated[str, typer.Option("--kind", help="Which kind is meant, where several share the name.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show a card: what it does, where it comes from, its parameters and their ranges."""
    from automix.errors import unknown_name

    registry = app_of(context).host.registry
    kinds = [kind] if kind else [one for one in _KINDS if name in registry.names(one)]
    if not kinds:
        known = {each for one in _KINDS for each in registry.names(one)}
        raise unknown_name("method", name, known)
    entries = [registry.get(each, name) for each in kinds]
    if as_json:
        print_json([{**_row(entry), **_details(entry)} for entry in entries])
        return
    for i, entry in enumerate(entries):
        if i:
            say()
        _print_card(entry)


def _row(entry: Entry) -> dict[str, Any]:
    card = getattr(entry.obj, "card", None)
    return {
        "kind": entry.kind,
        "name": entry.name,
        "what": card.summary if card else entry.description,
        "plugin": entry.plugin,
        "version": entry.version,
    }


def _details(entry: Entry) -> dict[str, Any]:
    """Gather what a component declares; nothing for other kinds."""
    card = getattr(entry.obj, "card", None)
    if card is None:
        return {}
    return {
        "card": {key: value for key, value in vars(card).items() if value},
        "reads": sorted(getattr(entry.obj, "reads", ())),
        "parameters": [_parameter(param) for param in entry.obj.params.values()],
        "schema": entry.obj.json_schema(),
    }


def _parameter(param: Any) -> dict[str, Any]:
    condition = " and ".join(f"{key} in {', '.join(map(str, values))}" for key, values in param.when.items())
    return {
        "parameter": param.name,
        "default": param.default,
        "searched": param.domain().describe(),
        "only_if": condition,
        "meaning": param.doc,
        "source": param.source,
    }


def _print_card(entry: Entry) -> None:
    details = _details(entry)
    say(f"{entry.kind} {entry.name}, from {entry.plugin} ({entry.distribution} {entry.version})")
    if not details:
        print_paragraph(entry.description)
        return
    card = details["card"]
    cited = ", ".join(str(card[key]) for key in ("authors", "year") if key in card)
    arxiv = f"arXiv {card['arxiv']}" if "arxiv" in card else ""
    print_paragraph(". ".join(part for part in (card["title"], cited, arxiv, card.get("code", "")) if part))
    say()
    for key in ("summary", "use_when", "cost", "differences"):
        if key in card:
            print_paragraph(card[key], f"{key.replace('_', ' '):<13}")
    if details["reads"]:
        print_paragraph(", ".join(details["reads"]), f"{'slots':<13}")
    if details["parameters"]:
        say()
        print_table([_parameter_row(row) for row in details["parameters"]], _PARAMETER_COLUMNS)


def _parameter_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Put into one text what a card says of a parameter beside its values."""
    condition = f" Only if {row['only_if']}." if row["only_if"] else ""
    source = f" ({row['source'].rstrip('.')})" if row["source"] else ""
    searched = "no" if row["searched"].startswith("= ") else row["searched"]
    return {**row, "searched": searched, "meaning": f"{row['meaning']}{condition}{source}"}
