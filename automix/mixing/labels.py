"""Label rules: from what the picture holds to what the label says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from automix.errors import PolicyError
from automix.mixing.batch import Batch, MixedBatch
from automix.mixing.component import Card, Component

__all__ = ["AreaLabels", "LabelRule", "Observed"]


@dataclass(frozen=True, eq=False)
class Observed:
    """What a rule that acts after the forward pass may look at.

    Args:
        logits: (B', K) of the mixed images, detached.
        probes: what was captured during the forward pass, by probe name (attention, token weights, features).
    """

    logits: Tensor
    probes: Mapping[str, Any] = field(default_factory=dict)


class LabelRule(Component):
    """Sets the label weights of a mixed batch.

    Attributes:
        when: "before" the forward pass, or "after" it for rules that need the model's view of the mixed images.
        probes: names of what must be captured during the forward pass (rules that act after it).
    """

    kind = "labels"
    when: ClassVar[str] = "before"
    probes: ClassVar[frozenset[str]] = frozenset()

    def before(self, mixed: MixedBatch, batch: Batch) -> MixedBatch:
        """Return the mixed batch with this rule's weights (rules with ``when = "before"``).

        Raises:
            PolicyError: the rule acts after the forward pass.
        """
        raise PolicyError(
            f"The label rule {self.name!r} acts after the forward pass: use mix.loss(model, images, labels)."
        )

    def after(self, mixed: MixedBatch, batch: Batch, seen: Observed) -> MixedBatch:
        """Return the mixed batch with this rule's weights, given what the model made of it.

        Rules that act before the forward pass change nothing here.
        """
        return mixed


class AreaLabels(LabelRule):
    """The mixer's own weights: the share of pixels that was pasted, or the ratio of the blend."""

    name = "area"
    card: ClassVar[Card] = Card(
        title="Area or blend ratio",
        summary="Each source weighs what the mixer says: pasted area for cut methods, lam for blends.",
    )

    def before(self, mixed: MixedBatch, batch: Batch) -> MixedBatch:
        """Return the batch as the mixer made it."""
        return mixed
