"""The same pairs of images at any lam, under every method; a slider picks it."""

from __future__ import annotations

from automix.report.model import StudyReport
from automix.report.panel import NothingToShow, Table, View

__all__ = ["gallery"]


def gallery(report: StudyReport) -> View:
    """Show the strips that `automix.report.gallery` prepared."""
    if not report.strips:
        raise NothingToShow("There are no pairs of images to show.")
    rows = [
        [strip.name, f"{step.asked:.1f}", f"{step.pixels:.2f}", f"{step.label:.2f}"]
        for strip in report.strips
        for step in strip.steps
    ]
    caption = (
        "The same pairs under every method, at the lam of the slider: 1 is the image itself, 0 its partner. The bar "
        "below an image is its label: blue its own class, orange its partner's. Do you still see what the label claims?"
    )
    return View(caption, table=Table(["method", "lam", "pixel share", "label weight"], rows), strips=report.strips)
