"""Write the parts of the documentation that come from the program: docs/cli.md and the picture of the README.

python docs/generate.py              docs/cli.md; a test compares it with what this writes
python docs/generate.py --picture    docs/images/contact_sheet.png as well
"""

from __future__ import annotations

import inspect
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import automix
from automix.cli.app import _main
from automix.cli.context import App
from automix.manager import PluginHost

DOCS = Path(__file__).parent
_PICTURE = DOCS / "images" / "contact_sheet.png"
_HEADER = """\
# The command line

Every command and option. This page is written by `python docs/generate.py` from the program itself; `automix COMMAND
--help` says the same. Results are printed to standard output, warnings and errors to standard error.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | `automix check` found a claim that does not hold, `automix doctor` something that must be repaired |
| 2 | a mistake in what was asked: one line says what was expected, what was got, where, and what to do |
| 130 | stopped by Ctrl-C or a signal; the same command goes on |
"""


def cli_page() -> str:
    """Return docs/cli.md."""
    root = typer.main.get_command(_main)
    context = root.make_context("automix", [], resilient_parsing=True)
    context.obj = App()
    context.obj.host = PluginHost()  # without plugins: they may add commands, but this page is about automix
    sections = [_section("automix", root), *_sections(root, context, "automix")]
    return "\n".join([_HEADER, *sections])


def _sections(group: Any, context: Any, path: str) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield _section(f"{path} {name}", command)
        if hasattr(command, "list_commands"):
            yield from _sections(command, context, f"{path} {name}")


def _section(path: str, command: Any) -> str:
    lines = [f"## `{path}{_arguments(command)}`", "", inspect.cleandoc(command.help), ""]
    rows = [_row(param) for param in command.params if param.name != "help"]
    if rows:
        lines += ["| option | meaning | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _arguments(command: Any) -> str:
    return "".join(f" {param.name.upper()}" for param in command.params if param.param_type_name == "argument")


def _row(param: Any) -> str:
    is_argument = param.param_type_name == "argument"
    name = param.name.upper() if is_argument else ", ".join(param.opts)
    variable = f" Environment: `{param.envvar}`." if param.envvar else ""
    return f"| `{name}` | {(param.help + variable).replace('|', '/')} | {_default(param)} |"


def _default(param: Any) -> str:
    if param.required:
        return "needed"
    if isinstance(param.default, bool):
        return "on" if param.default else "off"
    return "" if param.default in (None, "", ()) else f"`{param.default}`"


def draw_picture() -> None:
    """Draw docs/images/contact_sheet.png from scikit-learn's digits."""
    methods = ("mixup", "cutmix", "resizemix", "fmix", "gridmix", "smoothmix", "saliencymix", "between_class")
    with tempfile.TemporaryDirectory() as work:
        # Enlarged from 8 px, at which boxes and masks would hardly be seen.
        _PICTURE.write_bytes(automix.preview("digits", methods=methods, pairs=7, work=work, image_size=32))


if __name__ == "__main__":
    (DOCS / "cli.md").write_text(cli_page(), encoding="utf-8")
    if "--picture" in sys.argv:
        draw_picture()
