"""What is looked at in detail: which policies, and the trained model for those that must see one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automix.errors import AutomixError
from automix.outputs.sheet import some_images
from automix.planning import SearchPlan
from automix.policy import PolicyDocument
from automix.report.pairs import choose_pairs, mixed_rows
from automix.search.result import SearchResult
from automix.verdict.decision import NO_MIXING

if TYPE_CHECKING:
    from torch import nn

    from automix.confirming import Confirmation

__all__ = ["shown_policies", "trained_model"]

_LEADER = "leading policy"


def shown_policies(
    plan: SearchPlan, result: SearchResult, confirmation: Confirmation | None, model: nn.Module | None
) -> tuple[dict[str, PolicyDocument], list[str]]:
    """Return the policy that leads, then every method of the space with its published settings.

    Returns:
        Name -> policy, and a line for each that cannot be shown: one that must see a model where there is none yet, or
        whose guide needs what only a training prepares.
    """
    leader = _leader(result, confirmation)
    wanted = {} if leader is None or not leader.is_mixing else {_LEADER: leader}
    wanted |= {name: plan.space.defaults(name) for name in plan.space.mixers if name != NO_MIXING}
    reasons = {name: _hindrance(plan, policy, model) for name, policy in wanted.items()}
    shown = {name: policy for name, policy in wanted.items() if not reasons[name]}
    return shown, [f"There is no picture of {name}: {reason}" for name, reason in reasons.items() if reason]


def trained_model(result: SearchResult) -> nn.Module | None:
    """Return the model of the best trial; None where there is none yet."""
    if result.best_checkpoint is None:
        return None
    from automix.training.export import load_model

    return load_model(result.best_checkpoint)[0]


def _leader(result: SearchResult, confirmation: Confirmation | None) -> PolicyDocument | None:
    """Return what validation chose on fresh seeds; where that is no mixing, or not known, the ranking's first."""
    if confirmation is not None and confirmation.verdict.winner != NO_MIXING:
        return confirmation.document(confirmation.verdict.winner)
    return None if result.document is None else PolicyDocument.from_dict(result.document)


def _hindrance(plan: SearchPlan, document: PolicyDocument, model: nn.Module | None) -> str:
    """Mix a pair, and say why where that cannot be done."""
    data = plan.data
    pairs = choose_pairs(*some_images(data), data.classes, 1)
    try:
        mixed_rows(pairs, {_LEADER: document}, plan.host.registry, (data.mean, data.std), model=model)
    except AutomixError as err:
        return str(err)
    return ""
