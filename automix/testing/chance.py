"""Checks of what is random: where it comes from, how often it happens, how it spreads over a batch."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from automix.mixing import Batch, FixedLaw, KeepPlan, MixedBatch, Mixer
from automix.testing.findings import Check, NotApplicable, expect, expect_equal
from automix.testing.pixels import plan_tensors
from automix.testing.subject import Subject

__all__ = ["CHANCE_CHECKS"]

_DRAWS = 300
_ROWS = 8
# Standard deviations; the streams are fixed, so that a mixer passes always or never.
_TOLERANCE_SD = 5.0


def same_stream_same_result(subject: Subject) -> None:
    """The same stream gives the same plan and the same images, also from a second instance."""
    batch = subject.batch()
    for step in range(4):
        first, again = subject.plan(batch, step), subject.plan(batch, step, subject.build())
        expect(type(first) is type(again), f"expected a {type(first).__name__} again but got {type(again).__name__}")
        for name, tensor in plan_tensors(first).items():
            expect_equal(plan_tensors(again)[name], tensor, f"the plan's `{name}` drawn from the same stream")
        images = subject.mix(batch, step).images
        expect_equal(subject.mix(batch, step, subject.build()).images, images, "images from the same stream")


def global_random_state_is_left_alone(subject: Subject) -> None:
    """Neither draw nor apply touches the global random state of torch, numpy or Python."""
    batch = subject.batch()
    before = _global_states()
    for step in range(8):
        subject.mix(batch, step)
    for name, state in _global_states().items():
        expect(state == before[name], f"the global random state of {name} was used: draw from the generator given")


def steps_differ(subject: Subject) -> None:
    """Another step's stream gives other images."""
    batch = subject.batch()
    if all(isinstance(subject.plan(batch, step), KeepPlan) for step in range(8)):
        raise NotApplicable("the mixer never mixes")
    first = subject.mix(batch, 0).images
    differ = any(not torch.equal(subject.mix(batch, step).images, first) for step in range(1, 8))
    expect(differ, "eight different streams gave the same images: nothing is drawn from the generator")


def prob_is_the_rate_of_mixing(subject: Subject) -> None:
    """With prob 0 nothing is mixed; with prob 0.5 half as many rows are as with prob 1."""
    if "prob" not in subject.mixer.params:
        raise NotApplicable("the mixer has no parameter `prob`")
    batch = subject.batch(_ROWS)
    kept = subject.mix(batch, mixer=subject.build(prob=0.0))
    expect_equal(kept.images, batch.images, "images at prob 0")
    own = torch.arange(_ROWS)[:, None]
    expect(bool(((kept.sources == own) | (kept.weights == 0)).all()), "expected unmixed labels at prob 0")
    always = _rates(subject, 1.0)
    # A mixer that appends its pictures leaves the batch itself alone.
    lowest = 0.0 if len(subject.mix(batch, mixer=subject.build(prob=1.0)).images) > _ROWS else 0.5
    expect(
        float(always.mean()) > lowest, f"expected most rows to be mixed at prob 1 but got {float(always.mean()):.3f}"
    )
    half = _rates(subject, 0.5)
    expected = 0.5 * float(always.mean())
    spread = _TOLERANCE_SD * float(half.std()) / _DRAWS**0.5
    expect(
        abs(float(half.mean()) - expected) <= spread,
        f"expected a share of {expected:.3f} +- {spread:.3f} mixed rows at prob 0.5 but got {float(half.mean()):.3f}",
    )


def draw_unit_says_what_is_shared(subject: Subject) -> None:
    """With draw_unit "sample" places (or ratios) differ between the rows of a batch; with "batch" it has one ratio.

    What follows from each image may still differ then: ResizeMix places pictures one by one, BC+ weighs them by energy.
    """
    if "draw_unit" not in subject.mixer.params:
        raise NotApplicable("the mixer has no parameter `draw_unit`")
    always = {"prob": 1.0} if "prob" in subject.mixer.params else {}
    # At one ratio for all, rows can differ only in place; a blend has no places, so that its ratios are compared.
    fixed = {"ratio": FixedLaw(value=0.5)} if "ratio" in subject.mixer.reads else {}
    by_place = _most_kinds(subject, subject.build(draw_unit="sample", **always, **fixed), _geometry)
    by_ratio = _most_kinds(subject, subject.build(draw_unit="sample", **always), _geometry)
    has_places = subject.mix(subject.batch(_ROWS)).shares(2, 2).shape[-1] > 1
    what, most = ("place", by_place) if has_places else ("ratio", by_ratio)
    expect(most > 1, f'expected more than one {what} in a batch with draw_unit "sample" but every row got the same')
    # Of labels or of areas: BC+ weighs pixels by energy, TdAttenMix labels by attention.
    ratios: list[Callable[[MixedBatch], Tensor]] = [lambda mixed: mixed.weights, _areas]
    shared = min(_most_kinds(subject, subject.build(draw_unit="batch", **always), ratio) for ratio in ratios)
    expect(shared <= 1, f'expected one ratio in a batch with draw_unit "batch" but got {shared}')


def _areas(mixed: MixedBatch) -> Tensor:
    # Rounded: the same area adds up a little differently at another place.
    return mixed.shares(*mixed.images.shape[-2:]).mean(dim=(2, 3)).round(decimals=4)


def _geometry(mixed: MixedBatch) -> Tensor:
    return mixed.shares(*mixed.images.shape[-2:]).flatten(1)


def _most_kinds(subject: Subject, mixer: Mixer, of: Callable[[MixedBatch], Tensor]) -> int:
    """Count what is different among the mixed rows of a batch; the most over some steps."""
    batch = subject.batch(_ROWS)
    counts = []
    for step in range(6):
        mixed = subject.mix(batch, step, mixer)
        rows = of(mixed)[_mixed_rows(mixed, batch)]
        counts.append(len(torch.unique(rows, dim=0)))
    return max(counts)


def _rates(subject: Subject, prob: float) -> Tensor:
    """(draws,) float64: mixed rows of each draw, by rows of the batch."""
    mixer = subject.build(prob=prob)
    batch = subject.batch(_ROWS)
    mixed = (subject.mix(batch, step, mixer) for step in range(_DRAWS))
    return torch.stack([_mixed_rows(one, batch).sum().double() / _ROWS for one in mixed])


def _mixed_rows(mixed: MixedBatch, batch: Batch) -> Tensor:
    """(B',) bool: whether a row shows anything but its own image; rows beyond the batch have none of their own."""
    rows = torch.ones(len(mixed.images), dtype=torch.bool)
    rows[: len(batch)] = (mixed.images[: len(batch)] != batch.images).flatten(1).any(dim=1)
    return rows


def _global_states() -> dict[str, object]:
    kind, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": (kind, np.asarray(keys).tolist(), *rest),
        "random": random.getstate(),
    }


CHANCE_CHECKS: tuple[Check, ...] = (
    same_stream_same_result,
    global_random_state_is_left_alone,
    steps_differ,
    prob_is_the_rate_of_mixing,
    draw_unit_says_what_is_shared,
)
