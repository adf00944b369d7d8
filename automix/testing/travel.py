"""Checks that a mixer does the same elsewhere: in another process, on another device."""

from __future__ import annotations

import functools
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import torch

from automix.mixing import Batch, Streams
from automix.testing.findings import Check, NotApplicable, expect_close, expect_equal
from automix.testing.pixels import plan_tensors
from automix.testing.subject import Subject

__all__ = ["TRAVEL_CHECKS"]


def pickles_into_a_worker(subject: Subject) -> None:
    """A pickled mixer does the same in a freshly started process."""
    batch = subject.batch()
    here = subject.mix(batch)
    payload = pickle.dumps((subject.mixer, batch.images.numpy(), batch.labels.numpy(), batch.num_classes))
    images, weights = _worker().submit(_mix_pickled, payload).result(timeout=120)
    expect_equal(torch.from_numpy(images), here.images, "images mixed in another process")
    expect_equal(torch.from_numpy(weights), here.weights, "label weights from another process")


def gpu_agrees_with_cpu(subject: Subject) -> None:
    """A plan carried out on a CUDA device gives what it gives on the CPU, and is drawn alike for images there."""
    if not torch.cuda.is_available():
        raise NotApplicable("no CUDA device here")
    device = torch.device("cuda")
    batch = subject.batch()
    there = Batch(images=batch.images.to(device), labels=batch.labels.to(device), num_classes=batch.num_classes)
    for step in range(4):
        plan, plan_there = subject.plan(batch, step), subject.plan(there, step)
        for name, tensor in plan_tensors(plan).items():
            expect_close(plan_tensors(plan_there)[name].cpu(), tensor, f"the plan's `{name}` drawn for CUDA images")
        here, moved = subject.mixer.apply(batch.images, plan), subject.mixer.apply(there.images, plan)
        expect_equal(moved.sources.cpu(), here.sources, "sources on CUDA")
        expect_close(moved.weights.cpu(), here.weights, "label weights on CUDA")
        expect_close(moved.images.cpu(), here.images, "images mixed on CUDA", 1e-4)


@functools.cache
def _worker() -> ProcessPoolExecutor:
    """Start one process for all checks of a run, as importing torch takes seconds; it ends with the interpreter."""
    return ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))


def _mix_pickled(payload: bytes) -> tuple[Any, Any]:
    """Run in the worker: unpickle a mixer, mix, and return numpy arrays."""
    mixer, images, labels, num_classes = pickle.loads(payload)  # noqa: S301  # made by this module, in this run
    batch = Batch(images=torch.from_numpy(images), labels=torch.from_numpy(labels), num_classes=num_classes)
    mixed = mixer.apply(batch.images, mixer.draw(batch, Streams(0).generator("kit", 0)))
    return mixed.images.numpy(), mixed.weights.numpy()


TRAVEL_CHECKS: tuple[Check, ...] = (pickles_into_a_worker, gpu_agrees_with_cpu)
