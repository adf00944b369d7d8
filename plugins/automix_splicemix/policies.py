"""The two settings of the official code that have names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["MINI", "PAPER"]

_SCHEMA = "automix.policy/1"

# What the mixer does where nothing is set.
PAPER: Mapping[str, Any] = {
    "schema": _SCHEMA,
    "name": "splicemix_paper",
    "branches": [{"mixer": {"name": "splicemix"}}],
}

# The released function for this setting raises for every batch size; its intention is one grid without drop or swap.
MINI: Mapping[str, Any] = {
    "schema": _SCHEMA,
    "name": "splicemix_mini",
    "branches": [{"mixer": {"name": "splicemix", "grids": "2x2", "swap_orientation": False}}],
}
