"""What is looked at in detail: which policies, and the trained model for those that must see one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automix.planning import SearchPlan
from automix.policy import PolicyDocument, compile_policy
from automix.search.result import SearchResult
from automix.verdict.decision import NO_MIXING

if TYPE_CHECKING:
    from torch import nn

    from automix.confirming import Confirmation

__all__ = ["shown_policies", "trained_model"]

_LEADER = "leading policy"


def shown_policies(
    plan: SearchPlan, result: SearchResult, confirmation: Confirmation | None, model: nn.Module | None
) -> dict[str, PolicyDocument]:
    """Return the policy that leads, then every method of the space with its published settings.

    Without a model, what must see one is left out.
    """
    leader = _leader(result, confirmation)
    shown = {} if leader is None or not leader.is_mixing else {_LEADER: leader}
    shown |= {name: plan.space.defaults(name) for name in plan.space.mixers if name != NO_MIXING}
    return {name: policy for name, policy in shown.items() if model is not None or not _must_see(plan, policy)}


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


def _must_see(plan: SearchPlan, document: PolicyDocument) -> bool:
    data = plan.data
    policy = compile_policy(
        document, plan.host.registry, num_classes=data.num_classes, normalization=(data.mean, data.std)
    )
    return any(branch.mixer.sees for branch in policy.branches)
