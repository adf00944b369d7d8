"""What changes during training and is saved with a checkpoint: model, optimiser, average of weights."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, cast

import torch
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn

from automix.mixing.mixer import ModelInfo
from automix.mixing.probes import anatomy
from automix.mixing.random import seed_of
from automix.training.device import autocast, seeded
from automix.training.models import build_model
from automix.training.optim import build_optimizer

if TYPE_CHECKING:
    from automix.data.dataset import DataSet
    from automix.policy.mixer import PolicyMixer
    from automix.training.settings import TrainSettings

__all__ = ["Learner"]


class Learner:
    """A model in training.

    Args:
        data: decides channels, size and classes.
        settings: model, optimiser and precision.
        mix: may bring modules of its own, which are trained and saved along.
        device: where everything lives.
        n_parts: into how many parts a mixed batch is split for its way through the model, where memory is short.

    Raises:
        UnknownNameError, ModelError: as `automix.training.models.build_model`; or the policy looks into the model and
            cannot.
    """

    def __init__(
        self, data: DataSet, settings: TrainSettings, mix: PolicyMixer, device: torch.device, n_parts: int = 1
    ) -> None:
        self.device = device
        self.n_parts = n_parts
        self._amp = settings.amp
        model = build_model(
            settings.model,
            num_classes=data.num_classes,
            channels=data.channels,
            image_size=data.image_size,
            pretrained=settings.pretrained,
            seed=seed_of(settings.seed, "init"),
        )
        # What a GPU's convolutions want; on the CPU a step takes 0 to 30 % less time, too (measured, 8 to 96 px).
        self.model = model.to(device).to(memory_format=torch.channels_last)
        mix.check_model(self.model, torch.zeros(2, data.channels, *data.image_size, device=device))
        with seeded(seed_of(settings.seed, "init", "extra")):
            width: int = getattr(model, "num_features", 0)
            info = ModelInfo(num_features=width, num_classes=data.num_classes, anatomy=anatomy(model))
            self.extra = mix.extra_modules(info).to(device)
        self.optimizer = build_optimizer([self.model, self.extra], settings)
        self.ema = ModelEmaV3(self.model, decay=settings.ema, use_warmup=True) if settings.ema else None

    @property
    def evaluated(self) -> nn.Module:
        """The model that is judged and kept: averaged weights if there are any."""
        return cast(nn.Module, self.ema.module) if self.ema is not None else self.model

    def autocast(self) -> AbstractContextManager[object]:
        """Make the context for forward passes."""
        return autocast(self.device, self._amp)

    def logits(self, images: Tensor) -> Tensor:
        """Run the model on images (B, C, H, W); returns (B, K)."""
        return cast(Tensor, self.model(images.contiguous(memory_format=torch.channels_last)))

    def add_gradient(self, loss: Tensor) -> None:
        """Add a loss's gradient to what the next step goes by."""
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def update(self, step: int) -> None:
        """Take one step of the optimiser; ``step`` counts from 0 over the whole training."""
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema is not None:
            self.ema.update(self.model, step=step + 1)

    def state(self) -> dict[str, Any]:
        """Return everything needed to go on, as a checkpoint can hold it."""
        return {"n_parts": self.n_parts, **{name: part.state_dict() for name, part in self._parts().items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; a batch that had to be split stays split."""
        self.n_parts = max(self.n_parts, state["n_parts"])
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        parts = {"model": self.model, "extra": self.extra, "optimizer": self.optimizer}
        return parts if self.ema is None else {**parts, "ema": self.ema.module}
