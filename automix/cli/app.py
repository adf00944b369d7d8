"""The `automix` command: global options, the list of commands, and what happens to errors."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from automix import __version__
from automix.cli.context import App
from automix.discovery import ENV_ALLOW, ENV_BLOCK
from automix.errors import AutomixError, unknown_name

__all__ = ["main"]

# Command -> what `automix --help` says of it. The module of that name is imported when the command is called.
_COMMANDS = {
    "search": "Find the mixing policy that helps your images, or that none does.",
    "resume": "Go on with a study by its name.",
    "confirm": "Train a search's policies on fresh seeds, or on more of them.",
    "status": "Show how a search is getting on, from any terminal.",
    "leaderboard": "Show a study's ranking.",
    "compare": "Show two studies side by side.",
    "preview": "Draw your own images under every method.",
    "gaze": "Hold the labels of policies against where people looked.",
    "methods": "List what is registered, or show one method's card.",
    "policy": "Show or validate a policy file.",
    "zoo": "Policies that won in earlier searches: list them, hand them on.",
    "plugins": "List plugins, or write a new one.",
    "check": "Hold a plugin's mixers against the conformance kit.",
    "doctor": "Find what goes wrong silently, and say what to do.",
    "ui": "Open MLflow's interface on the work folder's store.",
    "worker": "Run one more worker of a study.",
}
_EXIT_MISTAKE = 2
_EXIT_INTERRUPTED = 130
_DEBUG = "--debug"


class _Commands(TyperGroup):
    """Built-in commands by module, and those that plugins register, loaded when they are needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the built-in commands in the order above, then the plugins'."""
        return [*_COMMANDS, *sorted(set(_app(ctx).host.registry.names("command")) - set(_COMMANDS))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command's module, or ask the plugins."""
        if cmd_name in _COMMANDS:
            module = importlib.import_module(f"automix.cli.{cmd_name}")
            command = typer.main.get_command(module.app)
            command.name, command.short_help = cmd_name, _COMMANDS[cmd_name]
            command.help = command.help or _COMMANDS[cmd_name]
            return command
        registry = _app(ctx).host.registry
        if cmd_name in registry.names("command"):
            return typer.main.get_command(registry.get("command", cmd_name).obj)
        raise unknown_name("command", cmd_name, self.list_commands(ctx))


def _app(ctx: Any) -> App:
    """Return the global options, also while --help is answered before the callback ran."""
    root = ctx.find_root()
    if root.obj is None:
        root.obj = App()
    options: App = root.obj
    return options


_main = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"automix {__version__}")
        raise typer.Exit


@_main.callback()
def _callback(
    context: typer.Context,
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show tracebacks.")] = False,
    block: Annotated[
        str | None, typer.Option("--block-plugins", metavar="NAMES", help="Plugins not to load, comma separated.")
    ] = None,
    allow: Annotated[
        str | None, typer.Option("--allow-plugins", metavar="NAMES", help="Load only these plugins.")
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find out which sample-mixing policy helps your image data set, or that none does."""
    # By environment, so that the workers of a search load the same plugins.
    for variable, names in ((ENV_BLOCK, block), (ENV_ALLOW, allow)):
        if names is not None:
            os.environ[variable] = ",".join(filter(None, (os.environ.get(variable), names)))
    context.obj = App(debug=debug)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line.

    Exits with 0 for success, 2 for a user's mistake (one line on the error stream, a traceback only with ``--debug``),
    130 when interrupted; `automix check` has 1 for a claim that does not hold.
    """
    given = sys.argv[1:] if arguments is None else arguments
    is_debug = _DEBUG in given
    try:
        # Wherever it stands: people add it to the end of the command that went wrong.
        ordered = [_DEBUG] * is_debug + [part for part in given if part != _DEBUG]
        code = _main(args=ordered, prog_name="automix", standalone_mode=False)
    except typer.TyperException as err:  # an option or argument that the parser refuses; empty after a page of help
        message = err.format_message()
        sys.exit(_refuse(message, is_debug) if message else _EXIT_MISTAKE)
    except AutomixError as err:
        sys.exit(_refuse(str(err), is_debug))
    if code == _EXIT_INTERRUPTED:
        typer.echo("automix: interrupted. The same command goes on from what is saved.", err=True)
    sys.exit(code)


def _refuse(message: str, is_debug: bool) -> int:
    if is_debug:
        traceback.print_exc()
    typer.echo(f"automix: error: {' '.join(message.split())}", err=True)
    return _EXIT_MISTAKE
