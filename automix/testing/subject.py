"""The component under test, and the batches it is tried on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from automix.mixing import Batch, Card, Component, Guide, MixedBatch, Mixer, MixPlan, Streams
from automix.mixing.probes import CleanView

__all__ = ["NUM_CLASSES", "SomeGuide", "Subject"]

_SMALL_PX = 16
NUM_CLASSES = 5


class SomeGuide(Guide):
    """How bright each of 5 x 5 parts of a picture is."""

    name = "some"
    card = Card(title="Brightness", summary="For mixers that leave the guide open.")

    def maps(self, images: Tensor, labels: Tensor, clean: CleanView | None = None) -> Tensor:
        """Return maps (B, 1, 5, 5)."""
        return F.adaptive_avg_pool2d(images.float().square().mean(dim=1, keepdim=True), 5)


@dataclass(frozen=True)
class Subject:
    """A component to be checked, made anew whenever a check wants it.

    Args:
        factory: the class, or a function that takes its constructor's keywords.
        settings: keywords for every construction.
    """

    factory: Callable[..., Component]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def build(self, **changes: Any) -> Any:
        """Construct the component, with some keywords changed; a mixer that leaves its guide open gets one."""
        given = {**self.settings, **changes}
        defaults: Mapping[str, Component] = getattr(self.factory, "defaults", {})
        if "guide" in getattr(self.factory, "reads", ()) and "guide" not in {**defaults, **given}:
            given["guide"] = SomeGuide()
        return self.factory(**given)

    @cached_property
    def component(self) -> Component:
        """One instance, for checks that only look."""
        return cast(Component, self.build())

    @property
    def title(self) -> str:
        """Kind and name."""
        return f"{self.component.kind} {self.component.name}"

    @property
    def mixer(self) -> Mixer:
        """The instance, known to be a mixer."""
        return cast(Mixer, self.component)

    @property
    def base_px(self) -> int:
        """A small picture side that the mixer accepts."""
        return max(_SMALL_PX, self.mixer.requires.min_size_px)

    @property
    def picture_sizes(self) -> list[tuple[int, int]]:
        """Even, odd and (unless it must be square) oblong pictures."""
        base = self.base_px
        square = [(base, base), (base + 1, base + 1)]
        return square if self.mixer.requires.square else [*square, (base + 1, base + 6), (base + 8, base)]

    def batch(
        self,
        n: int = 6,
        *,
        size: tuple[int, int] | None = None,
        channels: int = 3,
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
    ) -> Batch:
        """Make a batch of noise: every image differs from the others everywhere; neighbours differ in class."""
        generator = Streams(seed).generator("kit", "images", n)
        height, width = size or (self.base_px, self.base_px)
        shape = (n, max(channels, self.mixer.requires.min_channels), height, width)
        if dtype == torch.uint8:
            images = torch.randint(0, 256, shape, generator=generator, dtype=dtype)
        else:
            images = torch.randn(shape, generator=generator).to(dtype)
        return Batch(images=images, labels=torch.arange(n) % NUM_CLASSES, num_classes=NUM_CLASSES)

    def flat_batch(self, n: int = 6) -> Batch:
        """Make a batch of images of one colour each."""
        batch = self.batch(n)
        colours = batch.images[:, :, :1, :1]
        return self.with_images(batch, colours.expand_as(batch.images).contiguous())

    @staticmethod
    def with_images(batch: Batch, images: Tensor) -> Batch:
        """Return the batch with other images."""
        return Batch(images=images, labels=batch.labels, num_classes=batch.num_classes)

    def plan(self, batch: Batch, step: int = 0, mixer: Mixer | None = None) -> MixPlan:
        """Draw a plan at a fixed address of the random streams."""
        return (mixer or self.mixer).draw(batch, Streams(0).generator("kit", step))

    def mix(self, batch: Batch, step: int = 0, mixer: Mixer | None = None) -> MixedBatch:
        """Draw and apply."""
        return (mixer or self.mixer).apply(batch.images, self.plan(batch, step, mixer))
