"""Tables as plain text that fits the terminal: numbers stay whole, text is folded, spare columns are left out."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Column", "columns_of", "render_table", "terminal_width"]

_GAP = "  "
_MIN_TEXT_WIDTH = 30


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        key: of the rows' mappings.
        title: its heading.
        is_number: aligned to the right.
        is_text: may be folded into several lines where the terminal is narrow.
        spare: left out of a terminal that is too narrow, the highest number first; 0 is never left out.
    """

    key: str
    title: str
    is_number: bool = False
    is_text: bool = False
    spare: int = 0


def terminal_width() -> int | None:
    """Return the columns of the terminal; None where the output goes elsewhere and COLUMNS does not say."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return shutil.get_terminal_size().columns
    return None


def columns_of(rows: Sequence[Mapping[str, Any]], *texts: str) -> list[Column]:
    """Make a column of each key of the first row; ``texts`` are those that may be folded."""
    return [
        Column(
            key,
            key.replace("_", " "),
            is_number=all(isinstance(row.get(key), (int, float, type(None))) for row in rows),
            is_text=key in texts,
        )
        for key in (rows[0] if rows else ())
    ]


def render_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], width: int | None = None) -> str:
    """Lay out rows as text.

    Columns without any value are not shown.

    Args:
        rows: one mapping per row; None is an empty cell.
        columns: in order.
        width: to fit into; None for as wide as needed, without folding.

    Returns:
        Lines without trailing blanks. Where even folded text is too wide, lines run over.

    Example:
        >>> print(render_table([{"name": "a", "n": 12}], [Column("name", "name"), Column("n", "n", is_number=True)]))
        name   n
        ────  ──
        a     12
    """
    cells = [{column.key: _text(row.get(column.key)) for column in columns} for row in rows]
    shown = [column for column in columns if any(cell[column.key] for cell in cells)]
    widths = {c.key: max([len(c.title), *(len(cell[c.key]) for cell in cells)]) for c in shown}
    if width is not None:
        _squeeze(shown, widths, width)
    lines = [_line([column.title for column in shown], shown, widths)]
    lines.append(_GAP.join("─" * widths[column.key] for column in shown))
    for cell in cells:
        folded = [_fold(cell[column.key], widths[column.key], column) for column in shown]
        height = max(map(len, folded), default=0)
        lines += [_line([part[i] if i < len(part) else "" for part in folded], shown, widths) for i in range(height)]
    return "\n".join(lines)


def _squeeze(shown: list[Column], widths: dict[str, int], width: int) -> None:
    """Fold text, then leave out columns, until a line fits."""

    def excess() -> int:
        return sum(widths[column.key] for column in shown) + len(_GAP) * (len(shown) - 1) - width

    def room() -> int:
        return sum(max(0, widths[column.key] - _MIN_TEXT_WIDTH) for column in shown if column.is_text)

    while excess() > room() and any(column.spare for column in shown):
        shown.remove(max(shown, key=lambda column: column.spare))
    while excess() > 0 and room() > 0:
        widest = max((column for column in shown if column.is_text), key=lambda column: widths[column.key])
        widths[widest.key] -= 1


def _fold(text: str, width: int, column: Column) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False) if column.is_text else [text]


def _line(parts: Sequence[str], columns: Sequence[Column], widths: Mapping[str, int]) -> str:
    placed = (
        part.rjust(widths[column.key]) if column.is_number else part.ljust(widths[column.key])
        for part, column in zip(parts, columns, strict=True)
    )
    return _GAP.join(placed).rstrip()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return " ".join(str(value).split())
