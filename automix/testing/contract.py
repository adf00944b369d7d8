"""The mixers' contract as a test class that every implementation inherits; needs pytest to run, not to import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from unittest import SkipTest

from automix.mixing import Component
from automix.testing.findings import Check, NotApplicable, claim_of
from automix.testing.runner import MIXER_CHECKS
from automix.testing.subject import Subject

__all__ = ["MixerContract"]


class MixerContract:
    """Inherit, name your mixer, and pytest runs one test for each claim of the contract.

        class TestStripMix(MixerContract):
            mixer = StripMix

    Each test is named after its check (``test_weights_are_shares_of_one``); override one to replace it, with the reason
    in its docstring. A claim that is not about your mixer is skipped and says why.

    Attributes:
        mixer: the class, or a function (wrapped in staticmethod) that takes its constructor's keywords.
        settings: keywords for every construction, to test a variant.
    """

    mixer: ClassVar[Callable[..., Component]]
    settings: ClassVar[Mapping[str, Any]] = {}


def _test_of(check: Check) -> Callable[[MixerContract], None]:
    def test(self: MixerContract) -> None:
        try:
            check(Subject(type(self).mixer, self.settings))
        except NotApplicable as reason:
            # pytest turns this into a skip; raising its own would make pytest a dependency of the kit.
            raise SkipTest(str(reason)) from None

    test.__name__ = test.__qualname__ = f"test_{check.__name__}"
    test.__doc__ = claim_of(check)
    return test


for _check in MIXER_CHECKS:
    setattr(MixerContract, f"test_{_check.__name__}", _test_of(_check))
