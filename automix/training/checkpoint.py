"""Checkpoints of one trial: complete or absent, and only the newest attempt writes them.

state.pt            everything that resuming needs, after the last finished epoch; its hash first
best.safetensors    the weights of the best epoch, ready to be used (`automix.training.export`)
attempt             number of the newest attempt at this trial
lock                held while one of these is looked at and replaced
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from automix.errors import ArtifactError, StorageError
from automix.storage.files import replacing
from automix.storage.lock import exclusive
from automix.training.export import ModelCard, save_model
from automix.training.failures import StaleAttempt

__all__ = ["CheckpointStore"]

_HASH_BYTES = 32


class CheckpointStore:
    """Where one trial keeps its state between epochs.

    A worker that was thought dead (a suspended machine, a lost disk) may wake up while another trains its trial anew.
    Each attempt has a number; the first that loads or saves claims the folder, and from then on older ones are turned
    away.

    Args:
        folder: of this trial alone; made if missing.
        attempt: number of this attempt; a retry has a higher one.

    Raises:
        StorageError: the folder cannot be made.
    """

    def __init__(self, folder: Path, attempt: int = 0) -> None:
        self.folder = folder
        self.attempt = attempt
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise StorageError(f"Cannot make the checkpoint folder {folder}: {err.strerror}.") from err

    @property
    def best_path(self) -> Path:
        """Where the best epoch's model lies, once there is one."""
        return self.folder / "best.safetensors"

    def save(self, state: Mapping[str, Any], epoch: int) -> None:
        """Replace the saved state.

        Args:
            state: tensors, numbers, strings, lists and dicts.
            epoch: number of finished epochs.

        Raises:
            StaleAttempt: a newer attempt has begun.
            StorageError: the disk is full or cannot be written.
        """
        content = io.BytesIO()
        torch.save({"epoch": epoch, **state}, content)
        with self._claimed(), replacing(self._state_path) as file:
            file.write(_hash(content.getbuffer()))
            file.write(content.getbuffer())

    def save_best(self, model: nn.Module, card: ModelCard) -> None:
        """Replace the best model; raises as `save`."""
        with self._claimed():
            save_model(self.best_path, model, card)

    def load(self) -> dict[str, Any] | None:
        """Read the saved state onto the CPU; None where there is none.

        Raises:
            StaleAttempt: a newer attempt has begun.
            ArtifactError: the file is damaged.
        """
        with self._claimed():
            try:
                stored = self._state_path.read_bytes()
            except FileNotFoundError:
                return None
            except OSError as err:
                raise ArtifactError(f"The checkpoint {self._state_path} cannot be read: {err.strerror}.") from err
        content = memoryview(stored)[_HASH_BYTES:]
        # torch.load notices a file that was cut off, but seldom a changed bit: it would go on with other weights.
        if stored[:_HASH_BYTES] != _hash(content):
            raise ArtifactError(f"The checkpoint {self._state_path} is damaged.")
        return cast(dict[str, Any], torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))

    @property
    def _state_path(self) -> Path:
        return self.folder / "state.pt"

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        """Hold the lock, with this attempt as the newest."""
        with exclusive(self.folder / "lock"):
            record = self.folder / "attempt"
            newest = int(record.read_text()) if record.exists() else -1
            if newest > self.attempt:
                raise StaleAttempt(f"Attempt {self.attempt} at {self.folder.name} gives way to attempt {newest}.")
            if newest < self.attempt:
                with replacing(record) as file:
                    file.write(str(self.attempt).encode())
            yield


def _hash(content: memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=_HASH_BYTES).digest()
