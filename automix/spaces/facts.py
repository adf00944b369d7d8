"""What is known of the data and the model before the first trial, and what a component would need of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from automix.mixing import Component, LabelRule, Mixer, Requires
from automix.mixing.params import PatchCount
from automix.mixing.probes import PROBES
from automix.policy import Branch, ComponentSpec
from automix.registry import Registry

__all__ = ["Facts", "on_patches", "unmet"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a search works with; what is not known yet counts as absent.

    Args:
        task: "single" or "multi" labels per image.
        num_classes: K.
        channels: of the images.
        image_size: (H, W) in pixels.
        batch_size: rows of a training batch.
        has_attention: the model has an attention map over the whole image.
        has_spatial_features: the model has a feature map that its head averages.
        has_teacher: a trained teacher is at hand.
        has_human_data: human judgments are at hand.
        probes: what can be captured during the model's forward pass, of `automix.mixing.probes.PROBES`.
        missing: why the others cannot, by probe name.
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
    missing: Mapping[str, str] = field(default_factory=dict)
    patch_grid: int | None = None


def unmet(cls: type[Component], facts: Facts) -> str:
    """Say why a component cannot work here; empty where it can.

    Example:
        >>> from automix.mixing import AreaLabels
        >>> unmet(AreaLabels, Facts(num_classes=10, channels=1, image_size=(8, 8), batch_size=64))
        ''
    """
    return ", ".join(_reasons(cls, facts))


def on_patches(branch: Branch, registry: Registry, facts: Facts) -> Branch:
    """Return the branch of a published recipe with patches counted as this model has them.

    A `PatchCount` that is not 0 becomes the model's number of patches, or 0 where it has none.
    """
    cls = registry.get("mixer", branch.mixer.name).obj
    counts = [k for k, p in cls.params.items() if isinstance(p, PatchCount) and branch.mixer.params.get(k)]
    params = {**branch.mixer.params, **dict.fromkeys(counts, facts.patch_grid or 0)}
    return branch.model_copy(update={"mixer": ComponentSpec(name=branch.mixer.name, params=params)})


def _reasons(cls: type[Component], facts: Facts) -> Iterator[str]:
    # Laws, pairings and treatments declare no needs: they see no pixels.
    needs: Requires = getattr(cls, "requires", Requires())
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
        yield _because("needs a model with attention maps", facts.missing.get("attention_map"))
    if needs.spatial_features and not facts.has_spatial_features:
        yield _because("needs a model with a feature map that its head averages", facts.missing.get("features"))
    if needs.teacher and not facts.has_teacher:
        yield "needs a trained teacher"
    if needs.human_data and not facts.has_human_data:
        yield "needs human judgments"
    if issubclass(cls, Mixer) and "pairing" in cls.reads and facts.batch_size < 2:
        yield "has no partners in batches of one image"
    probes = cls.probes if issubclass(cls, LabelRule) else frozenset()
    for probe in sorted(probes - facts.probes):
        yield _because(f"needs {PROBES.get(probe, probe)} of the model", facts.missing.get(probe))


def _because(need: str, reason: str | None) -> str:
    return f"{need} ({reason.rstrip('.')})" if reason else need
