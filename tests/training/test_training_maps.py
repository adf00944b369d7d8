"""Maps that are kept: moved as images are, and computed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from automix.data import Augmentation, AugmentPlan, DataSet
from automix.data.augment import replay
from automix.mixing import Card, Guide
from automix.mixing.probes import CleanView
from automix.policy import PolicyDocument, compile_policy
from automix.registry import Entry, Registry
from automix.training import maps as maps_module
from automix.training.batches import Batches
from automix.training.loop import train
from automix.training.settings import TrainSettings

SETTINGS = TrainSettings(model="automix_resnet8", epochs=2, batch_size=16, device="cpu", seed=5)


class Bright(Guide):
    """Every pixel's distance from 0, which is what comes in at the border; moves exactly as the image does."""

    name = "bright"
    card = Card(title="Brightness", summary="For tests.")
    calls: ClassVar[list[int]] = []

    @property
    def is_frozen(self) -> bool:
        return True

    def maps(self, images: Tensor, labels: Tensor, clean: CleanView | None = None) -> Tensor:
        self.calls.append(len(images))
        return images.float().square().sum(dim=1, keepdim=True)


class BrightQuarters(Bright):
    """The same on a grid of 4 x 4."""

    name = "bright_quarters"

    def maps(self, images: Tensor, labels: Tensor, clean: CleanView | None = None) -> Tensor:
        return F.adaptive_avg_pool2d(super().maps(images, labels), 4)


def policy(guide: str) -> PolicyDocument:
    branch = {"mixer": {"name": "saliencymix"}, "guide": {"name": guide}}
    return PolicyDocument.from_dict({"schema": "automix.policy/1", "branches": [branch]})


@pytest.mark.parametrize("cells", [(8, 12), (4, 4), (2, 3), (1, 1), (5, 7)])
def test_replayed_maps_are_means_of_the_moved_pixels(cells: tuple[int, int]) -> None:
    """A map is constant within its cells: blown up, moved as an image and averaged again it must be the same."""
    size = (8, 12) if cells != (5, 7) else (35, 35)
    maps = torch.rand(30, 1, *cells, generator=torch.Generator().manual_seed(0))
    augmentation = Augmentation(flip=True, crop_padding=5)
    plan = augmentation.draw(30, torch.Generator().manual_seed(1))
    pixels = maps.repeat_interleave(size[0] // cells[0], dim=2).repeat_interleave(size[1] // cells[1], dim=3)
    moved = augmentation.apply(pixels, plan)
    expected = moved.unflatten(2, (cells[0], -1)).unflatten(4, (cells[1], -1)).mean(dim=(3, 5))
    torch.testing.assert_close(replay(maps, plan, size), expected, atol=1e-6, rtol=1e-5)


def test_a_map_that_is_not_moved_stays_as_it_is_and_one_that_leaves_is_gone() -> None:
    maps = torch.rand(2, 1, 3, 3)
    plan = AugmentPlan(flip=torch.tensor([False, False]), dy=torch.tensor([0, 40]), dx=torch.tensor([0, 0]))
    moved = replay(maps, plan, (10, 10))
    torch.testing.assert_close(moved[0], maps[0])
    assert not moved[1].any()


@pytest.mark.parametrize("guide", [Bright, BrightQuarters])
def test_kept_maps_are_those_of_the_augmented_images(
    digits: Callable[..., DataSet], registry: Registry, guide: type[Guide]
) -> None:
    """At pixel size exactly; on a coarser grid where nothing is shifted by parts of a cell."""
    registry.add(Entry(guide.name, "guide", guide))
    data = digits(n_train=40)
    mix = compile_policy(policy(guide.name), registry, num_classes=10)
    batches = Batches.open(data, SETTINGS, mix, torch.device("cpu"))
    made = mix.branches[0].mixer.guide
    for epoch in (0, 3):
        for step, (images, labels, index) in enumerate(batches.train.epoch(epoch)):
            kept = batches.maps.at(epoch, step, index)(made)
            assert kept is not None
            fresh = made.maps(images, labels)
            plan = batches.train.augment_plan(epoch, step, len(images))
            assert plan is not None
            rows = torch.ones(len(images), dtype=torch.bool)
            if guide is BrightQuarters:
                rows = (plan.dy % 2 == 0) & (plan.dx % 2 == 0)
            torch.testing.assert_close(kept[rows], fresh[rows], atol=1e-4, rtol=1e-4)


def test_training_asks_a_frozen_guide_once_for_each_image(digits: Callable[..., DataSet], registry: Registry) -> None:
    registry.add(Entry("bright", "guide", Bright))
    Bright.calls.clear()
    train(digits(n_train=40), policy("bright"), SETTINGS, registry=registry)
    assert sum(Bright.calls) == 40


def test_training_with_kept_maps_is_training_with_computed_ones(
    digits: Callable[..., DataSet], registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.add(Entry("bright", "guide", Bright))
    data = digits(n_train=40)
    kept = train(data, policy("bright"), SETTINGS, registry=registry)
    monkeypatch.setattr(maps_module, "_MOST_BYTES", 100)
    Bright.calls.clear()
    computed = train(data, policy("bright"), SETTINGS, registry=registry)
    assert sum(Bright.calls) > 80
    ours, theirs = kept.model.state_dict(), computed.model.state_dict()
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name])


def test_without_augmentation_maps_stay_where_they_are(digits: Callable[..., DataSet], registry: Registry) -> None:
    registry.add(Entry("bright", "guide", Bright))
    mix = compile_policy(policy("bright"), registry, num_classes=10)
    batches = Batches.open(digits(n_train=40), replace(SETTINGS, augment=False), mix, torch.device("cpu"))
    images, labels, index = next(iter(batches.train.epoch(0)))
    guide: Any = mix.branches[0].mixer.guide
    torch.testing.assert_close(batches.maps.at(0, 0, index)(guide), guide.maps(images, labels))
