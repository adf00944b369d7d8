"""Mixers and guides get ready before the first batch; what they needed becomes part of the policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from automix.artifacts.encoding import SUFFIX
from automix.artifacts.folder import FolderStore
from automix.artifacts.travelling import Witness
from automix.errors import ArtifactError
from automix.mixing import Guide, Mixer

if TYPE_CHECKING:
    from automix.mixing import PrepareContext
    from automix.policy import PolicyDocument, PolicyMixer

__all__ = ["export_files", "make_ready"]


def make_ready(mix: PolicyMixer, context: PrepareContext) -> None:
    """Let the guides and mixers of every branch prepare; the policy's document then names the files that it needs.

    Raises:
        AutomixError: something that is needed is missing, or the store has no room.
    """
    witness = Witness(context.store)
    context = replace(context, store=witness)
    for mixer in (branch.mixer for branch in mix.branches):
        parts: list[Guide | Mixer] = [slot for slot in mixer.slots.values() if isinstance(slot, Guide)]
        for part in [*parts, mixer]:
            part.prepare(context)
    if witness.files:
        # Not added to what was there: that was made from other images.
        mix.document = mix.document.model_copy(update={"files": witness.files})


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
