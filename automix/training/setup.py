"""What happens before the first batch: the policy is compiled and prepared, a saved state is looked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from automix.artifacts import make_ready
from automix.artifacts.travelling import NoStore
from automix.errors import ArtifactError, StudyError
from automix.mixing import ArtifactStore, LabelledBatch, PrepareContext
from automix.policy.compile import compile_policy
from automix.training.batches import plain_batches, shuffled_batches
from automix.training.export import ModelCard
from automix.training.history import History

if TYPE_CHECKING:
    from automix.data.dataset import DataSet
    from automix.policy.document import PolicyDocument
    from automix.policy.mixer import PolicyMixer
    from automix.registry import Registry
    from automix.training.checkpoint import CheckpointStore
    from automix.training.learner import Learner
    from automix.training.settings import TrainSettings

__all__ = ["identify", "make_card", "make_mixer", "resume"]


def make_mixer(
    data: DataSet,
    document: PolicyDocument,
    settings: TrainSettings,
    registry: Registry,
    device: torch.device,
    artifacts: ArtifactStore | None,
) -> PolicyMixer:
    """Compile a policy for a data set; let its input treatment be fitted and its mixers train what they need.

    Raises:
        AutomixError: as `automix.policy.compile_policy`; or a mixer must be prepared and there is no store.
    """
    mix = compile_policy(
        document,
        registry,
        num_classes=data.num_classes,
        task=data.task,
        seed=settings.seed,
        normalization=(data.mean, data.std),
    )

    # All open the images only when they are asked for: most policies have nothing to fit.
    def untreated() -> Iterator[Tensor]:
        yield from (images for images, _, _ in plain_batches(data, settings, device).epoch(0))

    def batches() -> Iterator[LabelledBatch]:
        yield from plain_batches(data, settings, device, mix.prepare).epoch(0)

    def shuffled(epoch: int) -> Iterator[LabelledBatch]:
        yield from shuffled_batches(data, settings, device, mix.prepare).epoch(epoch)

    mix.fit(untreated())
    context = PrepareContext(
        batches=batches,
        shuffled=shuffled,
        num_classes=data.num_classes,
        channels=data.channels,
        image_size=data.image_size,
        normalization=(data.mean, data.std),
        device=device,
        fingerprint=_fingerprint(data, mix),
        store=artifacts or NoStore(),
    )
    make_ready(mix, context)
    return mix


def _fingerprint(data: DataSet, mix: PolicyMixer) -> str:
    """Name the training images as guides and mixers see them: which of the data, and after which input treatment.

    Another split of the same data has another name, so that nothing that saw an image is used where the image judges.
    """
    rows = hashlib.sha256(data.splits["train"].index.astype("<i8").tobytes()).hexdigest()
    return f"{data.fingerprint.content_hash} {rows} {mix.treatment.config()}"


def identify(data: DataSet, document: PolicyDocument, settings: TrainSettings) -> dict[str, Any]:
    """Return what may not change between a checkpoint and its resumption: all but the device."""
    lasting = {name: value for name, value in settings.to_dict().items() if name != "device"}
    return {"policy": document.key(), "data": data.fingerprint.content_hash, **lasting}


def resume(
    checkpoints: CheckpointStore | None, learner: Learner, identity: Mapping[str, Any], tell: Callable[[str], None]
) -> History:
    """Bring the learner to where the checkpoint was made, if there is one; returns the epochs finished by then.

    Args:
        checkpoints: where to look.
        learner: freshly made.
        identity: from `identify`.
        tell: told where there is one that cannot be used; the training then starts from its first epoch.

    Raises:
        StudyError: the checkpoint belongs to another training.
    """
    try:
        state = checkpoints.load() if checkpoints is not None else None
    except ArtifactError as err:
        tell(f"{err} The training starts again from its first epoch.")
        return History()
    if checkpoints is None or state is None:
        return History()
    if different := sorted(key for key in identity if state["identity"].get(key) != identity[key]):
        raise StudyError(
            f"The checkpoint in {checkpoints.folder} belongs to a training with other {', '.join(different)}: "
            "choose another folder, or remove it."
        )
    learner.restore(state["learner"])
    return History.restored(state["history"])


def make_card(data: DataSet, settings: TrainSettings, mix: PolicyMixer, metrics: Mapping[str, float]) -> ModelCard:
    """Describe the model as it is kept: what it is, what it is to be fed with and what it reached."""
    return ModelCard(
        model=settings.model,
        classes=data.classes,
        channels=data.channels,
        image_size=data.image_size,
        mean=data.mean,
        std=data.std,
        input=mix.treatment.config(),
        metrics={name: value for name, value in metrics.items() if name.startswith("val/")},
    )
