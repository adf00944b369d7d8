"""What is known of the data and the model before the first trial, and what a component would need of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from automix.mixing import Component, LabelRule, Mixer, Requires

__all__ = ["Facts", "unmet"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a search works with; what is not known yet counts as absent.

    Args:
        task: "single" or "multi" labels per image.
        num_classes: K.
        channels: of the images.
        image_size: (H, W) in pixels.
        batch_size: rows of a training batch.
        has_attention: the model has attention maps.
        has_spatial_features: the model has a feature map before pooling.
        has_teacher: a trained teacher is at hand.
        has_human_data: human judgments are at hand.
        probes: what can be captured during the model's forward pass, by probe name.
        patch_grid: patches along each side of a vision transformer's input; None for other models.
    """

    task: str = "single"
    num_classes: int
    channels: int
    image_size: tuple[int, int]
    batch_size: int
    has_attention: bool = False
    has_spatial_features: bool = False
    has_teacher: bool = False
    has_human_data: bool = False
    probes: frozenset[str] = frozenset()
    patch_grid: int | None = None


def unmet(cls: type[Component], facts: Facts) -> str:
    """Say why a component cannot work here; empty where it can.

    Example:
        >>> from automix.mixing import AreaLabels
        >>> unmet(AreaLabels, Facts(num_classes=10, channels=1, image_size=(8, 8), batch_size=64))
        ''
    """
    return ", ".join(_reasons(cls, facts))


def _reasons(cls: type[Component], facts: Facts) -> Iterator[str]:
    # Laws, pairings and treatments declare no needs: they see no pixels.
    needs = getattr(cls, "requires", Requires())
    height, width = facts.image_size
    if facts.task not in needs.tasks:
        yield f"not defined for the task {facts.task!r}"
    if min(height, width) < needs.min_size_px:
        yield f"needs images of at least {needs.min_size_px} px but they are {height}x{width}"
    if needs.square and height != width:
        yield f"needs square images but they are {height}x{width}"
    if facts.channels < needs.min_channels:
        yield f"needs {needs.min_channels} channels but the images have {facts.channels}"
    if needs.attention and not facts.has_attention:
        yield "needs a model with attention maps"
    if needs.spatial_features and not facts.has_spatial_features:
        yield "needs a model with a feature map"
    if needs.teacher and not facts.has_teacher:
        yield "needs a trained teacher"
    if needs.human_data and not facts.has_human_data:
        yield "needs human judgments"
    if issubclass(cls, Mixer) and "pairing" in cls.reads and facts.batch_size < 2:
        yield "has no partners in batches of one image"
    if issubclass(cls, LabelRule) and not cls.probes <= facts.probes:
        yield f"needs {', '.join(sorted(cls.probes - facts.probes))} from the model's forward pass"
