"""TransMix and TL-Align: labels that follow attention. Only hooks here: torch waits until one of them is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from automix.hookspecs import RegisterPolicy, hookimpl

if TYPE_CHECKING:
    from automix.mixing import LabelRule

automix_api = "1"


@hookimpl
def automix_register_label_rules(register: Callable[[type[LabelRule]], None]) -> None:
    """Register the label rules `transmix` and `tl_align`."""
    from automix_tokenlabel.rules import TLAlign, TransMix

    register(TransMix)
    register(TLAlign)


@hookimpl
def automix_register_policies(register: RegisterPolicy) -> None:
    """Register the policies transmix_paper and tl_align_paper."""
    from automix_tokenlabel.policies import TL_ALIGN_PAPER, TRANSMIX_PAPER

    register(
        "transmix_paper",
        TRANSMIX_PAPER,
        "TransMix as published: cutmix labelled by attention on 8 batches of 10, mixup 0.8 on the others.",
    )
    register(
        "tl_align_paper",
        TL_ALIGN_PAPER,
        "TL-Align as published: cutmix with boxes on the patch grid, labels followed through every block.",
    )
