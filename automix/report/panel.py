"""What a panel of the report is: a question, and a function from a study to figures, a caption and a table."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automix.report.model import StudyReport

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from automix.report.gallery import Strip

__all__ = ["NothingToShow", "Panel", "Picture", "Table", "View", "points", "safe", "wrapped"]


class NothingToShow(Exception):  # noqa: N818  # an outcome, not an error: the panel says why it is empty
    """The study lacks what a panel shows; the message says what, in a sentence."""


@dataclass(frozen=True)
class Table:
    """The numbers behind a picture, for those who cannot see it and those who want them.

    Args:
        columns: heads.
        rows: cells, as text.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A figure.

    Args:
        figure: of plotly.
        alt: what is to be seen, in a sentence, for those who cannot.
        title: stands above it; empty where the panel's title is enough.
        min_width: in pixels, where several may stand side by side; 0 for the full width.
    """

    figure: Figure
    alt: str
    title: str = ""
    min_width: int = 0


@dataclass(frozen=True)
class View:
    """What a panel shows of a study.

    Args:
        caption: how to read it, and what it shows here.
        pictures: one after the other.
        table: the numbers.
        strips: pictures with a slider instead of figures.
    """

    caption: str
    pictures: Sequence[Picture] = ()
    table: Table | None = None
    strips: Sequence[Strip] = ()


@dataclass(frozen=True)
class Panel:
    """A part of the report.

    Args:
        key: names it in links and logs.
        title: the head.
        draw: makes the view; raises `NothingToShow` where the study lacks what it needs.
    """

    key: str
    title: str
    draw: Callable[[StudyReport], View]


def safe(text: str) -> str:
    """Make text from outside harmless for plotly, which reads some HTML in every label and ``%{...}`` in some."""
    return html.escape(text, quote=False).replace("%{", "% {")


def wrapped(text: str, width: int = 26) -> str:
    """Break a label into lines, and make it harmless."""
    return "<br>".join(map(safe, textwrap.wrap(text, width) or [""]))


def points(value: float) -> str:
    """Write a difference of shares in percentage points."""
    return f"{100 * value:+.2f}"
