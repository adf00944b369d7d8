"""A store in a folder: one file per artifact, made once however many processes ask for it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from torch import Tensor

from automix.artifacts.encoding import SUFFIX, decode, encode
from automix.errors import ArtifactError, StorageError
from automix.mixing import ArtifactStore
from automix.storage.files import replacing
from automix.storage.lock import exclusive

__all__ = ["Artifact", "FolderStore"]

_log = logging.getLogger(__name__)
_KEY = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")


@dataclass(frozen=True)
class Artifact:
    """A stored artifact.

    Attributes:
        key: what it was stored under: name, digest of its settings, digest of what it was made from.
        size_bytes: of its file.
        made_at: seconds since the epoch.
    """

    key: str
    size_bytes: int
    made_at: float


class FolderStore(ArtifactStore):
    """Keeps artifacts in ``folder``, which is made when the first one is.

    Whoever asks first makes it, holding a lock; who asks meanwhile waits for the lock. If the maker dies, the lock is
    free and the next one makes it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, work: Path) -> Self:
        """Open the store of a work folder."""
        return cls(work / "artifacts")

    def tensors(self, key: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """Return what is stored under ``key``; everybody gets what was written, also the one who made it.

        Raises:
            ArtifactError: the file is damaged, or the key cannot be the name of a file.
            StorageError: the folder cannot be written.
        """
        path = self.path(key)
        if not path.exists():
            self._make(key, path, make)
        return decode(path.read_bytes(), str(path))

    def path(self, key: str) -> Path:
        """Say where the artifact of a key lies, or would lie."""
        if not _KEY.fullmatch(key):
            raise ArtifactError(
                f"Expected a key of lower-case letters, digits and '_', in parts joined by '-', but got {key!r}."
            )
        return self.folder / f"{key}{SUFFIX}"

    def listed(self) -> list[Artifact]:
        """List what is stored, by key."""
        found = [(path, path.stat()) for path in sorted(self.folder.glob(f"[a-z0-9_]*{SUFFIX}"))]
        return [Artifact(path.name.removesuffix(SUFFIX), stat.st_size, stat.st_mtime) for path, stat in found]

    def _make(self, key: str, path: Path, make: Callable[[], Mapping[str, Tensor]]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise StorageError(f"Cannot make the folder {self.folder}: {err.strerror}.") from err
        with exclusive(self.folder / f".{key}.lock"):
            if path.exists():  # another process made it while this one waited
                return
            _log.info("making %s, which is kept in %s", key, self.folder)
            content = encode(make())
            with replacing(path) as file:
                file.write(content)
