"""Policies on disk: ``policy.yaml`` and, beside it, ``policy.d/`` for what is not a number."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from automix.errors import ArtifactError, PolicyError
from automix.policy.document import PolicyDocument
from automix.policy.yamlfile import YamlFile, dump_yaml, read_yaml

__all__ = ["load_document", "read_document", "read_file", "save_document"]

_FOLDER = "policy.d"


def load_document(path: str | Path) -> PolicyDocument:
    """Read a policy file; names and ranges are checked when it is compiled.

    Raises:
        PolicyError: the file is missing or not a policy; file and line are named.
        UnknownNameError: a key that policies do not have.
    """
    return read_document(path)[0]


def read_document(path: str | Path) -> tuple[PolicyDocument, YamlFile]:
    """Read a policy file together with where each part of it stands."""
    file = read_yaml(Path(path), PolicyError)
    schema = file.data.get("schema")
    if not isinstance(schema, str) or not schema.startswith("automix.policy/"):
        place = file.where("schema")
        raise PolicyError(f"Expected `schema: automix.policy/1` in {place} but got {schema!r}: is it a policy?")
    try:
        return PolicyDocument.from_dict(file.data), file
    except ValidationError as err:
        raise file.complaint(err, PolicyError, PolicyDocument) from err


def save_document(
    document: PolicyDocument, path: str | Path, files: Mapping[str, bytes] | None = None
) -> PolicyDocument:
    """Write a policy; the file appears whole or not at all.

    Args:
        document: the policy.
        path: the YAML file; its folder must exist.
        files: name below ``policy.d/`` -> content.

    Returns:
        The document as written, with the hashes of its files.
    """
    path = Path(path)
    hashes = {}
    for name, content in (files or {}).items():
        target = _inside(path, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, content)
        hashes[name] = hashlib.sha256(content).hexdigest()
    written = document.model_copy(update={"files": {**document.files, **hashes}})
    _write(path, dump_yaml(written.to_dict()).encode())
    return written


def read_file(document: PolicyDocument, path: str | Path, name: str) -> bytes:
    """Read one of the policy's files and check its hash.

    Args:
        document: the policy.
        path: where its YAML file lies.
        name: as in ``document.files``.

    Raises:
        ArtifactError: the file is missing, or not the one that the policy was saved with.
        PolicyError: the name leads out of ``policy.d/``.
    """
    target = _inside(Path(path), name)
    try:
        content = target.read_bytes()
    except OSError as err:
        raise ArtifactError(f"The policy needs {_FOLDER}/{name} beside {Path(path).name}: {err.strerror}.") from err
    found = hashlib.sha256(content).hexdigest()
    if found != document.files.get(name):
        raise ArtifactError(
            f"{_FOLDER}/{name} is not the file that the policy was saved with (sha256 {found[:12]}...)."
        )
    return content


def _inside(path: Path, name: str) -> Path:
    """Resolve a name below ``policy.d/``; no name leads out of it, by dots, roots or links."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts or "\\" in name or ":" in name:
        raise PolicyError(f"Expected a plain relative file name below {_FOLDER}/ but got {name!r}.")
    root = (path.parent / _FOLDER).resolve()
    target = (root / Path(*parts.parts)).resolve()
    if not target.is_relative_to(root):
        raise PolicyError(f"{_FOLDER}/{name} leads out of {_FOLDER}/.")
    return target


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
