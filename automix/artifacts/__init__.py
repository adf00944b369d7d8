"""What policies need besides numbers: made once, kept by content, taken along in ``policy.d/``."""

from __future__ import annotations

from automix.artifacts.folder import Artifact, FolderStore
from automix.artifacts.prepare import export_files, make_ready, unpack
from automix.artifacts.travelling import PolicyFiles

__all__ = ["Artifact", "FolderStore", "PolicyFiles", "export_files", "make_ready", "unpack"]
