"""What every command needs: the global options, the plugin host, and how to print."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automix.cli.table import Column, columns_of, render_table, terminal_width

if TYPE_CHECKING:
    from automix.manager import PluginHost

__all__ = [
    "DEFAULT_WORK",
    "App",
    "JsonOption",
    "WorkOption",
    "app_of",
    "print_json",
    "print_paragraph",
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
    """Print data as JSON for another program; numbers that JSON cannot hold become null."""
    typer.echo(json.dumps(_plain(data), indent=2, default=str))


def print_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[Column] | None = None, *, texts: Sequence[str] = ()
) -> None:
    """Print rows as a table that fits the terminal; one line per row where the output goes elsewhere.

    Args:
        rows: one mapping per row.
        columns: what to show; every key of the first row by default.
        texts: keys whose text may be folded, where ``columns`` are not given.
    """
    if rows:
        typer.echo(render_table(rows, columns or columns_of(rows, *texts), terminal_width()))


def print_paragraph(text: str, label: str = "") -> None:
    """Print text behind a label, folded to the terminal and aligned."""
    width = terminal_width()
    lines = [text] if width is None else textwrap.wrap(text, max(20, width - len(label)), break_on_hyphens=False)
    typer.echo("\n".join((label if i == 0 else " " * len(label)) + line for i, line in enumerate(lines or [""])))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
