"""Mixers and guides get ready before the first batch; what they needed becomes part of the policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import torch

from automix.artifacts.encoding import SUFFIX
from automix.artifacts.folder import FolderStore
from automix.artifacts.travelling import PolicyFiles, Witness
from automix.errors import ArtifactError
from automix.mixing import Guide, Mixer, PrepareContext

if TYPE_CHECKING:
    from automix.policy import PolicyDocument, PolicyMixer

__all__ = ["export_files", "make_ready", "unpack"]


def make_ready(mix: PolicyMixer, context: PrepareContext) -> None:
    """Let the guides and mixers of every branch prepare; the policy's document then names the files that it needs.

    Raises:
        AutomixError: something that is needed is missing, or the store has no room.
    """
    witness = Witness(context.store)
    for part in _parts(mix):
        part.prepare(replace(context, store=witness))
    if witness.files:
        # Not added to what was there: that was made from other images.
        mix.document = mix.document.model_copy(update={"files": witness.files})


def unpack(mix: PolicyMixer, path: Path) -> None:
    """Give the guides and mixers of a policy what lies in ``policy.d/`` beside it; no image is looked at.

    Args:
        mix: the compiled policy.
        path: where its YAML file lies.

    Raises:
        ArtifactError: something that is needed is missing, or is not what the policy was saved with.
    """
    context = PrepareContext(
        batches=_no_images,
        shuffled=lambda _: _no_images(),
        num_classes=mix.num_classes,
        channels=0,
        image_size=(0, 0),
        normalization=((), ()),
        device=torch.device("cpu"),
        fingerprint="",
        store=PolicyFiles(mix.document, path),
    )
    for part in _parts(mix):
        part.prepare(context)


def _parts(mix: PolicyMixer) -> Iterator[Guide | Mixer]:
    """Walk what may prepare, guides first: a mixer may use its guide."""
    for mixer in (branch.mixer for branch in mix.branches):
        yield from (slot for slot in mixer.slots.values() if isinstance(slot, Guide))
        yield mixer


def _no_images() -> NoReturn:
    raise ArtifactError("A policy that is loaded from a file has no training images to prepare on.")


def export_files(document: PolicyDocument, store: FolderStore) -> Mapping[str, bytes]:
    """Read the files that a policy needs from the store, to be written beside it.

    Returns:
        name below ``policy.d/`` -> content, for `automix.policy.save_document`.

    Raises:
        ArtifactError: one of them is missing.
    """
    found = {}
    for name in document.files:
        path = store.path(name.removesuffix(SUFFIX))
        try:
            found[name] = path.read_bytes()
        except OSError as err:
            raise ArtifactError(f"The policy needs {path}: {err.strerror}.") from err
    return found
