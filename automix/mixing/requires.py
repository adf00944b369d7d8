"""Requires: what a component needs of data and model, declared so that it is known before the first trial."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Requires"]


@dataclass(frozen=True)
class Requires:
    """What a mixer, guide or rule needs; checked against data and model before the first trial.

    Args:
        tasks: for which tasks it is defined.
        min_size_px: smallest picture side that makes sense.
        square: whether pictures must be square.
        min_channels: fewest channels.
        attention: needs a model with an attention map over the whole image.
        spatial_features: needs a model with a feature map that its head averages.
        teacher: needs a trained teacher.
        human_data: needs human judgments.
    """

    tasks: tuple[str, ...] = ("single", "multi")
    min_size_px: int = 1
    square: bool = False
    min_channels: int = 1
    attention: bool = False
    spatial_features: bool = False
    teacher: bool = False
    human_data: bool = False
