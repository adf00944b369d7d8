"""The report: one HTML file that needs no network."""

from __future__ import annotations

import base64
from statistics import mean

from jinja2 import Environment, PackageLoader, StrictUndefined

from automix import __version__
from automix.report.model import StudyReport
from automix.report.plots import PLOTS, draw_svg, fresh_seeds

__all__ = ["render_report"]


def render_report(report: StudyReport) -> str:
    """Render a study as one self-contained HTML page.

    Names of classes, files and plugins come from outside: everything is escaped but the plots, which are drawn here.
    """
    environment = Environment(
        loader=PackageLoader("automix.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["average"] = mean
    environment.filters["percent"] = lambda value: "" if value is None else f"{100 * value:.2f}"
    environment.filters["points"] = lambda value: "" if value is None else f"{100 * value:+.2f}"
    environment.filters["number"] = lambda value: f"{value:.4g}" if isinstance(value, float) else str(value)
    return environment.get_template("report.html.j2").render(
        report=report,
        version=__version__,
        verdict_plot="" if report.verdict is None else draw_svg(report, fresh_seeds),
        plots=[(title, draw_svg(report, plot)) for _, title, plot in PLOTS] if report.trials else [],
        images={label: base64.b64encode(png).decode() for label, png in report.images.items()},
    )
