"""One batch on its way through a policy: the branch that was drawn, the mixed images, who looks into the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from automix.errors import PolicyError
from automix.mixing.batch import Batch, MixedBatch
from automix.mixing.labels import Follower, LabelRule, Observed
from automix.mixing.mixer import LossContext, Mixer
from automix.mixing.probes import CleanView, anatomy, as_map, watch_attention, watch_features

__all__ = ["Autocast", "CompiledBranch", "MixedStep", "exact"]

Autocast = Callable[[], AbstractContextManager[Any]]
"""Makes the context in which a model runs."""


@dataclass(frozen=True, eq=False)
class CompiledBranch:
    """One branch of a policy, ready to mix."""

    weight: float
    mixer: Mixer
    labels: LabelRule

    def config(self) -> dict[str, Any]:
        """Return the branch's slots as a document writes them, every default filled in."""
        slots = {slot: part.config() for slot, part in self.mixer.slots.items()}
        labels = {"labels": self.labels.config()} if "labels" in self.mixer.reads else {}
        return {"mixer": self.mixer.config(), **slots, **labels}

    @property
    def has_extra_loss(self) -> bool:
        """Whether the mixer adds a loss of its own."""
        return self.mixer.has_loss

    def needing_model(self) -> list[str]:
        """Name the parts that cannot do without the model."""
        after = [self.labels.name] if self.labels.when == "after" else []
        guide = [self.mixer.guide.name] if self.mixer.sees else []
        return [*after, *guide, *([self.mixer.name] if self.has_extra_loss else [])]

    def probes(self) -> dict[str, str]:
        """Say what must be captured of the model, and for which part."""
        own = dict.fromkeys(self.labels.probes, self.labels.name)
        own |= dict.fromkeys(self.mixer.probes, self.mixer.name)
        for what in self.mixer.sees - {"logits"}:
            own["attention_map" if what == "attention" else what] = self.mixer.guide.name
        return own


@dataclass(eq=False)
class MixedStep:
    """One mixed batch with what it was made from.

    Args:
        batch: the clean batch, after the input treatment.
        mixed: the mixed batch; ``mixed.images`` is what the network sees.
        branch: the branch that was drawn, or None where mixing was off.
        model: what will see it; None where nobody said.
        follower: who follows the batch through the model for the label rule, or None.
        captured: what the forward pass showed, by probe name.
    """

    batch: Batch
    mixed: MixedBatch
    branch: CompiledBranch | None
    model: nn.Module | None = None
    follower: Follower | None = None
    captured: dict[str, Tensor] = field(default_factory=dict)
    _is_watched: bool = False

    @property
    def targets(self) -> Tensor:
        """(B', K) float32 dense targets, before a label rule that acts after the forward pass."""
        return self.mixed.targets(self.batch.labels, self.batch.num_classes)

    def parts(self, n: int) -> list[MixedStep]:
        """Split the mixed batch into ``n`` parts that go through the model one after the other; nothing is drawn again.

        A mixer's own loss needs the batch whole, and so does one of fewer than ``2 * n`` rows: that stays one part.
        """
        n_rows = len(self.mixed.sources)
        if n == 1 or n_rows < 2 * n or (self.branch is not None and self.branch.has_extra_loss):
            return [self]
        bounds = [n_rows * i // n for i in range(n + 1)]
        return [self._part(slice(start, end)) for start, end in pairwise(bounds)]

    def _part(self, rows: slice) -> MixedStep:
        mixed = self.mixed.part(rows)
        follower = self.follower
        if self.branch is not None and follower is not None:
            follower = self.branch.labels.follow(mixed, self.batch, anatomy(self._seen_by()))
        return replace(self, mixed=mixed, follower=follower, captured={}, _is_watched=False)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look into the model for label rule and extra loss while it runs once inside the `with` block.

        Raises:
            ModelError: the model cannot be watched.
        """
        self._is_watched = True
        with ExitStack() as stack:
            if self.follower is not None:
                follower = self.follower
                watch = watch_attention(self._seen_by(), follower.see, follower.blocks, follower.heads)
                stack.enter_context(watch)
            if self.branch is not None and "features" in self.branch.mixer.probes:
                stack.enter_context(watch_features(self._seen_by(), self._keep_features))
            yield

    def ruled(self, logits: Tensor) -> MixedBatch:
        """Return the mixed batch with the weights of a rule that acts after the forward pass.

        Raises:
            PolicyError: the model did not run inside `watching`.
        """
        if self.branch is None or self.branch.labels.when != "after":
            return self.mixed
        if self.follower is not None and not self._is_watched:
            raise PolicyError(
                f"The label rule {self.branch.labels.name!r} has not seen the model: run it as `with step.watching(): "
                "logits = model(step.mixed.images)`, or use mix.loss."
            )
        return self.branch.labels.after(self.mixed, self.batch, Observed(logits.detach(), self.follower))

    def loss_context(self, mixed: MixedBatch, logits: Tensor, extra: Mapping[str, nn.Module]) -> LossContext:
        """Gather what an extra loss may look at.

        Raises:
            PolicyError: nobody said which model it is.
        """
        model = self._seen_by()
        clean = self.batch.clean or CleanView(model, self.batch.images)
        return LossContext(
            model=model,
            batch=self.batch,
            mixed=mixed,
            logits=logits,
            clean=clean,
            probes=self.captured,
            extra=extra,
        )

    def _keep_features(self, features: Tensor) -> None:
        self.captured["features"] = as_map(features, anatomy(self._seen_by()), self.batch.size)

    def _seen_by(self) -> nn.Module:
        if self.model is None:
            name = "" if self.branch is None else f" of the mixer {self.branch.mixer.name!r}"
            raise PolicyError(f"The policy{name} must see the model: pass the model to `mix.batch`, or use mix.loss.")
        return self.model


@contextmanager
def exact(device: torch.device) -> Iterator[Autocast]:
    """Do arithmetic as written, whatever autocast is on; yields what brings that autocast back."""
    kind = device.type
    if not torch.is_autocast_enabled(kind):
        yield nullcontext
        return
    ambient = partial(torch.autocast, kind, dtype=torch.get_autocast_dtype(kind))
    with torch.autocast(kind, enabled=False):
        yield ambient
