"""How every figure of the report looks: colours by method, one layout that also fits a phone."""

from __future__ import annotations

from typing import Any

from plotly.graph_objects import Figure

from automix.report.model import StudyReport

__all__ = ["ACCENT", "BAD", "GOOD", "INK", "SOFT", "colours", "figure", "translucent"]

INK, SOFT, LINE = "#1c2630", "#5d6a76", "#dfe4e9"
ACCENT, GOOD, BAD = "#2f6db3", "#3d8b5c", "#b5485d"
# Hues that stay apart also in print; black is no mixing.
_PALETTE = (
    "#2f6db3",
    "#e08a3c",
    "#3d8b5c",
    "#b5485d",
    "#7d6bb0",
    "#8c6d46",
    "#d277a5",
    "#6f7d8c",
    "#a89a22",
    "#2f9aa8",
    "#6b8f1a",
    "#8a2f7d",
    "#c46a4a",
    "#4a4e9c",
)
_FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif"


def colours(report: StudyReport) -> dict[str, str]:
    """Give each method a colour that depends on nothing but which methods there are."""
    mixing = sorted(set(report.methods) - {"none"})
    return {"none": INK, **{name: _PALETTE[i % len(_PALETTE)] for i, name in enumerate(mixing)}}


def translucent(colour: str, opacity: float) -> str:
    """Turn "#rrggbb" into a colour that lets others through."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def figure(*, x: str = "", y: str = "", height: int = 440, legend: bool = True, **layout: Any) -> Figure:
    """Start a figure.

    Args:
        x: title of the horizontal axis.
        y: title of the vertical axis.
        height: in pixels; the width follows the window.
        legend: whether traces are named below the plot.
        layout: anything else of plotly's layout.
    """
    axis = {"gridcolor": LINE, "zeroline": False, "linecolor": SOFT, "automargin": True, "fixedrange": True}
    made = Figure()
    made.update_layout(
        template="none",
        font={"family": _FONT, "size": 12, "color": INK},
        height=height,
        margin={"l": 8, "r": 12, "t": 12, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="closest",
        hoverlabel={"align": "left", "bgcolor": "white", "font": {"color": INK}},
        dragmode=False,
        showlegend=legend,
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "font": {"size": 11}},
        xaxis={**axis, "title": {"text": x, "standoff": 8}},
        yaxis={**axis, "title": {"text": y, "standoff": 8}},
    )
    made.update_layout(**layout)
    return made
