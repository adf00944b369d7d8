"""What becomes of the ratio that a policy asks for: drawn with its own laws, for real images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from automix.mixing import Batch, Card, MixedBatch, PairMixer, RatioLaw, Streams
from automix.policy import PolicyDocument
from automix.report.pairs import always, batch_for, branches_of

if TYPE_CHECKING:
    from automix.mixing.inputs import Normalization
    from automix.policy.step import CompiledBranch
    from automix.registry import Registry

__all__ = ["LamSample", "lam_samples"]


@dataclass(frozen=True, eq=False)
class LamSample:
    """Mixed images of one method, (n,) float32 each; images that met themselves are left out.

    Args:
        name: of the method.
        asked: what the ratio law drew.
        pixels: share of the picture that is the own image.
        labels: weight of the own image in the label.
    """

    name: str
    asked: NDArray[np.float32]
    pixels: NDArray[np.float32]
    labels: NDArray[np.float32]


class _Recorded(RatioLaw):
    """Another law, whose draws are kept."""

    name = "recorded"
    card: ClassVar[Card] = Card(title="Recorded law", summary="Draws as another law does and keeps what it drew.")

    def __init__(self, inner: RatioLaw) -> None:
        super().__init__()
        self._inner = inner
        self.drawn: list[Tensor] = []

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw from the other law."""
        self.drawn.append(self._inner.sample(n, generator))
        return self.drawn[-1]


def lam_samples(
    images: Tensor,
    labels: Tensor,
    num_classes: int,
    policies: Mapping[str, PolicyDocument],
    registry: Registry,
    normalization: Normalization,
    seed: int = 0,
    model: nn.Module | None = None,
) -> list[LamSample]:
    """Mix a batch under every branch that draws a ratio, each image whatever the branch's probability.

    Args:
        images: (B, C, H, W) float32 in [0, 1].
        labels: (B,) int64.
        num_classes: K.
        policies: name -> policy.
        registry: where components are looked up.
        normalization: (mean, std) per channel that training uses.
        seed: of the mixing.
        model: for policies that look at it.
    """
    mean, std = (torch.tensor(part)[:, None, None] for part in normalization)
    normal = (images - mean) / std
    return [
        _sample(name.replace("\n", " "), branch, batch_for(branch.mixer, normal, labels, num_classes, model), seed)
        for name, branch in branches_of(policies, registry, num_classes, normalization)
        if isinstance(branch.mixer, PairMixer) and "ratio" in branch.mixer.reads
    ]


def _sample(name: str, branch: CompiledBranch, batch: Batch, seed: int) -> LamSample:
    mixer = cast(PairMixer, branch.mixer)
    law = _Recorded(mixer.ratio)
    recording = always(mixer, ratio=law)
    mixed = recording.apply(batch.images, recording.draw(batch, Streams(seed).generator("lam", mixer.name)))
    if branch.labels.when == "before":
        mixed = branch.labels.before(mixed, batch)
    return _kept(name, law.drawn[0].expand(len(batch)), mixed)


def _kept(name: str, asked: Tensor, mixed: MixedBatch) -> LamSample:
    met = mixed.sources[:, 0] != mixed.sources[:, 1]
    parts = (asked, mixed.shares(1, 1)[:, 0].flatten(), mixed.weights[:, 0])
    return LamSample(name, *(part[met].float().numpy() for part in parts))
