"""PolicyMixer: a compiled policy, used in a training loop.

images, targets = mix(images, labels)                # policies that need not see the model
loss = mix.loss(model, images, labels)               # every policy

A loop that runs the model itself does what `loss` does:

    step = mix.batch(images, labels, epoch=epoch, step=number, model=model)
    with step.watching():
        logits = model(step.mixed.images)
    loss = mix.criterion(step, logits)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from automix.errors import DataError, ModelError, PolicyError, SettingError
from automix.mixing.batch import Batch, MixedBatch
from automix.mixing.buffers import Buffers
from automix.mixing.guide import Guide
from automix.mixing.inputs import InputTreatment
from automix.mixing.labels import Follower, LabelRule
from automix.mixing.loss import mixed_cross_entropy
from automix.mixing.mixer import ModelInfo
from automix.mixing.probes import PROBES, CleanView, anatomy, missing_probes
from automix.mixing.random import Streams
from automix.policy.document import ComponentSpec, PolicyDocument
from automix.policy.step import CompiledBranch, MixedStep, exact

__all__ = ["PolicyMixer"]


@dataclass(eq=False)
class PolicyMixer:
    """A policy that mixes batches. Made by `automix.load_policy` or `automix.policy.compile_policy`.

    Random numbers are counter-based: batch number n of epoch e is mixed in the same way in every run with the same
    seed, whatever else draws random numbers. It can be pickled into a worker process.

    Args:
        document: the policy.
        branches: its branches.
        treatment: its input treatment.
        num_classes: K.
        task: "single" or "multi".
        seed: of the mixing streams.
    """

    document: PolicyDocument
    branches: list[CompiledBranch]
    treatment: InputTreatment
    num_classes: int
    task: str = "single"
    seed: int = 0
    extra: Mapping[str, nn.Module] = field(default_factory=dict)
    _epoch: int = 0
    _step: int = 0
    _progress: float | None = None
    _has_warned: bool = False
    _checked: int | None = None
    _buffers: Buffers = field(default_factory=Buffers, repr=False)

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the next batch.

        Args:
            images: (B, C, H, W) float, normalised as your data pipeline does; not changed.
            labels: (B,) int64 or (B, K) float.

        Returns:
            Mixed images (B', C, H, W), and targets (B', K) float32 for a loss that takes class probabilities, such as
            ``torch.nn.functional.cross_entropy``.

        Raises:
            PolicyError: a guide, a label rule or an extra loss needs the model; use `loss`.
        """
        if needing := sorted({name for branch in self.branches for name in branch.needing_model()}):
            raise PolicyError(f"{', '.join(needing)} must see the model: use `loss = mix.loss(model, images, labels)`.")
        step = self._next(images, labels)
        return step.mixed.images, step.targets

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Mix the next batch, run the model and return the loss (0-d float32), extra losses included.

        Args:
            model: returns logits (B', K) for images; in training mode, as your loop has it.
            images: (B, C, H, W) float, normalised as your data pipeline does; not changed.
            labels: (B,) int64 or (B, K) float.

        Raises:
            ModelError: the policy looks into the model and cannot; the message says why.
        """
        if self._checked != id(model):
            self.check_model(model, images[:2])
            self._checked = id(model)
        step = self._next(images, labels, model)
        with step.watching():
            logits = model(step.mixed.images)
        return self.criterion(step, logits)

    def check_model(self, model: nn.Module, images: Tensor) -> None:
        """Find out beforehand whether the policy can look into a model as it must.

        Args:
            model: its mode is put back.
            images: (B, C, H, W) float, on the model's device; two are enough.

        Raises:
            ModelError: it cannot; the message names the part of the policy and the reason.
        """
        wanted = {probe: name for branch in self.branches for probe, name in branch.probes().items()}
        for probe, reason in missing_probes(model, images, wanted).items():
            raise ModelError(f"{wanted[probe]!r} of this policy needs {PROBES[probe]}: {reason}")

    def batch(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        epoch: int,
        step: int,
        index: Tensor | None = None,
        prepared: bool = False,
        model: nn.Module | None = None,
        maps: Callable[[Guide], Tensor | None] | None = None,
    ) -> MixedStep:
        """Mix the batch at a given place of the streams.

        Args:
            images: (B, C, H, W) float.
            labels: (B,) int64 or (B, K) float, moved to the images' device.
            epoch: number of the epoch.
            step: number of the batch within it.
            index: (B,) int64 position of the images in the data set, where known.
            prepared: whether `prepare` was already applied to the images.
            model: what will be trained with the batch; needed where the policy looks into it.
            maps: returns a guide's maps (B, 1, h, w) of these images where they are at hand already, or None.

        Raises:
            PolicyError: the policy looks into the model, and there is none.
        """
        treated = images if prepared else self.prepare(images)
        branch = self._draw_branch(epoch, step) if self.is_active else None
        clean = Batch(treated, labels.to(images.device), self.num_classes, index=index, task=self.task)
        if branch is None:
            return MixedStep(clean, self._smoothed(MixedBatch.unmixed(treated)), None)
        with exact(images.device) as autocast:
            if maps is not None and "guide" in branch.mixer.slots:
                known = maps(branch.mixer.guide)
                clean = clean if known is None else replace(clean, guides={branch.mixer.guide.name: known})
            if model is not None:
                clean = replace(clean, clean=CleanView(model, treated, branch.mixer.sees, autocast))
            plan = branch.mixer.draw(clean, Streams(self.seed).generator(epoch, step, "mix"))
            mixed = self._smoothed(branch.mixer.apply(treated, plan, self._buffers))
            if branch.labels.when == "before":
                return MixedStep(clean, branch.labels.before(mixed, clean), branch, model)
            return MixedStep(clean, mixed, branch, model, self._follower(branch.labels, mixed, clean, model))

    def criterion(self, step: MixedStep, logits: Tensor) -> Tensor:
        """Compute the loss of a mixed batch from the model's logits.

        Args:
            step: from `batch`.
            logits: (B', K), of the model that was run inside ``step.watching()``.

        Returns:
            0-d float32.

        Raises:
            PolicyError: the policy must see the model and has not.
        """
        with exact(logits.device):
            mixed = step.ruled(logits)
            loss = mixed_cross_entropy(logits, step.batch.labels, mixed)
        if step.branch is None or not step.branch.has_extra_loss:
            return loss
        extra = step.branch.mixer.loss(step.loss_context(mixed, logits, self.extra))
        return loss if extra is None else loss + extra

    def prepare(self, images: Tensor) -> Tensor:
        """Apply the input treatment: to every image that the trained network will see, also in evaluation and
        deployment.

        Args:
            images: (B, C, H, W) float, normalised as during training; not changed.

        Raises:
            PolicyError: the treatment has statistics to fit and `fit` was never called.
        """
        if not self.treatment.is_fitted:
            raise PolicyError(
                f"The input treatment {self.treatment.name!r} is not fitted: call mix.fit(batches) first."
            )
        return self.treatment.treat(images)

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Fit the input treatment's statistics on training images, unless the policy brought them along.

        Args:
            batches: (B, C, H, W) float tensors, normalised, without augmentation.
        """
        if self.treatment.is_fitted:
            return
        self.treatment.fit(batches)
        config = self.treatment.config()
        spec = ComponentSpec(name=config.pop("name"), params=config)
        self.document = self.document.model_copy(update={"input": spec})

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins; batches are counted from 0 again."""
        self._epoch, self._step = epoch, 0

    def set_progress(self, fraction: float) -> None:
        """Say where training stands, from 0 to 1, for policies that mix only in part of it."""
        if not 0.0 <= fraction <= 1.0:
            raise SettingError(f"Expected `fraction` in [0, 1] but got {fraction!r}.")
        self._progress = fraction

    @property
    def is_active(self) -> bool:
        """Whether the schedule has mixing on at the current progress."""
        schedule = self.document.schedule
        if self._progress is None:
            if (schedule.start, schedule.stop) != (0.0, 1.0) and not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    "This policy has a schedule but set_progress was never called: it mixes all the time. Call "
                    "mix.set_progress(epoch / epochs) at the start of each epoch.",
                    stacklevel=3,
                )
            return True
        last = schedule.stop >= 1.0 and self._progress >= 1.0
        return last or schedule.start <= self._progress < schedule.stop

    def extra_modules(self, info: ModelInfo) -> nn.ModuleDict:
        """Build the trainable modules that extra losses need; the trainer owns, saves and optimises them."""
        modules = {k: v for branch in self.branches for k, v in branch.mixer.extra_modules(info).items()}
        self.extra = modules
        return nn.ModuleDict(modules)

    @staticmethod
    def _follower(rule: LabelRule, mixed: MixedBatch, clean: Batch, model: nn.Module | None) -> Follower | None:
        if model is not None:
            return rule.follow(mixed, clean, anatomy(model))
        if rule.probes:
            raise PolicyError(
                f"The label rule {rule.name!r} must see the model: use `loss = mix.loss(model, images, labels)`, or "
                "pass `model` to `mix.batch`."
            )
        return None

    def _next(self, images: Tensor, labels: Tensor, model: nn.Module | None = None) -> MixedStep:
        if not images.is_floating_point():
            raise DataError(f"Expected images as floats (B, C, H, W), normalised, but got {images.dtype}.")
        step = self.batch(images, labels, epoch=self._epoch, step=self._step, model=model)
        self._step += 1
        return step

    def _draw_branch(self, epoch: int, step: int) -> CompiledBranch:
        if len(self.branches) == 1:
            return self.branches[0]
        weights = torch.tensor([branch.weight for branch in self.branches], dtype=torch.float64)
        point = torch.rand((), generator=Streams(self.seed).generator(epoch, step, "branch"), dtype=torch.float64)
        chosen = int(torch.searchsorted(weights.cumsum(0), point * weights.sum(), right=True))
        return self.branches[min(chosen, len(self.branches) - 1)]

    def _smoothed(self, mixed: MixedBatch) -> MixedBatch:
        e = self.document.label_smoothing
        if e == 0.0:
            return mixed
        return replace(mixed, smoothing=torch.full((len(mixed.sources),), e, device=mixed.images.device))
