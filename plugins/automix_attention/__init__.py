"""Guides that look where networks look. Only hooks here: torch waits until one of them is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from automix.hookspecs import hookimpl

if TYPE_CHECKING:
    from automix.mixing import Guide

automix_api = "1"


@hookimpl
def automix_register_guides(register: Callable[[type[Guide]], None]) -> None:
    """Register the guides self_attention, cam and top_down."""
    from automix_attention.model_guides import ClassActivation, SelfAttention
    from automix_attention.top_down import TopDown

    for guide in (SelfAttention, ClassActivation, TopDown):
        register(guide)
