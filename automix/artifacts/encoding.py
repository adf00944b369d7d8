"""Named tensors as bytes that are safe to load and equal for equal tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import safetensors
import safetensors.torch
from torch import Tensor

from automix.errors import ArtifactError

__all__ = ["SUFFIX", "decode", "encode", "hash_of"]

SUFFIX = ".safetensors"


def encode(tensors: Mapping[str, Tensor]) -> bytes:
    """Write tensors; neither the order of the names nor the device matters."""
    # Clones: safetensors refuses tensors that share memory.
    plain = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    return safetensors.torch.save(plain)


def decode(content: bytes, where: str) -> dict[str, Tensor]:
    """Read what `encode` wrote, onto the CPU.

    Raises:
        ArtifactError: it is damaged or something else.
    """
    try:
        return safetensors.torch.load(content)
    except (safetensors.SafetensorError, KeyError, ValueError) as err:
        raise ArtifactError(f"{where} is damaged: remove it, and it is made anew.") from err


def hash_of(content: bytes) -> str:
    """Return the sha256 under which a policy names the content."""
    return hashlib.sha256(content).hexdigest()
