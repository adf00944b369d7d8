"""What every command needs: the global options, the plugin host, and how to print."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from automix.manager import PluginHost

__all__ = [
    "DEFAULT_WORK",
    "App",
    "JsonOption",
    "WorkOption",
    "app_of",
    "print_json",
    "print_table",
    "say",
    "split_names",
    "warn",
]

DEFAULT_WORK = Path("automix-work")

WorkOption = Annotated[
    Path, typer.Option("--work", envvar="AUTOMIX_WORK", help="Work folder: databases, data cache, studies.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@dataclass
class App:
    """Global options of one call.

    Args:
        debug: whether a user's mistake shows a traceback.
    """

    debug: bool = False
    _told: set[str] = field(default_factory=set)

    @cached_property
    def host(self) -> PluginHost:
        """The plugin host; what is wrong with plugins is told once, on the error stream."""
        from automix.manager import build_host

        host = build_host()
        self.tell_problems(host)
        return host

    def tell_problems(self, host: PluginHost) -> None:
        """Print the host's problems that were not printed yet."""
        for problem in host.problems:
            if problem not in self._told:
                self._told.add(problem)
                warn(problem)


def app_of(context: typer.Context) -> App:
    """Return the options that the main callback stored."""
    app: App = context.find_root().obj
    return app


def split_names(text: str | None) -> tuple[str, ...]:
    """Split ``a, b`` into names."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


def say(text: str = "") -> None:
    """Print a line of result."""
    typer.echo(text)


def warn(text: str) -> None:
    """Print a line beside the result."""
    typer.echo(f"automix: warning: {text}", err=True)


def print_json(data: Any) -> None:
    """Print data as JSON for another program."""
    typer.echo(json.dumps(data, indent=2, default=str))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None, title: str = "") -> None:
    """Print rows as a table that fits the terminal; plain, unfolded columns where it is not a terminal.

    Args:
        rows: one mapping per row.
        columns: keys to show, in order; those of the first row by default.
        title: a line above.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    shown = list(columns or (rows[0] if rows else ()))
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in shown:
        numeric = bool(rows) and all(isinstance(row.get(column), (int, float, type(None))) for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in shown))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)
