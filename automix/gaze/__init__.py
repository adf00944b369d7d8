"""What people looked at, and whether a policy's labels agree with it.

The number computed here is a working definition of image-label inconsistency; `automix.gaze.metric` says which. It is
not the exact metric of the TdAttenMix paper, which was not published as code.
"""

from __future__ import annotations

from automix.gaze.aligned import AlignedGaze, align
from automix.gaze.formats import open_gaze
from automix.gaze.measure import Measured, compare, measure
from automix.gaze.record import GazeRecord, GazeTable
from automix.gaze.results import write_results

__all__ = [
    "AlignedGaze",
    "GazeRecord",
    "GazeTable",
    "Measured",
    "align",
    "compare",
    "measure",
    "open_gaze",
    "write_results",
]
