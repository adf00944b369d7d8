"""The report: one HTML file that needs no network and says the verdict first."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from automix import __version__
from automix.report.model import StudyReport
from automix.report.panel import NothingToShow, Panel, View
from automix.report.panels import PANELS

__all__ = ["render_report"]

_log = logging.getLogger(__name__)
_BEFORE_THE_POLICY = "seeds"
_SHOWN_ROWS = 25


@dataclass(frozen=True)
class _Drawn:
    """A panel as the page shows it: with a view, or with the reason why there is none."""

    panel: Panel
    view: View | None = None
    reason: str = ""


def render_report(report: StudyReport, panels: Sequence[Panel] = PANELS) -> str:
    """Render a study as one self-contained HTML page.

    Names of classes, files and plugins come from outside: the page escapes them, and so does every figure.
    """
    drawn = [_draw(panel, report) for panel in panels]
    figures = {
        f"{one.panel.key}-{i}": picture.figure.to_plotly_json()
        for one in drawn
        if one.view is not None
        for i, picture in enumerate(one.view.pictures)
    }
    environment = Environment(
        loader=PackageLoader("automix.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value: "" if value is None else f"{100 * value:.2f}"
    environment.filters["points"] = lambda value: "" if value is None else f"{100 * value:+.2f}"
    environment.filters["number"] = lambda value: f"{value:.4g}" if isinstance(value, float) else str(value)
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    return environment.get_template("report.html.j2").render(
        report=report,
        first=[one for one in drawn if one.panel.key == _BEFORE_THE_POLICY],
        rest=[one for one in drawn if one.panel.key != _BEFORE_THE_POLICY],
        shown_rows=_SHOWN_ROWS,
        version=__version__,
        figures=to_json_plotly(figures),  # in which "<" is escaped: nothing in it can end a script element
        style=_asset("report.css"),
        script=_asset("report.js"),
        plotly=get_plotlyjs(),
    )


def _draw(panel: Panel, report: StudyReport) -> _Drawn:
    """Draw one panel; one that fails is named on the page and in the log, and costs nothing else."""
    if panel.key in report.problems:
        return _Drawn(panel, reason=f"This could not be measured: {report.problems[panel.key]}")
    try:
        return _Drawn(panel, panel.draw(report))
    except NothingToShow as reason:
        return _Drawn(panel, reason=str(reason))
    except Exception as err:  # noqa: BLE001  # a report with a gap is worth more than none
        _log.warning("The report's panel %r could not be drawn.", panel.key, exc_info=True)
        return _Drawn(panel, reason=f"This panel could not be drawn: {type(err).__name__}: {err}")


def _asset(name: str) -> str:
    return files("automix.report").joinpath("templates", name).read_text(encoding="utf-8")
