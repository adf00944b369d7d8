"""``automix zoo``: policies that won in earlier searches, and files that carry them to other machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automix.cli.context import DEFAULT_WORK, JsonOption, WorkOption, print_json, print_table, say
from automix.cli.table import Column

if TYPE_CHECKING:
    from automix.storage import Store
    from automix.zoo.winners import Winner

app = typer.Typer(no_args_is_help=True, add_completion=False)

_COLUMNS = (
    Column("policy", "policy", is_text=True),
    Column("points", "to none", is_number=True),
    Column("top1", "val top-1 %", is_number=True, spare=2),
    Column("data", "data"),
    Column("images", "images", is_number=True, spare=4),
    Column("model", "model", spare=3),
    Column("epochs", "epochs", is_number=True, spare=3),
    Column("finding", "verdict"),
    Column("study", "study", spare=1),
    Column("source", "imported from"),
)


@app.command("list")
def list_winners(work: WorkOption = DEFAULT_WORK, as_json: JsonOption = False) -> None:
    """Show which policies did better than no mixing, in the work folder's studies and in imported ones.

    A new search on data like these tries the nearest of them first.
    """
    from automix.zoo.winners import all_winners

    with _store(work) as store:
        rows = [_row(winner) for winner in all_winners(store)]
    if as_json:
        print_json(rows)
    elif rows:
        print_table([_shown(row) for row in rows], _COLUMNS)
    else:
        say(f"No study in {str(work)!r} has found a policy that is better than no mixing yet.")


@app.command("export")
def export_winners(
    file: Annotated[Path, typer.Argument(help="Zoo file to write (JSON).")],
    work: WorkOption = DEFAULT_WORK,
    as_json: JsonOption = False,
) -> None:
    """Write those policies to a file, with the meta-features of their data sets; no images, paths or class names."""
    from automix.zoo.exchange import export_zoo

    with _store(work) as store:
        zoo = export_zoo(store, file)
    if as_json:
        print_json({"file": str(file), "policies": len(zoo.entries), "data_sets": len(zoo.data_sets)})
    else:
        say(f"Policies: {len(zoo.entries)}, on {len(zoo.data_sets)} data sets, written to {file}.")


@app.command("import")
def import_winners(
    file: Annotated[Path, typer.Argument(help="Zoo file to read; it may come from a stranger.")],
    work: WorkOption = DEFAULT_WORK,
    as_json: JsonOption = False,
) -> None:
    """Add the policies of a zoo file to the work folder's memory; doing it again changes nothing."""
    from dataclasses import asdict

    from automix.zoo.exchange import import_zoo

    with _store(work) as store:
        imported = import_zoo(store, file)
    if as_json:
        print_json({"file": str(file), **asdict(imported)})
        return
    known = f", {imported.known} known already" if imported.known else ""
    own = f", {imported.own} from this work folder's own studies" if imported.own else ""
    say(f"Policies from {file}: {imported.new} new{known}{own}.")


@contextmanager
def _store(work: Path) -> Iterator[Store]:
    from automix.storage import Store

    store = Store(work / "automix.db")
    try:
        yield store
    finally:
        store.close()


def _row(winner: Winner) -> dict[str, Any]:
    entry = winner.entry
    return {
        "policy": entry.policy.title(),
        "policy_key": entry.policy.key(),
        "gain": entry.gain,
        "val_top1": entry.val_top1,
        "data": winner.data.name,
        "content_hash": entry.data,
        "n_train": winner.data.meta_features.get("n_train"),
        "model": entry.model,
        "epochs": entry.epochs,
        "finding": entry.finding,
        "study": entry.study,
        "imported_from": winner.source,
        "document": entry.policy.to_dict(),
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: row[key] for key in ("policy", "data", "model", "epochs", "finding", "study")},
        "points": f"{100 * row['gain']:+.2f}",
        "top1": f"{100 * row['val_top1']:.2f}",
        "images": None if row["n_train"] is None else round(row["n_train"]),
        "source": row["imported_from"],
    }
