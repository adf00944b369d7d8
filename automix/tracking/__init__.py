"""Tracking of studies in MLflow, for looking at and comparing; nothing here decides what happens next.

MLflow itself is imported only when a `Tracker` is used.
"""

from automix.tracking.client import artifact_root, tracking_uri
from automix.tracking.tracker import RunId, Tracker
from automix.tracking.views import short_names_distinct

__all__ = ["RunId", "Tracker", "artifact_root", "short_names_distinct", "tracking_uri"]
