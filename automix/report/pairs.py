"""Which images a contact sheet shows, and what each method makes of them: numbers only, nothing is drawn here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from automix.errors import DataError
from automix.mixing import Batch, Card, Component, MixedBatch, Mixer, Pairing, PairMixer, Streams
from automix.mixing.probes import CleanView
from automix.policy import PolicyDocument, compile_policy
from automix.policy.step import CompiledBranch
from automix.report.looks import looks

if TYPE_CHECKING:
    from automix.mixing.inputs import Normalization
    from automix.registry import Registry

__all__ = [
    "LabelPart",
    "MixedRow",
    "Pairs",
    "always",
    "batch_for",
    "branches_of",
    "choose_pairs",
    "given_pairs",
    "mixed_rows",
]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Images to be mixed two by two: row i with row i + n.

    Args:
        images: (2n, C, H, W) float32 in [0, 1].
        labels: (2n,) int64.
        classes: class names.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images) // 2

    def class_of(self, row: int) -> str:
        """Return the name of a row's class."""
        return self.classes[int(self.labels[row])]


@dataclass(frozen=True)
class LabelPart:
    """One piece of a mixed image's label.

    Args:
        name: of the class.
        weight: of the source; the pieces of an image sum to 1.
        is_own: whether the source is the image's own half of the pair.
    """

    name: str
    weight: float
    is_own: bool


@dataclass(frozen=True, eq=False)
class MixedRow:
    """The pairs under one method.

    Args:
        name: of the method.
        images: (n, C, H, W) float32 in [0, 1]; fewer than pairs where a mixer appends fewer.
        labels: the pieces of each image's label, those of weight 0 left out; empty where no label belongs to it.
    """

    name: str
    images: Tensor
    labels: tuple[tuple[LabelPart, ...], ...]


class _Given(Pairing):
    """Row i meets row i + n, and the other way round."""

    name = "given"
    card: ClassVar[Card] = Card(title="Given pairs", summary="Row i meets row i + B/2.")

    def partners(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Return the other half of the batch."""
        return torch.arange(len(labels)).roll(len(labels) // 2)


def choose_pairs(images: Tensor, labels: Tensor, classes: Sequence[str], n: int = 8, seed: int = 0) -> Pairs:
    """Pick ``n`` pairs of different classes.

    Args:
        images: (N, C, H, W) uint8.
        labels: (N,) int64.
        classes: class names.
        n: pairs; fewer where there are not enough images.
        seed: of the choice.

    Raises:
        DataError: all images have one class, or there are fewer than two.
    """
    generator = Streams(seed).generator("contact sheet")
    own: list[int] = []
    partners: list[int] = []
    waiting: list[int] = []
    for i in torch.randperm(len(labels), generator=generator).tolist():
        match = next((j for j in waiting if labels[j] != labels[i]), None)
        if match is None:
            waiting.append(i)
        else:
            waiting.remove(match)
            own.append(match)
            partners.append(i)
        if len(own) == n:
            break
    if not own:
        raise DataError("Expected images of at least two classes for a contact sheet but found one.")
    chosen = torch.tensor(own + partners)
    return Pairs(images[chosen].float() / 255.0, labels[chosen], tuple(classes))


def mixed_rows(
    pairs: Pairs,
    policies: Mapping[str, PolicyDocument],
    registry: Registry,
    normalization: Normalization,
    seed: int = 0,
    model: nn.Module | None = None,
) -> list[MixedRow]:
    """Mix the pairs under every branch of every policy, with its own laws but always: `prob` is taken as 1.

    What a guide found and what a label rule saw in the model follow in rows of their own.

    Args:
        pairs: the same for all.
        policies: name -> policy; one row each, in this order (one row per branch where there are several).
        registry: where components are looked up.
        normalization: (mean, std) per channel that training uses; images are mixed normalised, as in training.
        seed: of the mixing.
        model: for policies that look at it.

    Raises:
        PolicyError: a policy must see the model and there is none.
    """
    mean, std = (torch.tensor(part)[:, None, None] for part in normalization)
    images = (pairs.images - mean) / std
    rows = []
    for title, branch in branches_of(policies, registry, len(pairs.classes), normalization):
        mixer = given_pairs(branch.mixer)
        generator = Streams(seed).generator("contact sheet", mixer.name)
        batch = batch_for(mixer, images, pairs.labels, len(pairs.classes), model)
        plan = mixer.draw(batch, generator)
        mixed = mixer.apply(images, plan)
        places = _places(mixed, pairs)
        shown = (mixed.images[places.start : places.stop] * std + mean).clamp(0, 1)
        rows.append(MixedRow(title, shown, _labels(mixed, pairs, places)))
        seen = looks(replace(branch, mixer=mixer), plan, mixed, batch, model, clean=pairs.images, shown=shown)
        rows += [
            MixedRow(it.name, it.images, () if it.mixed is None else _labels(it.mixed, pairs, places)) for it in seen
        ]
    return rows


def branches_of(
    policies: Mapping[str, PolicyDocument], registry: Registry, num_classes: int, normalization: Normalization
) -> Iterator[tuple[str, CompiledBranch]]:
    """Give every branch of every policy with a name: the policy's, and its mixer's where there are several."""
    for name, document in policies.items():
        policy = compile_policy(document, registry, num_classes=num_classes, normalization=normalization)
        for branch in policy.branches:
            yield name if len(policy.branches) == 1 else f"{name}:\n{branch.mixer.name}", branch


def batch_for(mixer: Mixer, images: Tensor, labels: Tensor, num_classes: int, model: nn.Module | None) -> Batch:
    """Make a batch in which a mixer finds what it wants to see of the model.

    Args:
        mixer: that is to mix it.
        images: (B, C, H, W) float32, normalised.
        labels: (B,) int64.
        num_classes: K.
        model: on the CPU; None where there is none, which is an error for a mixer that must see it.
    """
    clean = CleanView(model, images, mixer.sees) if mixer.sees and model is not None else None
    return Batch(images, labels, num_classes, clean=clean)


def always(mixer: PairMixer, **slots: Component) -> PairMixer:
    """Rebuild a mixer so that it mixes every image, with some of its slots filled anew."""
    values = {key: value for key, value in mixer.config().items() if key != "name"}
    return type(mixer)(**{**values, "prob": 1.0, **mixer.slots, **slots})


def given_pairs(mixer: Mixer, **slots: Component) -> Mixer:
    """Rebuild a mixer of pairs so that it always mixes row i with row i + n; any other stays as it is."""
    return always(mixer, pairing=_Given(), **slots) if isinstance(mixer, PairMixer) else mixer


def _places(mixed: MixedBatch, pairs: Pairs) -> range:
    """Say which rows are shown: the own halves of the pairs, or what a mixer has appended to the batch."""
    n, appended = len(pairs), range(len(pairs.images), len(mixed.images))
    return appended[:n] or range(n)


def _labels(mixed: MixedBatch, pairs: Pairs, places: range) -> tuple[tuple[LabelPart, ...], ...]:
    return tuple(_label(mixed, row, pairs) for row in places)


def _label(mixed: MixedBatch, row: int, pairs: Pairs) -> tuple[LabelPart, ...]:
    sources, weights = mixed.sources[row].tolist(), mixed.weights[row].tolist()
    return tuple(
        LabelPart(pairs.class_of(source), weight, is_own=source < len(pairs))
        for source, weight in zip(sources, weights, strict=True)
        if weight > 0
    )
