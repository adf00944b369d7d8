"""SmoothMix for automix. Only hooks here: torch waits until one of them is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from automix.hookspecs import hookimpl

if TYPE_CHECKING:
    from automix.mixing import Mixer

automix_api = "1"


@hookimpl
def automix_register_mixers(register: Callable[[type[Mixer]], None]) -> None:
    """Register the mixer `smoothmix`."""
    from automix_smoothmix.mixer import SmoothMix

    register(SmoothMix)
