"""Between-Class learning for automix. Only hooks here: torch waits until one of them is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from automix.hookspecs import hookimpl

if TYPE_CHECKING:
    from automix.mixing import InputTreatment, Mixer

automix_api = "1"


@hookimpl
def automix_register_mixers(register: Callable[[type[Mixer]], None]) -> None:
    """Register the mixer `between_class`."""
    from automix_between_class.mixer import BetweenClass

    register(BetweenClass)


@hookimpl
def automix_register_inputs(register: Callable[[type[InputTreatment]], None]) -> None:
    """Register the input treatment `zero_mean`."""
    from automix_between_class.inputs import ZeroMean

    register(ZeroMean)
