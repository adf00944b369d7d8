"""Checks of what fills a mixer's slots and a policy's: ratio laws, pairings, guides, label rules, input treatments."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import cast

import torch

from automix.mixing import Pairing, RatioLaw, Streams
from automix.testing.findings import Check, expect, expect_equal
from automix.testing.guides import GUIDE_CHECKS
from automix.testing.rules import RULE_CHECKS
from automix.testing.subject import Subject

__all__ = ["SLOT_CHECKS"]


def pickles(subject: Subject) -> None:
    """The component survives pickling with its configuration."""
    again = pickle.loads(pickle.dumps(subject.component))  # noqa: S301  # made on this line
    expect(
        again.config() == subject.component.config(),
        f"expected {subject.component.config()!r} after pickling but got {again.config()!r}",
    )


def ratios_are_ratios(subject: Subject) -> None:
    """`sample` gives n float32 values in [0, 1] on the CPU, the same from the same stream."""
    law = cast(RatioLaw, subject.component)
    for n in (1, 7, 500):
        lam = law.sample(n, Streams(0).generator(n))
        expect(
            lam.shape == (n,) and lam.dtype == torch.float32 and lam.device.type == "cpu",
            f"expected ({n},) float32 on the CPU but got {tuple(lam.shape)} {lam.dtype} on {lam.device}",
        )
        expect(
            bool(((lam >= 0) & (lam <= 1)).all()), f"expected lam in [0, 1] but got {lam.min():.4g} .. {lam.max():.4g}"
        )
        expect_equal(law.sample(n, Streams(0).generator(n)), lam, "lam from the same stream")


def partners_are_rows(subject: Subject) -> None:
    """`partners` gives each row one row of the batch, for any batch and labels, the same from the same stream."""
    pairing = cast(Pairing, subject.component)
    for n in (1, 2, 9):
        for labels in (torch.zeros(n, dtype=torch.long), torch.arange(n), torch.arange(n) % 3):
            partners = pairing.partners(labels, Streams(0).generator(n))
            expect(
                partners.shape == (n,) and partners.dtype == torch.int64 and partners.device.type == "cpu",
                f"expected ({n},) int64 on the CPU but got {tuple(partners.shape)} {partners.dtype}",
            )
            inside = bool(((partners >= 0) & (partners < n)).all())
            expect(inside, f"expected partners in [0, {n}) but got {partners.tolist()}")
            expect_equal(pairing.partners(labels, Streams(0).generator(n)), partners, "partners from the same stream")


def treatments_keep_the_shape(subject: Subject) -> None:
    """An input treatment, fitted where it must be, gives finite images of the same shape and leaves its input alone."""
    normalization = ((0.5,) * 3, (0.25,) * 3)
    treatment = subject.build(normalization=normalization)
    images = torch.rand(6, 3, 9, 12, generator=Streams(0).generator("input"))
    before = images.clone()
    treatment.fit([images[:3], images[3:]])
    expect(treatment.is_fitted, "expected the treatment to be fitted after `fit`")
    treated = treatment.treat(images)
    expect(treated.shape == images.shape, f"expected {tuple(images.shape)} but got {tuple(treated.shape)}")
    expect(bool(treated.isfinite().all()), "expected finite pixels")
    expect_equal(images, before, "images after `treat`")
    again = subject.build(normalization=normalization, statistics=treatment.statistics)
    expect_equal(again.treat(images), treated, "images treated with the statistics of the policy document")


SLOT_CHECKS: Mapping[str, tuple[Check, ...]] = {
    "ratio": (pickles, ratios_are_ratios),
    "pairing": (pickles, partners_are_rows),
    "guide": (pickles, *GUIDE_CHECKS),
    "labels": (pickles, *RULE_CHECKS),
    "input": (pickles, treatments_keep_the_shape),
}
