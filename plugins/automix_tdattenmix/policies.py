"""The whole recipe of TdAttenMix as a policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["TDATTENMIX_PAPER"]

# The scripts of morning12138/TdAttenMix: switch_prob 0.5, mixup alpha 0.8, side ratios 0.25 to 0.75, smoothing 0.1. Its
# label weights are per sample here; the released batch-wide ones are `lam_mode: batch_official`.
TDATTENMIX_PAPER: Mapping[str, Any] = {
    "schema": "automix.policy/1",
    "name": "tdattenmix_paper",
    "branches": [
        {
            "weight": 0.5,
            "mixer": {"name": "tdattenmix", "draw_unit": "batch"},
            "pairing": {"name": "reverse"},
            "guide": {"name": "top_down"},
        },
        {
            "weight": 0.5,
            "mixer": {"name": "mixup", "draw_unit": "batch"},
            "ratio": {"name": "beta", "alpha": 0.8},
            "pairing": {"name": "reverse"},
        },
    ],
    "label_smoothing": 0.1,
}
