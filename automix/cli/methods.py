"""``automix methods``: everything that is registered, by kind, and the card of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from automix.cli.context import JsonOption, app_of, print_json, print_table, say

if TYPE_CHECKING:
    from automix.registry import Entry

app = typer.Typer(no_args_is_help=True)

_KINDS = ("mixer", "ratio", "pairing", "labels", "guide", "input", "policy", "data_source", "metric", "command")


@app.command("list")
def list_methods(
    context: typer.Context,
    kind: Annotated[str, typer.Option("--kind", help=f"One of {', '.join(_KINDS)}; all by default.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List mixers, ratio laws, pairings, label rules, guides, input treatments, policies and the rest."""
    options = app_of(context)
    registry = options.host.registry
    rows = [_row(entry) for one in ([kind] if kind else _KINDS) for entry in registry.entries(one)]
    options.tell_problems(options.host)
    if as_json:
        print_json(rows)
    else:
        print_table(rows)


@app.command("show")
def show_method(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A registered name, e.g. cutmix.")],
    kind: Annotated[str, typer.Option("--kind", help="Which kind is meant, where several share the name.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show a method's card: what it does, where it comes from, its parameters and their ranges."""
    from automix.errors import unknown_name

    registry = app_of(context).host.registry
    kinds = [kind] if kind else [one for one in _KINDS if name in registry.names(one)]
    if not kinds:
        known = {each for one in _KINDS for each in registry.names(one)}
        raise unknown_name("method", name, known)
    for each in kinds:
        entry = registry.get(each, name)
        if as_json:
            print_json({**_row(entry), **_details(entry)})
        else:
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
    say(f"{entry.kind} {entry.name} ({entry.origin})")
    if not details:
        say(entry.description)
        return
    card = details["card"]
    cited = ", ".join(str(card[key]) for key in ("authors", "year") if key in card)
    arxiv = f"arXiv {card['arxiv']}" if "arxiv" in card else ""
    say("  ".join(part for part in (card["title"], cited, arxiv, card.get("code", "")) if part))
    say()
    for key in ("summary", "use_when", "cost", "differences"):
        if key in card:
            say(f"{key.replace('_', ' ')}: {card[key]}")
    if details["reads"]:
        say(f"slots: {', '.join(details['reads'])}")
    if details["parameters"]:
        print_table(details["parameters"])
