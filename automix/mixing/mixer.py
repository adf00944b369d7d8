"""Mixer: decides in `draw`, moves in `apply`, follows maps in `carry`.

`draw` sees images, labels and importance maps and makes every decision, random or not. `apply` only moves and blends,
so that a plan made by hand reproduces any other implementation's result. A subclass for pairs usually overrides
`PairMixer.decide` alone; what moves pixels is in `automix.mixing.families`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor, nn

from automix.errors import PluginError, PolicyError
from automix.mixing.artifacts import PrepareContext
from automix.mixing.batch import Batch, MixedBatch, MixPlan, PairPlan
from automix.mixing.buffers import Buffers
from automix.mixing.component import Component
from automix.mixing.guide import Guide
from automix.mixing.pairing import Pairing, RandomPairing
from automix.mixing.params import Choice, Float
from automix.mixing.ratio import BetaLaw, RatioLaw
from automix.mixing.requires import Requires
from automix.mixing.shares import constant_shares

if TYPE_CHECKING:
    from automix.mixing.probes import Anatomy, CleanView

__all__ = ["KeepPlan", "LossContext", "Mixer", "ModelInfo", "PairMixer", "Requires"]


@dataclass(frozen=True)
class ModelInfo:
    """What `Mixer.extra_modules` may know of the model: its feature width, the classes, and how it is built."""

    num_features: int
    num_classes: int
    anatomy: Anatomy | None = None


@dataclass(frozen=True, eq=False)
class LossContext:
    """What an extra loss may look at.

    Args:
        model: the model being trained.
        batch: the clean batch.
        mixed: the mixed batch that went through the model.
        logits: (B', K) of the mixed images.
        clean: the model's view of the clean images: one forward pass in evaluation mode and without gradient, made when
            first asked for and shared with the guide.
        probes: what the mixer's `probes` names: "features" of the mixed images, (B', C, h, w), attached to the graph.
        extra: the modules from `Mixer.extra_modules`, which the trainer owns.
    """

    model: nn.Module
    batch: Batch
    mixed: MixedBatch
    logits: Tensor
    clean: CleanView
    probes: Mapping[str, Tensor] = field(default_factory=dict)
    extra: Mapping[str, nn.Module] = field(default_factory=dict)

    def clean_logits(self) -> Tensor:
        """(B, K) float32 of the clean images, detached."""
        return self.clean.logits()


@dataclass(frozen=True, kw_only=True, eq=False)
class KeepPlan(MixPlan):
    """Nothing is mixed.

    Args:
        n: rows of the batch.
    """

    n: int

    @property
    def sources(self) -> Tensor:
        """(n, 1) int64: each row itself."""
        return torch.arange(self.n)[:, None]

    @property
    def weights(self) -> Tensor:
        """(n, 1) float32: ones."""
        return torch.ones(self.n, 1)


class Mixer(Component, ABC):
    """Decides which images are mixed and how, and does it.

    Attributes:
        reads: slots of a policy branch that it uses, of "ratio", "pairing", "guide", "labels"; the others are rejected
            in a
            document and absent from the search space.
        defaults: what fills a slot that is not given.
        requires: what must be there for it to work.
        plan_type: the class of its plans, documented field by field, for plans made by hand.
        share_equals_weight: whether the share of pixels is the label weight (before any label rule); checked on
            constant-colour images.
        dtypes: image types that `apply` takes.
        probes: what its extra loss reads of the mixed images' forward pass besides the logits: "features" or nothing.

    Args:
        ratio: law of lam. pairing: who with whom. guide: importance maps. Each only where the mixer reads that slot.
        values: declared parameters.
    """

    kind = "mixer"
    reads: ClassVar[frozenset[str]] = frozenset()
    defaults: ClassVar[Mapping[str, Component]] = {}
    requires: ClassVar[Requires] = Requires()
    plan_type: ClassVar[type[MixPlan]] = KeepPlan
    share_equals_weight: ClassVar[bool] = True
    dtypes: ClassVar[tuple[torch.dtype, ...]] = (torch.float32, torch.bfloat16, torch.float16)
    probes: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        *,
        ratio: RatioLaw | None = None,
        pairing: Pairing | None = None,
        guide: Guide | None = None,
        **values: Any,
    ) -> None:
        super().__init__(**values)
        given: dict[str, Component | None] = {"ratio": ratio, "pairing": pairing, "guide": guide}
        for slot, component in given.items():
            if component is not None and slot not in self.reads:
                raise PolicyError(
                    f"The mixer {self.name!r} has no {slot}: leave `{slot}` out (it reads {sorted(self.reads)})."
                )
        self._slots = {slot: given[slot] or self.defaults.get(slot) for slot in given}

    @property
    def slots(self) -> dict[str, Component]:
        """The slots that are filled, by name, without the label rule."""
        return {slot: part for slot, part in self._slots.items() if part is not None}

    @property
    def ratio(self) -> RatioLaw:
        """The law of lam in this mixer's slot."""
        return cast(RatioLaw, self._filled("ratio"))

    @property
    def pairing(self) -> Pairing:
        """The pairing in this mixer's slot."""
        return cast(Pairing, self._filled("pairing"))

    @property
    def guide(self) -> Guide:
        """The guide in this mixer's slot."""
        return cast(Guide, self._filled("guide"))

    def _filled(self, slot: str) -> Component:
        component = self._slots[slot]
        if component is None:
            raise PolicyError(f"The mixer {self.name!r} needs a {slot}: name one in the policy.")
        return component

    def importance(self, batch: Batch) -> Tensor:
        """Return the guide's maps (B, 1, h, w): those that came with the batch, else computed now.

        Raises:
            PolicyError: the guide looks into the model, and no model came with the batch.
        """
        given = batch.guides.get(self.guide.name)
        if given is not None:
            return given
        if self.guide.sees and batch.clean is None:
            raise PolicyError(
                f"The guide {self.guide.name!r} must see the model: use `loss = mix.loss(model, images, labels)`, or "
                "pass `model` to `mix.batch`."
            )
        return self.guide.maps(batch.images, batch.class_indices, batch.clean)

    @property
    def sees(self) -> frozenset[str]:
        """What is captured of the model's view of the clean images: what the guide reads."""
        guide = self._slots["guide"]
        return guide.sees if isinstance(guide, Guide) else frozenset()

    @property
    def input_name(self) -> str:
        """The input treatment that belongs to this mixer where a policy names none."""
        return "standard"

    @abstractmethod
    def draw(self, batch: Batch, generator: torch.Generator) -> MixPlan:
        """Decide everything about one batch. Random numbers come from ``generator`` (CPU) alone."""

    def apply(self, images: Tensor, plan: MixPlan, buffers: Buffers | None = None) -> MixedBatch:
        """Carry out a plan.

        Args:
            images: (B, C, H, W); not changed.
            plan: from `draw`, or made by hand.
            buffers: where output memory is taken from; fresh memory where None.

        Returns:
            The mixed batch, on the images' device.
        """
        if isinstance(plan, KeepPlan):
            return MixedBatch.unmixed(images)
        plan = plan.to(images.device)
        shape = (len(plan.sources), *images.shape[1:])
        out = (buffers or Buffers()).take(shape, images.dtype, images.device)
        return MixedBatch(
            images=self.move(images, plan, out),
            sources=plan.sources,
            weights=plan.weights,
            plan=plan,
            share_function=partial(self.shares, plan),
        )

    def move(self, images: Tensor, plan: Any, out: Tensor) -> Tensor:
        """Write the mixed images into ``out``; the plan is this mixer's own type, on the images' device.

        Every mixer defines it that draws more than `KeepPlan`.
        """
        raise PluginError(f"The mixer {self.name!r} draws plans of its own, so it must define `move`.")

    def shares(self, plan: Any, h: int, w: int, how: str) -> Tensor:
        """Compute `MixedBatch.shares` for a plan of this mixer's own type; constant weights unless overridden."""
        return constant_shares(plan.weights)

    def carry(self, maps: Tensor, plan: MixPlan) -> Tensor:
        """Bring per-image maps through the plan: where each source's map lies in the picture, and how much of it is
        still seen.

        Mass moves with the pixels: what is cut away is gone, what is shrunk keeps its sum, what is blended counts by
        its share. Nothing photometric happens (no gain, no offset), so that maps of any unit can be carried.

        Args:
            maps: (B, 1, h, w) float, non-negative, any resolution.
            plan: as for `apply`.

        Returns:
            (B', S, h, w) float32.
        """
        if isinstance(plan, KeepPlan):
            return maps.float()
        plan = plan.to(maps.device)
        shares = self.shares(plan, maps.shape[-2], maps.shape[-1], "area")
        return maps[plan.sources][:, :, 0].float() * shares

    @property
    def has_loss(self) -> bool:
        """Whether `loss` may return one, for which the model is needed."""
        return type(self).loss is not Mixer.loss

    def loss(self, context: LossContext) -> Tensor | None:
        """Return an extra loss (0-d) added to the classification loss, or None."""
        return None

    def extra_modules(self, info: ModelInfo) -> Mapping[str, nn.Module]:
        """Return trainable modules that the extra loss needs; the trainer owns them."""
        return {}

    def prepare(self, context: PrepareContext) -> None:
        """Train or fit what the mixer needs before the first batch; the result goes through ``context.store``."""


