"""Tables that benchmarks print and write into the documentation."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["machine", "rows", "table", "write_between"]


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return rows([head, ["---"] * len(head), *body])


def rows(body: Iterable[Sequence[str]]) -> list[str]:
    """Return lines of a Markdown table, without a head."""
    return [f"| {' | '.join(cells)} |" for cells in body]


def write_between(page: Path, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- end of name -->``.

    Raises:
        ValueError: the page has no such marks.
    """
    text = page.read_text(encoding="utf-8")
    first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(first)
    _, ended, after = rest.partition(last)
    if not (found and ended):
        raise ValueError(f"Expected {first} and {last} in {page}.")
    page.write_text("\n".join([before + first, *lines, last + after]), encoding="utf-8")


def machine() -> str:
    """Say when and on what: date, processor, cores."""
    import os

    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2] for line in info.read_text().splitlines() if line.startswith("model name")]
    name = names[0].strip() if names else platform.processor() or platform.machine()
    return f"{datetime.now(UTC).date().isoformat()}, {name}, {os.cpu_count()} cores"
