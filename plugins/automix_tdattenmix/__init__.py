"""TdAttenMix for automix. Only hooks here: torch waits until one of them is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from automix.hookspecs import RegisterPolicy, hookimpl

if TYPE_CHECKING:
    from automix.mixing import Mixer

automix_api = "1"


@hookimpl
def automix_register_mixers(register: Callable[[type[Mixer]], None]) -> None:
    """Register the mixer `tdattenmix`."""
    from automix_tdattenmix.mixer import TdAttenMix

    register(TdAttenMix)


@hookimpl
def automix_register_policies(register: RegisterPolicy) -> None:
    """Register the policy tdattenmix_paper."""
    from automix_tdattenmix.policies import TDATTENMIX_PAPER

    register(
        "tdattenmix_paper",
        TDATTENMIX_PAPER,
        "TdAttenMix as its released code trains: in half of the batches windows chosen by a top-down guide, in the "
        "other half mixup 0.8; partners in reverse order, one window size per batch, label smoothing 0.1.",
    )
