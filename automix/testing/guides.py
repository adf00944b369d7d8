"""Checks of guides, with stand-ins for what they need: training images, a store, the view of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from automix.mixing import ArtifactStore, Guide, LabelledBatch, PrepareContext, Streams
from automix.mixing.probes import CleanView
from automix.testing.findings import Check, NotApplicable, expect, expect_equal
from automix.testing.subject import NUM_CLASSES, Subject

__all__ = ["GUIDE_CHECKS"]

_SIZE = (33, 40)
_GRID = (4, 5)
_WIDTH = 6


class SomeStore(ArtifactStore):
    """Keeps things in memory."""

    def __init__(self) -> None:
        self._kept: dict[str, Mapping[str, Tensor]] = {}

    def tensors(self, key: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """Make once, return ever after."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


class SomeView(CleanView):
    """What no model ever saw, in the shapes that a model would give."""

    def __init__(self, n: int) -> None:
        super().__init__(nn.Identity(), torch.zeros(n, 1, 1, 1))
        self._n = n

    def logits(self) -> Tensor:
        """(B, K)."""
        return self._noise("logits", self._n, NUM_CLASSES)

    def attention(self) -> Tensor:
        """(B, 1, h, w), summing to less than 1."""
        rows = self._noise("attention", self._n, 1, _GRID[0] * _GRID[1]).softmax(dim=-1)
        return 0.9 * rows.view(self._n, 1, *_GRID)

    def features(self) -> Tensor:
        """(B, C, h, w)."""
        return self._noise("features", self._n, _WIDTH, *_GRID)

    def class_rows(self) -> Tensor:
        """(K, C)."""
        return self._noise("rows", NUM_CLASSES, _WIDTH)

    @staticmethod
    def _noise(what: str, *shape: int) -> Tensor:
        return torch.randn(shape, generator=Streams(0).generator("kit", what))


def guides_give_maps(subject: Subject) -> None:
    """`maps` gives one finite, non-negative, detached float32 map for each image and leaves the images alone."""
    for channels in (1, 3):
        guide = cast(Guide, subject.build())
        images = _images(channels)
        before, labels = images.clone(), torch.arange(len(images)) % NUM_CLASSES
        guide.prepare(_context(images, labels, SomeStore()))
        maps = guide.maps(images, labels, SomeView(len(images)) if guide.sees else None)
        expect(
            maps.ndim == 4 and maps.shape[:2] == (len(images), 1) and maps.dtype == torch.float32,
            f"expected ({len(images)}, 1, h, w) float32 but got {tuple(maps.shape)} {maps.dtype}",
        )
        expect(not maps.requires_grad, "expected maps without gradient")
        expect(bool((maps.isfinite() & (maps >= 0)).all()), "expected finite maps >= 0")
        expect_equal(images, before, "images after `maps`")


def prepared_guides_agree(subject: Subject) -> None:
    """Two guides that prepare on the same images give the same maps, whether the store has the artifact or not."""
    if type(cast(Guide, subject.component)).prepare is Guide.prepare:
        raise NotApplicable("the guide prepares nothing")
    images, labels = _images(3), torch.arange(4) % NUM_CLASSES
    found = []
    stores = [SomeStore(), SomeStore()]
    for store in (stores[0], stores[0], stores[1]):
        guide = cast(Guide, subject.build())
        guide.prepare(_context(images, labels, store))
        found.append(guide.maps(images, labels, SomeView(4) if guide.sees else None))
    expect_equal(found[1], found[0], "maps of a guide that found its artifact")
    expect_equal(found[2], found[0], "maps of a guide that made its artifact anew")


def _images(channels: int) -> Tensor:
    images = torch.randn(4, channels, *_SIZE, generator=Streams(0).generator("guide"))
    # One image of one colour: nothing stands out, and nothing may become NaN.
    images[0] = 0.5
    return images


def _context(images: Tensor, labels: Tensor, store: ArtifactStore) -> PrepareContext:
    def batches() -> Iterator[LabelledBatch]:
        yield images.clone(), labels, torch.arange(len(images))

    return PrepareContext(
        batches=batches,
        shuffled=lambda _: batches(),
        num_classes=NUM_CLASSES,
        channels=images.shape[1],
        image_size=_SIZE,
        normalization=((0.5,) * images.shape[1], (0.25,) * images.shape[1]),
        device=images.device,
        fingerprint="kit",
        store=store,
    )


GUIDE_CHECKS: tuple[Check, ...] = (guides_give_maps, prepared_guides_agree)
