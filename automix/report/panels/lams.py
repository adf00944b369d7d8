"""Lam asked for against what came of it: clipping, dropped rows and rules that weigh labels anew become visible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plotly.graph_objects import Figure, Scatter

from automix.report.model import StudyReport
from automix.report.panel import NothingToShow, Picture, Table, View
from automix.report.style import ACCENT, SOFT, figure, translucent

if TYPE_CHECKING:
    from automix.report.lams import LamSample

__all__ = ["lams"]

_WIDTH = 165


def lams(report: StudyReport) -> View:
    """Draw, for each policy, the ratio that was drawn against the share of pixels and the label weight."""
    if not report.lams:
        raise NothingToShow("No policy of this study draws a mixing ratio.")
    pictures = [
        Picture(_panel(sample), f"Lam asked for, pixel share and label weight of {sample.name}.", sample.name, _WIDTH)
        for sample in report.lams
    ]
    rows = [
        [
            sample.name,
            *(f"{part.mean():.2f}" for part in (sample.asked, sample.pixels, sample.labels)),
            f"{abs(sample.pixels - sample.asked).mean():.3f}",
            f"{abs(sample.labels - sample.pixels).mean():.3f}",
        ]
        for sample in report.lams
    ]
    head = ["policy", "mean asked", "mean pixel share", "mean label weight", "|pixels - asked|", "|label - pixels|"]
    caption = (
        "Lam is the weight of an image's own half. A dot is a mixed image: on the diagonal the picture (blue) or the "
        "label (orange) holds what the ratio law asked for. Boxes that are cut at the border and sizes in whole pixels "
        "lie off it; blue and orange apart means that the label says something else than the picture. Drawn with every "
        "image mixed, whatever the policy's probability."
    )
    return View(caption, pictures, Table(head, rows))


def _panel(sample: LamSample) -> Figure:
    made = figure(x="asked for", y="came out", height=215, legend=False)
    made.add_shape(type="line", x0=0, x1=1, y0=0, y1=1, line={"color": SOFT, "width": 1, "dash": "dash"})
    for name, values, colour in (("pixels", sample.pixels, ACCENT), ("label", sample.labels, "#e08a3c")):
        made.add_trace(
            Scatter(
                x=sample.asked,
                y=values,
                mode="markers",
                name=name,
                marker={
                    "color": translucent(colour, 0.55),
                    "size": 6 if name == "pixels" else 3,
                },
                hovertemplate=f"asked %{{x:.2f}}, {name} %{{y:.2f}}<extra></extra>",
            )
        )
    made.update_xaxes(range=[-0.03, 1.03])
    made.update_yaxes(range=[-0.03, 1.03])
    return made
