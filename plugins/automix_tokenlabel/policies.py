"""The two papers' recipes, as far as they are mixing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["TL_ALIGN_PAPER", "TRANSMIX_PAPER"]

_SCHEMA = "automix.policy/1"
# timm's Mixup, from which both codes come: one draw per batch, partners in reverse order.
_BATCH: Mapping[str, Any] = {"prob": 1.0, "draw_unit": "batch"}
_PARTNERS: Mapping[str, Any] = {"name": "reverse"}

# Switching at 0.8 as in the configuration of DeiT-B; that of DeiT-S spells the key with hyphens, which the script does
# not read, so it ran with 0.5.
TRANSMIX_PAPER: Mapping[str, Any] = {
    "schema": _SCHEMA,
    "name": "transmix_paper",
    "branches": [
        {
            "weight": 0.8,
            "mixer": {"name": "cutmix", **_BATCH},
            "ratio": {"name": "beta", "alpha": 1.0},
            "pairing": _PARTNERS,
            "labels": {"name": "transmix"},
        },
        {
            "weight": 0.2,
            "mixer": {"name": "mixup", **_BATCH},
            "ratio": {"name": "beta", "alpha": 0.8},
            "pairing": _PARTNERS,
        },
    ],
    "label_smoothing": 0.1,
}

# 14 patches along a side of 224 pixels; a search counts those of its own model.
TL_ALIGN_PAPER: Mapping[str, Any] = {
    "schema": _SCHEMA,
    "name": "tl_align_paper",
    "branches": [
        {
            "mixer": {"name": "cutmix", "box_grid": 14, **_BATCH},
            "ratio": {"name": "beta", "alpha": 1.0},
            "pairing": _PARTNERS,
            "labels": {"name": "tl_align"},
        }
    ],
    "label_smoothing": 0.1,
}
