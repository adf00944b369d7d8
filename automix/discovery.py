"""Which plugins are installed and which of them are wanted. Nothing is imported here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, entry_points

from automix.errors import unknown_name

__all__ = ["ENV_ALLOW", "ENV_BLOCK", "Candidate", "Selection", "discover"]

ENV_BLOCK = "AUTOMIX_PLUGINS_BLOCK"
ENV_ALLOW = "AUTOMIX_PLUGINS_ALLOW"

_HOME = "automix"  # the distribution whose plugins come first
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Candidate:
    """An installed entry point, not loaded yet.

    Args:
        name: of the entry point.
        distribution: that it came with.
        version: of that distribution.
        entry_point: what to load.
    """

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint

    @property
    def selectors(self) -> tuple[str, str]:
        """What names it in a block or allow list; the long form tells two distributions apart."""
        return self.name, f"{self.distribution}:{self.name}"


def discover(group: str) -> list[Candidate]:
    """Find the installed plugins, each once: automix's own first, then by distribution and name.

    Args:
        group: entry-point group.
    """
    found = [Candidate(entry.name, *_origin(entry.dist), entry) for entry in entry_points(group=group)]
    # An editable install and the checkout it points to can both be on the path and list the same entry.
    return sorted(dict.fromkeys(found), key=lambda c: (c.distribution != _HOME, c.distribution, c.name))


def _origin(distribution: Distribution | None) -> tuple[str, str]:
    """Return a distribution's name and version, which an interrupted install leaves unreadable."""
    if distribution is None:
        return _UNKNOWN, _UNKNOWN
    try:
        return distribution.metadata["Name"] or _UNKNOWN, distribution.version or _UNKNOWN
    except Exception:  # noqa: BLE001 - importlib.metadata raises what its parser happens to hit (TypeError, KeyError)
        return _UNKNOWN, _UNKNOWN


@dataclass(frozen=True)
class Selection:
    """Which plugins the user wants.

    Args:
        block: selectors of plugins that are not loaded -> where each was given.
        allow: selectors of the only plugins that are loaded -> where each was given; None allows all.
    """

    block: Mapping[str, str]
    allow: Mapping[str, str] | None

    @classmethod
    def read(cls, block: Iterable[str], allow: Iterable[str] | None) -> Selection:
        """Merge what the caller gave with the environment variables; an empty variable counts as unset."""
        blocked = _given(block, "`block`") | _given(_environment(ENV_BLOCK), ENV_BLOCK)
        from_environment = _given(_environment(ENV_ALLOW), ENV_ALLOW)
        if allow is None and not from_environment:
            return cls(blocked, None)
        return cls(blocked, _given(allow or (), "`allow`") | from_environment)

    def objection(self, candidate: Candidate) -> str:
        """Say why a candidate is not wanted; empty where it is."""
        for selector in candidate.selectors:
            if selector in self.block:
                return f"blocked by {self.block[selector]}"
        if self.allow is not None and not any(selector in self.allow for selector in candidate.selectors):
            return f"not allowed by {' or '.join(sorted(set(self.allow.values()))) or '`allow`, which is empty'}"
        return ""

    def unknown(self, candidates: Iterable[Candidate]) -> list[str]:
        """Describe every selector that names no installed plugin."""
        installed = list(candidates)
        names = {candidate.name for candidate in installed}
        known = {selector for candidate in installed for selector in candidate.selectors}
        given = [*self.block.items(), *(self.allow or {}).items()]
        return [str(unknown_name("plugin", name, names, where)) for name, where in given if name not in known]


def _environment(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


def _given(selectors: Iterable[str], where: str) -> dict[str, str]:
    return dict.fromkeys(selectors, where)
