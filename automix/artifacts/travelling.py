"""Artifacts on the road: in ``policy.d/`` beside a policy, found there by name and settings alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from torch import Tensor

from automix.artifacts.encoding import SUFFIX, decode, encode, hash_of
from automix.errors import ArtifactError, PolicyError
from automix.mixing import ArtifactStore
from automix.policy import PolicyDocument, read_file

__all__ = ["NoStore", "PolicyFiles", "Witness"]


class PolicyFiles(ArtifactStore):
    """Reads what lies beside a policy file; makes nothing.

    The last part of a key says which data an artifact was made from. It is not looked at: there are no such data here,
    and the hash in the policy says that the file is the right one.

    Args:
        document: the policy, which names its files.
        path: where its YAML file lies.
    """

    def __init__(self, document: PolicyDocument, path: Path) -> None:
        self._document, self._path = document, path

    def tensors(self, key: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """Return the file of this name and these settings.

        Raises:
            ArtifactError: the policy names none, or the file is missing, changed or damaged.
        """
        made_alike = key.rpartition("-")[0] + "-"
        names = [n for n in self._document.files if n.startswith(made_alike) and n.endswith(SUFFIX)]
        if not names:
            raise ArtifactError(
                f"The policy {self._path.name} needs {made_alike}*{SUFFIX}, made from training images, but names no "
                "such file: take a policy that a search or `automix.training.train` has written, with its policy.d/."
            )
        return decode(read_file(self._document, self._path, names[0]), f"policy.d/{names[0]}")


class Witness(ArtifactStore):
    """Passes on to another store and notes what was asked for.

    Attributes:
        files: name below ``policy.d/`` -> sha256, as a policy document holds them.
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self.files: dict[str, str] = {}

    def tensors(self, key: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """Ask the other store."""
        found = self._store.tensors(key, make)
        self.files[f"{key}{SUFFIX}"] = hash_of(encode(found))
        return found


class NoStore(ArtifactStore):
    """Stands where nobody gave a store."""

    def tensors(self, key: str, make: Callable[[], Mapping[str, Tensor]]) -> NoReturn:
        """Refuse.

        Raises:
            PolicyError: always.
        """
        name = key.partition("-")[0]
        raise PolicyError(f"{name!r} must be prepared on training images: pass `artifacts`, a store that keeps it.")
