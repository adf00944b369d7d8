"""Checks of what happens to images: shapes, types, identity, and whose memory is written."""

from __future__ import annotations

import torch

from automix.mixing import Batch, Buffers, MixedBatch
from automix.testing.findings import Check, expect, expect_close, expect_equal
from automix.testing.subject import Subject

__all__ = ["PIXEL_CHECKS", "plan_tensors"]

# Half a unit in the last place of a value near 4, the largest among a few thousand normal variates.
_TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 0.04, torch.float16: 0.005, torch.uint8: 1.0}


def any_batch_size_works(subject: Subject) -> None:
    """Batches of 1, 2, 3 and 9 images are mixed, each with at least one row out for each row in."""
    for n in (1, 2, 3, 9):
        batch = subject.batch(n)
        for step in range(4):
            _expect_well_formed(subject.mix(batch, step), batch, f"batch of {n}")


def any_picture_shape_works(subject: Subject) -> None:
    """Odd and oblong pictures of 1 and of 3 channels keep their shape."""
    for size in subject.picture_sizes:
        for channels in (1, 3):
            batch = subject.batch(4, size=size, channels=channels)
            for step in range(2):
                _expect_well_formed(subject.mix(batch, step), batch, f"pictures of {channels} x {size[0]} x {size[1]}")


def declared_dtypes_work(subject: Subject) -> None:
    """Images of each type in `dtypes` keep their type and agree with float32; weights are float32 throughout."""
    expect(torch.float32 in subject.mixer.dtypes, f"expected float32 in `dtypes` but got {subject.mixer.dtypes}")
    for dtype in subject.mixer.dtypes:
        batch = subject.batch(dtype=dtype)
        plan = subject.plan(batch)
        mixed = subject.mixer.apply(batch.images, plan)
        _expect_well_formed(mixed, batch, f"images of {dtype}")
        exact = subject.mixer.apply(batch.images.float(), plan).images
        expect_close(mixed.images, exact, f"images of {dtype} against float32", _TOLERANCE.get(dtype, 0.05))


def own_partner_is_identity(subject: Subject) -> None:
    """A row whose only source is itself comes out bit for bit as it went in."""
    for n in (1, 4):
        batch = subject.batch(n)
        for step in range(16):
            mixed = subject.mix(batch, step)
            own = torch.arange(len(mixed.images))[:, None]
            rows = (mixed.sources == own).all(dim=1)[:n].nonzero()[:, 0]
            expect_equal(mixed.images[rows], batch.images[rows], f"rows that are their own partner (batch of {n})")


def inputs_stay_untouched(subject: Subject) -> None:
    """Neither draw nor apply changes images, labels or plan."""
    for step in range(4):
        batch = subject.batch()
        images, labels = batch.images.clone(), batch.labels.clone()
        plan = subject.plan(batch, step)
        decided = {name: tensor.clone() for name, tensor in plan_tensors(plan).items()}
        subject.mixer.apply(batch.images, plan, Buffers())
        expect_equal(batch.images, images, "images after mixing")
        expect_equal(batch.labels, labels, "labels after mixing")
        for name, tensor in plan_tensors(plan).items():
            expect_equal(tensor, decided[name], f"the plan's `{name}` after apply")


def plans_replay(subject: Subject) -> None:
    """Applying one plan twice gives equal results, with and without buffers."""
    batch = subject.batch()
    for step in range(4):
        plan = subject.plan(batch, step)
        first, again = subject.mixer.apply(batch.images, plan), subject.mixer.apply(batch.images, plan, Buffers())
        for field in ("images", "sources", "weights"):
            expect_equal(getattr(again, field), getattr(first, field), f"`{field}` of the same plan applied again")


def held_views_stay(subject: Subject) -> None:
    """A result of which only a view is held is not overwritten by later mixing."""
    batch, pool = subject.batch(), Buffers()
    held, copies = [], []
    for step in range(8):
        mixed = subject.mixer.apply(batch.images, subject.plan(batch, step), pool)
        held.append(mixed.images[1:, :, 1])
        copies.append(held[-1].clone())
        del mixed
    for view, copy in zip(held, copies, strict=True):
        expect_equal(view, copy, "a held view after further mixing")


def graphs_stay(subject: Subject) -> None:
    """A result that only autograd holds is not overwritten before the backward pass."""
    batch, pool = subject.batch(), Buffers()
    scale = torch.ones((), requires_grad=True)
    losses, copies = [], []
    for step in range(8):
        mixed = subject.mixer.apply(batch.images, subject.plan(batch, step), pool)
        copies.append(mixed.images.clone())
        losses.append((mixed.images * scale).sum())
        del mixed
    for loss, copy in zip(losses, copies, strict=True):
        (gradient,) = torch.autograd.grad(loss, scale)
        expect_close(gradient, copy.sum(), "the gradient through a held graph", 1e-3)


def plan_tensors(plan: object) -> dict[str, torch.Tensor]:
    """Return a plan's tensors by field name."""
    fields = getattr(plan, "__dataclass_fields__", {})
    return {name: value for name in fields if isinstance(value := getattr(plan, name), torch.Tensor)}


def _expect_well_formed(mixed: MixedBatch, batch: Batch, what: str) -> None:
    """Expect shapes and types that belong together, and finite pixels."""
    rows = len(mixed.images)
    expect(rows >= len(batch), f"{what}: expected at least {len(batch)} rows but got {rows}")
    expect(
        mixed.images.shape[1:] == batch.images.shape[1:],
        f"{what}: expected (C, H, W) = {tuple(batch.images.shape[1:])} but got {tuple(mixed.images.shape[1:])}",
    )
    expect(
        mixed.images.dtype == batch.images.dtype, f"{what}: expected {batch.images.dtype} but got {mixed.images.dtype}"
    )
    expect(
        mixed.sources.dtype == torch.int64, f"{what}: expected int64 as type of sources but got {mixed.sources.dtype}"
    )
    expect(mixed.weights.dtype == torch.float32, f"{what}: expected float32 weights but got {mixed.weights.dtype}")
    expect(
        mixed.sources.shape == mixed.weights.shape and len(mixed.sources) == rows,
        f"{what}: expected sources and weights ({rows}, S) but got {tuple(mixed.sources.shape)} and "
        f"{tuple(mixed.weights.shape)}",
    )
    expect(bool(mixed.images.isfinite().all()), f"{what}: expected finite pixels but got NaN or infinity")


PIXEL_CHECKS: tuple[Check, ...] = (
    any_batch_size_works,
    any_picture_shape_works,
    declared_dtypes_work,
    own_partner_is_identity,
    inputs_stay_untouched,
    plans_replay,
    held_views_stay,
    graphs_stay,
)
