"""Policies: the document, its files, and the object that mixes.

Documents are read and written without PyTorch; what mixes is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automix.policy.document import SLOTS, Branch, ComponentSpec, PolicyDocument, Schedule
from automix.policy.io import load_document, read_document, read_file, save_document

if TYPE_CHECKING:
    from automix.policy.compile import compile_policy, complete, published
    from automix.policy.mixer import PolicyMixer
    from automix.policy.step import CompiledBranch, MixedStep

__all__ = [
    "SLOTS",
    "Branch",
    "CompiledBranch",
    "ComponentSpec",
    "MixedStep",
    "PolicyDocument",
    "PolicyMixer",
    "Schedule",
    "compile_policy",
    "complete",
    "load_document",
    "published",
    "read_document",
    "read_file",
    "save_document",
]


def __getattr__(name: str) -> Any:
    if name in ("compile_policy", "complete", "published"):
        from automix.policy import compile as module
    elif name == "PolicyMixer":
        from automix.policy import mixer as module  # type: ignore[no-redef]
    elif name in ("CompiledBranch", "MixedStep"):
        from automix.policy import step as module  # type: ignore[no-redef]
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(module, name)
