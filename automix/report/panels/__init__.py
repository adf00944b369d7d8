"""The panels of the report, one module each, in the order in which they tell the story."""

from __future__ import annotations

from collections.abc import Sequence

from automix.report.panel import Panel
from automix.report.panels.classes import classes
from automix.report.panels.cost import cost
from automix.report.panels.curves import curves
from automix.report.panels.fresh_seeds import fresh_seeds
from automix.report.panels.gallery import gallery
from automix.report.panels.history import history
from automix.report.panels.importance import importance
from automix.report.panels.lams import lams
from automix.report.panels.methods import methods
from automix.report.panels.parallel import parallel
from automix.report.panels.rungs import rungs

__all__ = ["PANELS"]

PANELS: Sequence[Panel] = (
    Panel("seeds", "On fresh seeds", fresh_seeds),
    Panel("classes", "Which classes gain", classes),
    Panel("history", "The search over time", history),
    Panel("methods", "Every trial by method", methods),
    Panel("curves", "Learning curves", curves),
    Panel("rungs", "Does an early result tell the end?", rungs),
    Panel("importance", "What mattered", importance),
    Panel("parallel", "The settings of each method", parallel),
    Panel("cost", "Accuracy against cost", cost),
    Panel("lam", "Lam asked for and lam that came out", lams),
    Panel("gallery", "What the images look like", gallery),
)
