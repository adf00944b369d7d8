"""Runs the contract on one component and tells what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from automix.mixing import Component
from automix.testing.accounts import ACCOUNT_CHECKS
from automix.testing.chance import CHANCE_CHECKS
from automix.testing.declaration import DECLARATION_CHECKS
from automix.testing.findings import Check, ContractError, Finding, NotApplicable, claim_of
from automix.testing.pixels import PIXEL_CHECKS
from automix.testing.slots import SLOT_CHECKS
from automix.testing.subject import Subject
from automix.testing.travel import TRAVEL_CHECKS

__all__ = ["MIXER_CHECKS", "check_component", "check_mixer", "checks_for"]

MIXER_CHECKS: tuple[Check, ...] = (
    *DECLARATION_CHECKS,
    *PIXEL_CHECKS,
    *ACCOUNT_CHECKS,
    *CHANCE_CHECKS,
    *TRAVEL_CHECKS,
)


def checks_for(kind: str) -> tuple[Check, ...]:
    """Return the checks that a component of this kind must pass."""
    return MIXER_CHECKS if kind == "mixer" else (*DECLARATION_CHECKS, *SLOT_CHECKS.get(kind, ()))


def check_component(
    factory: Callable[..., Component], *, settings: Mapping[str, Any] | None = None, kind: str | None = None
) -> list[Finding]:
    """Run every check that applies to a component's kind.

    Args:
        factory: the class, or a function that takes its constructor's keywords and passes them on.
        settings: keywords for every construction, to check a variant.
        kind: mixer, ratio, pairing, labels, guide or input; the class's own where None (must be given for a function).

    Returns:
        One finding per check, in a fixed order. A check that raises anything is a failed finding, so that one broken
        method does not hide the others.
    """
    subject = Subject(factory, dict(settings or {}))
    return [_finding(check, subject) for check in checks_for(str(kind or getattr(factory, "kind", "")))]


def check_mixer(factory: Callable[..., Component], *, settings: Mapping[str, Any] | None = None) -> list[Finding]:
    """Run every check of the mixers' contract; see `check_component`.

    Example:
        >>> from automix.testing import check_mixer
        >>> from automix.mixing import BlendMixer
        >>> findings = check_mixer(BlendMixer)  # no name, no card, nothing decided
        >>> findings[0].check, findings[0].status
        ('card_is_filled', 'failed')
    """
    return check_component(factory, settings=settings, kind="mixer")


def _finding(check: Check, subject: Subject) -> Finding:
    title = f"{getattr(subject.factory, 'kind', '')} {getattr(subject.factory, 'name', subject.factory)}".strip()
    try:
        check(subject)
    except NotApplicable as reason:
        return Finding(title, check.__name__, claim_of(check), "skipped", str(reason))
    except ContractError as broken:
        return Finding(title, check.__name__, claim_of(check), "failed", str(broken))
    except Exception as error:  # noqa: BLE001  # a stranger's code may raise anything; the finding names it
        return Finding(title, check.__name__, claim_of(check), "failed", f"{type(error).__name__}: {error}")
    return Finding(title, check.__name__, claim_of(check), "passed")
