"""What every policy needs: ratio laws, pairings, the area label rule, the plain input, and reference policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from automix.hookspecs import RegisterPolicy, hookimpl

if TYPE_CHECKING:
    from automix.mixing import InputTreatment, LabelRule, Pairing, RatioLaw

automix_api = "1"


@hookimpl
def automix_register_ratios(register: Callable[[type[RatioLaw]], None]) -> None:
    """Register the laws beta, uniform, fixed and truncated_beta."""
    from automix.mixing import BetaLaw, FixedLaw, TruncatedBetaLaw, UniformLaw

    for law in (BetaLaw, UniformLaw, FixedLaw, TruncatedBetaLaw):
        register(law)


@hookimpl
def automix_register_pairings(register: Callable[[type[Pairing]], None]) -> None:
    """Register the pairings random, different_class, class_balanced and reverse."""
    from automix.mixing import ClassBalancedPairing, DifferentClassPairing, RandomPairing, ReversePairing

    for pairing in (RandomPairing, DifferentClassPairing, ClassBalancedPairing, ReversePairing):
        register(pairing)


@hookimpl
def automix_register_label_rules(register: Callable[[type[LabelRule]], None]) -> None:
    """Register the label rule area."""
    from automix.mixing import AreaLabels

    register(AreaLabels)


@hookimpl
def automix_register_inputs(register: Callable[[type[InputTreatment]], None]) -> None:
    """Register the input treatment standard."""
    from automix.mixing import StandardInput

    register(StandardInput)


@hookimpl
def automix_register_policies(register: RegisterPolicy) -> None:
    """Register the policies none, timm_default, deit and trivialmix."""
    from automix_basics.policies import DEIT, NONE, TIMM_DEFAULT, trivialmix

    register("none", NONE, "No mixing, no label smoothing: what every policy has to beat.")
    register(
        "timm_default",
        TIMM_DEFAULT,
        "timm's Mixup as its recipes set it: mixup 0.8 or cutmix 1.0, one of them per batch, label smoothing 0.1.",
    )
    register(
        "deit",
        DEIT,
        "The mixing part of DeiT's recipe; the same mixing as timm_default, so it is trained once for both.",
    )
    register(
        "trivialmix",
        trivialmix,
        "Nothing to tune: any registered mixer, drawn per batch with equal weight, with a uniform ratio.",
    )
