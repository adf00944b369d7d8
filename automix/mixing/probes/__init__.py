"""Look into a model while it works: attention block by block, feature maps, one clean pass for all who ask.

Everything goes by what modules have, not by their class, and timm is not imported: any model built like timm's ViT,
DeiT, Eva or Swin is served, any other is refused with the reason.
"""

from __future__ import annotations

from automix.mixing.probes.anatomy import Anatomy, anatomy
from automix.mixing.probes.attention import AttentionConsumer, BlockAttention, watch_attention
from automix.mixing.probes.check import PROBES, check_probes, missing_probes
from automix.mixing.probes.clean import CleanView, evaluating, head_map
from automix.mixing.probes.features import as_map, watch_features
from automix.mixing.probes.windows import Windows, merge_cells

__all__ = [
    "PROBES",
    "Anatomy",
    "AttentionConsumer",
    "BlockAttention",
    "CleanView",
    "Windows",
    "anatomy",
    "as_map",
    "check_probes",
    "evaluating",
    "head_map",
    "merge_cells",
    "missing_probes",
    "watch_attention",
    "watch_features",
]
