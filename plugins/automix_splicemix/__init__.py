"""SpliceMix for automix. Only hooks here: torch waits until one of them is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from automix.hookspecs import RegisterPolicy, hookimpl

if TYPE_CHECKING:
    from automix.mixing import Mixer

automix_api = "1"


@hookimpl
def automix_register_mixers(register: Callable[[type[Mixer]], None]) -> None:
    """Register the mixer `splicemix`."""
    from automix_splicemix.mixer import SpliceMix

    register(SpliceMix)


@hookimpl
def automix_register_policies(register: RegisterPolicy) -> None:
    """Register the policies splicemix_paper and splicemix_mini."""
    from automix_splicemix.policies import MINI, PAPER

    register("splicemix_paper", PAPER, "SpliceMix, setting Default of the official code: grids 1x2, 2x2 or 2x3.")
    register("splicemix_mini", MINI, "SpliceMix, setting Mini as intended: every image once, in grids of 2x2.")
