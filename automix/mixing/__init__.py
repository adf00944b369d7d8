"""The mixing vocabulary: batches, plans, mixers, laws, pairings, label rules, guides, parameters and random streams.

A plugin needs nothing else from automix (and `automix.hookspecs.hookimpl`).
"""

from __future__ import annotations

from automix.mixing.artifacts import ArtifactStore, LabelledBatch, PrepareContext
from automix.mixing.batch import Batch, MixedBatch, MixPlan, PairPlan, dense_targets
from automix.mixing.buffers import Buffers
from automix.mixing.component import Card, Component
from automix.mixing.families import BlendMixer, BoxMixer, BoxPlan, MaskMixer, MaskPlan, boxes_around, random_boxes
from automix.mixing.guide import Guide
from automix.mixing.inputs import InputTreatment, StandardInput
from automix.mixing.labels import AreaLabels, Follower, LabelRule, Observed
from automix.mixing.loss import mixed_cross_entropy, soft_cross_entropy
from automix.mixing.mixer import KeepPlan, LossContext, Mixer, ModelInfo, PairMixer
from automix.mixing.pairing import (
    ClassBalancedPairing,
    DifferentClassPairing,
    Pairing,
    RandomPairing,
    ReversePairing,
)
from automix.mixing.params import Bool, Choice, Float, Int, Param, PatchCount, Text
from automix.mixing.random import Streams, seed_of
from automix.mixing.ratio import BetaLaw, FixedLaw, RatioLaw, TruncatedBetaLaw, UniformLaw
from automix.mixing.requires import Requires

__all__ = [
    "AreaLabels",
    "ArtifactStore",
    "Batch",
    "BetaLaw",
    "BlendMixer",
    "Bool",
    "BoxMixer",
    "BoxPlan",
    "Buffers",
    "Card",
    "Choice",
    "ClassBalancedPairing",
    "Component",
    "DifferentClassPairing",
    "FixedLaw",
    "Float",
    "Follower",
    "Guide",
    "InputTreatment",
    "Int",
    "KeepPlan",
    "LabelRule",
    "LabelledBatch",
    "LossContext",
    "MaskMixer",
    "MaskPlan",
    "MixPlan",
    "MixedBatch",
    "Mixer",
    "ModelInfo",
    "Observed",
    "PairMixer",
    "PairPlan",
    "Pairing",
    "Param",
    "PatchCount",
    "PrepareContext",
    "RandomPairing",
    "RatioLaw",
    "Requires",
    "ReversePairing",
    "StandardInput",
    "Streams",
    "Text",
    "TruncatedBetaLaw",
    "UniformLaw",
    "boxes_around",
    "dense_targets",
    "mixed_cross_entropy",
    "random_boxes",
    "seed_of",
    "soft_cross_entropy",
]
