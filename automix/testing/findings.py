"""What a check says: it holds, it is broken, or it does not apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from automix.testing.subject import Subject

__all__ = ["Check", "ContractError", "Finding", "NotApplicable", "claim_of", "expect", "expect_close", "expect_equal"]

Check = Callable[[Subject], None]
"""A named function whose docstring's first line is the claim; raises `ContractError` where the claim does not hold."""


class ContractError(AssertionError):
    """A claim of the contract does not hold; the message says what was expected and what was got."""


class NotApplicable(Exception):  # noqa: N818  # not an error: the reason why a check was skipped
    """The claim is not about this component; the message says why."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check on one component.

    Args:
        subject: kind and name, as "mixer cutmix".
        check: name of the check function.
        claim: what must hold.
        status: passed, failed or skipped.
        detail: what was got, or why the check was skipped; empty where it passed.
    """

    subject: str
    check: str
    claim: str
    status: Literal["passed", "failed", "skipped"]
    detail: str = ""


def claim_of(check: Check) -> str:
    """Return the first line of a check's docstring."""
    return (check.__doc__ or check.__name__).strip().splitlines()[0]


def expect(holds: bool, message: str) -> None:
    """Raise `ContractError` with ``message`` unless it holds."""
    if not holds:
        raise ContractError(message)


def expect_equal(got: Tensor, expected: Tensor, what: str) -> None:
    """Expect the same shape, type and bits."""
    expect(
        got.shape == expected.shape and got.dtype == expected.dtype,
        f"{what}: expected {_kind(expected)} but got {_kind(got)}",
    )
    if not torch.equal(got, expected):
        raise ContractError(f"{what}: {_difference(got, expected)}")


def expect_close(got: Tensor, expected: Tensor, what: str, tolerance: float = 1e-5) -> None:
    """Expect the same shape, and values within an absolute tolerance; NaN is never close."""
    expect(got.shape == expected.shape, f"{what}: expected shape {tuple(expected.shape)} but got {tuple(got.shape)}")
    if bool((~((got.float() - expected.float()).abs() <= tolerance)).any()):
        raise ContractError(f"{what}: {_difference(got, expected)}")


def _kind(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {tensor.dtype}"


def _difference(got: Tensor, expected: Tensor) -> str:
    gap = (got.double() - expected.double()).abs()
    rows = gap.reshape(len(gap) if gap.ndim else 1, -1)
    n_off = int((~(rows <= 0)).any(dim=1).sum())
    return f"{n_off} of {len(rows)} rows differ, by up to {float(gap.max()):.4g}"
