"""The contact sheet: the same pairs of images under every method, each with the label that it gets.

A row per method, a column per pair; the two clean images on top. Below each mixed image a bar is divided as the label
is. People see in ten seconds what no number says: whether a method cuts away what the label claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, ClassVar

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from automix.errors import DataError
from automix.mixing import Batch, Card, MixedBatch, Mixer, Pairing, PairMixer, Streams
from automix.policy import PolicyDocument, compile_policy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from automix.mixing.inputs import Normalization
    from automix.registry import Registry

__all__ = ["Pairs", "choose_pairs", "contact_sheet"]

_CELL_INCHES = 1.25
_OWN, _PARTNER = "#3b6ea8", "#e08a3c"


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
    order = torch.randperm(len(labels), generator=generator)
    own: list[int] = []
    partners: list[int] = []
    waiting: list[int] = []
    for i in order.tolist():
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


def contact_sheet(
    pairs: Pairs,
    policies: Mapping[str, PolicyDocument],
    registry: Registry,
    *,
    normalization: Normalization,
    title: str = "",
    seed: int = 0,
) -> bytes:
    """Draw the sheet.

    Every branch of every policy is shown with its own laws, but mixing always: `prob` is taken as 1.

    Args:
        pairs: what is mixed.
        policies: name -> policy; one row each, in this order (one row per branch where there are several).
        registry: where components are looked up.
        normalization: (mean, std) per channel that training uses; images are mixed normalised, as in training.
        title: a line on top.
        seed: of the mixing.

    Returns:
        A PNG file.
    """
    rows = [
        (name, mixer)
        for name, document in policies.items()
        for name, mixer in _mixers(name, document, registry, len(pairs.classes), normalization)
    ]
    n = len(pairs)
    heights = [1.0, 1.0, *([1.34] * len(rows))]
    size = (n * _CELL_INCHES + 1.6, sum(heights) * _CELL_INCHES + 0.6)
    figure = Figure(figsize=size, dpi=110)
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(heights), n, squeeze=False, gridspec_kw={"height_ratios": heights})
    figure.subplots_adjust(
        left=1.5 / size[0], right=0.99, bottom=0.28 / size[1], top=1 - 0.35 / size[1], wspace=0.06, hspace=0.16
    )
    figure.suptitle(title, fontsize=9, y=1 - 0.06 / size[1], va="top")
    for half, axes in enumerate(grid[:2]):
        _draw_sources(axes, pairs, half)
    for axes, (name, mixer) in zip(grid[2:], rows, strict=True):
        _row_label(axes[0], name)
        _draw_mixed(axes, pairs, _mix(mixer, pairs, normalization, seed), normalization)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _mixers(
    name: str, document: PolicyDocument, registry: Registry, num_classes: int, normalization: Normalization
) -> list[tuple[str, Mixer]]:
    """Build each branch's mixer so that it mixes the given pairs, always."""
    policy = compile_policy(document, registry, num_classes=num_classes, normalization=normalization)
    found: list[tuple[str, Mixer]] = []
    for branch in policy.branches:
        mixer = branch.mixer
        label = name if len(policy.branches) == 1 else f"{name}:\n{mixer.name}"
        if isinstance(mixer, PairMixer):
            values = {key: value for key, value in mixer.config().items() if key != "name"}
            slots = {**mixer.slots, "pairing": _Given()}
            mixer = type(mixer)(**{**values, "prob": 1.0, **slots})
        found.append((label, mixer))
    return found


def _mix(mixer: Mixer, pairs: Pairs, normalization: Normalization, seed: int) -> MixedBatch:
    mean, std = (torch.tensor(part)[:, None, None] for part in normalization)
    images = (pairs.images - mean) / std
    batch = Batch(images, pairs.labels, len(pairs.classes))
    return mixer.apply(images, mixer.draw(batch, Streams(seed).generator("contact sheet", mixer.name)))


def _draw_sources(axes: Sequence[Axes], pairs: Pairs, half: int) -> None:
    _row_label(axes[0], "own" if half == 0 else "partner", _OWN if half == 0 else _PARTNER)
    for column, axis in enumerate(axes):
        i = column + half * len(pairs)
        _show(axis, pairs.images[i])
        axis.set_title(_short(pairs.classes[int(pairs.labels[i])]), fontsize=7, pad=2)


def _draw_mixed(axes: Sequence[Axes], pairs: Pairs, mixed: MixedBatch, normalization: Normalization) -> None:
    mean, std = (torch.tensor(part)[:, None, None] for part in normalization)
    n = len(pairs)
    for column, axis in enumerate(axes):
        _show(axis, mixed.images[column] * std + mean)
        parts = zip(mixed.sources[column].tolist(), mixed.weights[column].tolist(), strict=True)
        _label_bar(axis, [(source, weight) for source, weight in parts if weight > 0], n, pairs)


def _show(axis: Axes, image: Tensor) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)
    picture = image.clamp(0, 1).permute(1, 2, 0).numpy()
    interpolation = "nearest" if picture.shape[0] <= 64 else "antialiased"
    if picture.shape[2] == 1:
        axis.imshow(picture[:, :, 0], cmap="gray", vmin=0, vmax=1, interpolation=interpolation)
    else:
        axis.imshow(picture, interpolation=interpolation)


def _label_bar(axis: Axes, parts: Sequence[tuple[int, float]], n: int, pairs: Pairs) -> None:
    """Draw the label below the image: a bar divided by weight, and the classes in words."""
    left = 0.0
    for source, weight in parts:
        colour = _OWN if source < n else _PARTNER
        axis.add_artist(_bar(axis, left, weight, colour))
        left += weight
    words = " + ".join(f"{_short(pairs.classes[int(pairs.labels[s])], 9)} {100 * w:.0f}%" for s, w in parts)
    axis.text(0.5, -0.17, words, transform=axis.transAxes, ha="center", va="top", fontsize=5)


def _bar(axis: Axes, left: float, width: float, colour: str) -> Rectangle:
    return Rectangle((left, -0.13), width, 0.09, transform=axis.transAxes, color=colour, lw=0, clip_on=False)


def _row_label(axis: Axes, text: str, colour: str = "black") -> None:
    axis.text(-0.08, 0.5, text, transform=axis.transAxes, ha="right", va="center", fontsize=8, color=colour)


def _short(name: str, length: int = 14) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
