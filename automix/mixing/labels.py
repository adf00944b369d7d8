"""Label rules: from what the picture holds to what the label says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from automix.errors import PolicyError
from automix.mixing.batch import Batch, MixedBatch
from automix.mixing.component import Card, Component
from automix.mixing.requires import Requires

if TYPE_CHECKING:
    from automix.mixing.probes import Anatomy, BlockAttention

__all__ = ["AreaLabels", "Follower", "LabelRule", "Observed"]


class Follower(ABC):
    """Follows one mixed batch through the model, block by block, and comes to label weights; keeps no maps.

    Attributes:
        blocks: which blocks it wants to see, from 0; all where None.
        heads: "mean" or "max" over heads.
    """

    blocks: Sequence[int] | None = None
    heads: str = "mean"

    @abstractmethod
    def see(self, attention: BlockAttention) -> None:
        """Take in the attention of one block; called in order, once each, without gradient and outside of autocast."""

    @abstractmethod
    def weights(self) -> Tensor:
        """(B', S) float32: the label weight of each source, once every block was seen."""

    def picture(self) -> Tensor | None:
        """(B', h, w) float32 in [0, 1]: what it saw, to be laid over the mixed images; None for nothing."""
        return None


@dataclass(frozen=True, eq=False)
class Observed:
    """What a rule that acts after the forward pass may look at.

    Args:
        logits: (B', K) of the mixed images, detached.
        follower: what the rule's `follow` returned, after it has seen its blocks.
    """

    logits: Tensor
    follower: Follower | None = None


class LabelRule(Component):
    """Sets the label weights of a mixed batch.

    Attributes:
        when: "before" the forward pass, or "after" it for rules that need the model's view of the mixed images.
        requires: what must be there for it to work.
        probes: what must be captured during the forward pass: "attention" of every block, or "attention_map" of one
            over the whole image (rules that act after it).
    """

    kind = "labels"
    when: ClassVar[str] = "before"
    requires: ClassVar[Requires] = Requires()
    probes: ClassVar[frozenset[str]] = frozenset()

    def before(self, mixed: MixedBatch, batch: Batch) -> MixedBatch:
        """Return the mixed batch with this rule's weights (rules with ``when = "before"``).

        Raises:
            PolicyError: the rule acts after the forward pass.
        """
        raise PolicyError(
            f"The label rule {self.name!r} acts after the forward pass: use mix.loss(model, images, labels)."
        )

    def follow(self, mixed: MixedBatch, batch: Batch, anatomy: Anatomy) -> Follower | None:
        """Return who follows this batch through the model; None where its weights need no look into the model.

        Args:
            mixed: what the model is about to see.
            batch: the clean batch.
            anatomy: of the model.

        Raises:
            ModelError: the model does not have what the parameters ask for.
        """
        return None

    def after(self, mixed: MixedBatch, batch: Batch, seen: Observed) -> MixedBatch:
        """Return the mixed batch with this rule's weights, given what the model made of it.

        The follower's weights where there is one. Rules that act before the forward pass change nothing here.
        """
        return mixed if seen.follower is None else replace(mixed, weights=seen.follower.weights())


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