class PairMixer(Mixer):
    """A mixer that gives each image one partner.

    `draw` picks partners (pairing), lam (ratio) and the rows to mix (prob) and leaves the rest to `decide`.
    """

    reads = frozenset({"ratio", "pairing", "labels"})
    defaults: ClassVar[Mapping[str, Component]] = {"ratio": BetaLaw(), "pairing": RandomPairing()}
    plan_type: ClassVar[type[MixPlan]] = PairPlan

    prob = Float(
        1.0,
        low=0.0,
        high=1.0,
        search=(0.3, 1.0),
        doc="Probability that an image (or batch) is mixed.",
        source="OpenMixup benchmark",
    )
    prob_unit = Choice(
        "sample",
        choices=("sample", "batch"),
        doc="Whether `prob` is a coin per image or per batch.",
        source="official codes: batch",
        searched=False,
    )
    draw_unit = Choice(
        "sample",
        choices=("sample", "batch"),
        doc="Whether lam and geometry are drawn once per image or once per batch.",
        source="official codes: batch",
        searched=False,
    )

    def draw(self, batch: Batch, generator: torch.Generator) -> MixPlan:
        """Draw which rows, partners and lam; then `decide`."""
        n = len(batch)
        coins = 1 if self.prob_unit == "batch" else n
        # Drawn also where prob is 0 or 1, so that what follows in the stream does not depend on prob.
        active = torch.rand(coins, generator=generator) < self.prob
        if coins == 1 and not bool(active):
            return KeepPlan(n=n)
        perm = self.pairing.partners(batch.class_indices, generator)
        units = 1 if self.draw_unit == "batch" else n
        lam = self.ratio.sample(units, generator) if "ratio" in self.reads else torch.ones(units)
        plan = self.decide(batch, perm, lam, generator)
        return plan if bool(active.all()) else self.keep_own(plan, ~active)

    @abstractmethod
    def decide(self, batch: Batch, perm: Tensor, lam: Tensor, generator: torch.Generator) -> PairPlan:
        """Make the plan for given partners and ratios.

        Args:
            batch: images, labels and maps.
            perm: (B,) int64, CPU.
            lam: (B,) float32, CPU; or (1,) where geometry is drawn once for the whole batch. Ones for a mixer that does
                not read the ratio slot.
            generator: for what is still random.
        """

    def keep_own(self, plan: PairPlan, rows: Tensor) -> PairPlan:
        """Return the plan with ``rows`` ((B,) bool) left unmixed: their partner is themselves, with lam 1."""
        own = torch.arange(len(plan.perm))
        return plan.replaced(perm=torch.where(rows, own, plan.perm), lam=plan.lam.masked_fill(rows, 1.0))
