"""Checks of what is installed: dependencies and their ranges, extras, plugins."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from automix.doctor.finding import Finding

if TYPE_CHECKING:
    from automix.manager import PluginHost

__all__ = ["check_extras", "check_imports", "check_plugins", "check_requirements", "own_requirements"]

_FOR_DEVELOPERS = "test"
# Their compiled parts must fit each other, which version ranges do not say.
_COMPILED = ("torch", "torchvision", "timm")


def own_requirements() -> list[str]:
    """Return what automix asks for, as its distribution says."""
    return requires("automix") or []


def check_requirements(required: Sequence[str], installed: Callable[[str], str] = version) -> Finding:
    """Find packages that are missing or of a version that automix was not made for."""
    wrong = []
    for text in required:
        requirement = Requirement(text)
        if _extra_of(requirement):
            continue
        found = _version(requirement.name, installed)
        if found is None:
            wrong.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} {found} is not {requirement.specifier}")
    if not wrong:
        return Finding("packages", "ok", f"{len(required)} requirements looked at")
    return Finding("packages", "fail", "; ".join(wrong), "reinstall with `pip install --upgrade automix`")


def check_extras(required: Sequence[str], installed: Callable[[str], str] = version) -> Finding:
    """Tell which extras are there; one that is missing is no fault, as long as nobody asks for what it brings."""
    missing: dict[str, list[str]] = {}
    extras: set[str] = set()
    for requirement in map(Requirement, required):
        extra = _extra_of(requirement)
        if extra and extra != _FOR_DEVELOPERS:
            extras.add(extra)
            if _version(requirement.name, installed) is None:
                missing.setdefault(extra, []).append(requirement.name)
    if not missing:
        return Finding("extras", "ok", f"installed: {', '.join(sorted(extras)) or 'none exist'}")
    lacking = "; ".join(f"{extra} ({', '.join(names)})" for extra, names in sorted(missing.items()))
    names = ",".join(sorted(missing))
    return Finding(
        "extras", "ok", f"not installed: {lacking}", f"`pip install 'automix[{names}]'` where they are needed"
    )


def check_imports(packages: Sequence[str] = _COMPILED) -> Finding:
    """Find compiled packages that do not fit each other: torchvision of another torch cannot be imported."""
    for name in packages:
        try:
            importlib.import_module(name)
        except (ImportError, RuntimeError, OSError) as err:
            return Finding(
                "imports",
                "fail",
                f"{name} cannot be imported: {' '.join(str(err).split())}",
                "torch and torchvision must be of one release: install both from one place in one command",
            )
    return Finding("imports", "ok", ", ".join(f"{name} {version(name)}" for name in packages))


def check_plugins(host: PluginHost) -> list[Finding]:
    """Find plugins that are broken, refused, or raise where they register."""
    host.register_all()
    loaded = sum(info.status == "loaded" for info in host.plugins)
    broken = [Finding("plugins", "warn", problem) for problem in host.problems]
    return broken or [Finding("plugins", "ok", f"{loaded} loaded")]


def _extra_of(requirement: Requirement) -> str:
    """Return the extra that a requirement belongs to; empty for one that is always needed."""
    if requirement.marker is None:
        return ""
    if requirement.marker.evaluate({"extra": ""}):
        return ""
    return str(requirement.marker).partition("extra == ")[2].strip("\"' ")


def _version(name: str, installed: Callable[[str], str]) -> str | None:
    try:
        return installed(name)
    except PackageNotFoundError:
        return None
