"""``automix compare``: two studies side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automix.cli.context import DEFAULT_WORK, JsonOption, WorkOption, print_json, print_paragraph, print_table, say
from automix.cli.ranking import print_ranking

if TYPE_CHECKING:
    from automix.comparing import Side

app = typer.Typer(add_completion=False)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="Study.")],
    second: Annotated[str, typer.Argument(help="Another study of the same work folder.")],
    work: WorkOption = DEFAULT_WORK,
    limit: Annotated[int, typer.Option("--limit", help="Rows of each ranking.")] = 5,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="PNG for the curves; compare-FIRST-SECOND.png by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what two studies are about, what they found, how their best policies differ, and their curves."""
    from automix.comparing import draw_comparison, side_of
    from automix.errors import SettingError

    sides = [side_of(work, name) for name in (first, second)]
    names = [side.config.name for side in sides]
    file = picture or Path(f"compare-{'-'.join(names)}.png")
    try:
        file.write_bytes(draw_comparison(sides))
    except OSError as err:
        raise SettingError(f"Cannot write the picture {str(file)!r}: {err.strerror} (--picture).") from err
    if as_json:
        print_json(_data(sides, file))
        return
    columns = [side.facts() for side in sides]
    print_table([{"": row, **{n: column[row] for n, column in zip(names, columns, strict=True)}} for row in columns[0]])
    for side in sides:
        say()
        say(side.config.name)
        print_ranking(side.result.leaderboard, side.result.goal, limit)
        if side.finding:
            print_paragraph(side.finding)
    _show_differences(sides)
    say()
    say(f"Curves: {file.resolve()}")


def _show_differences(sides: list[Side]) -> None:
    differences = _differences(sides)
    if differences is None:
        return
    say()
    names = [side.config.name for side in sides]
    if differences:
        say("The best policies differ in:")
        print_table([dict(zip(("", *names), map(_text, row), strict=True)) for row in differences])
    else:
        say("The best policies are the same.")


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _differences(sides: list[Side]) -> list[tuple[str, Any, Any]] | None:
    """Return what the best policies differ in; None where one study has none yet."""
    from automix.comparing import policy_differences

    ours, theirs = (side.best for side in sides)
    return None if ours is None or theirs is None else policy_differences(ours, theirs)


def _data(sides: list[Side], file: Path) -> dict[str, Any]:
    from dataclasses import asdict

    rows = {side.config.name: [asdict(row) for row in side.result.leaderboard] for side in sides}
    return {
        "studies": {side.config.name: {**side.facts(), "finding": side.finding} for side in sides},
        "leaderboards": rows,
        "differences": _differences(sides),
        "picture": str(file.resolve()),
    }
