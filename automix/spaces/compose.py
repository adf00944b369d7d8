"""From a space file, what is registered, and what is known of data and model to a space that can be searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from automix.errors import SettingError, SpaceError, UnknownNameError, unknown_name
from automix.mixing import Component, Int, Mixer
from automix.registry import Registry
from automix.spaces.document import OWN, SLOTS, SpaceDocument
from automix.spaces.facts import Facts, unmet
from automix.spaces.narrow import Override, narrow, policy_wide
from automix.spaces.space import Space
from automix.spaces.tree import BranchNode, ComponentNode, MixerNode, SlotNode

__all__ = ["PATCHES", "compose"]

PATCHES = "patches"
"""As the override of an integer: the number of patches along a side of the model's input."""


def compose(document: SpaceDocument, registry: Registry, facts: Facts) -> Space:
    """Build the space: look up names, narrow ranges, leave out what cannot work here.

    Args:
        document: from `load_space`.
        registry: names are looked up here.
        facts: what is known of data and model.

    Returns:
        The space; its `left_out` says what is missing and why.

    Raises:
        SpaceError: a name nobody registered, a range outside what a parameter accepts, nothing to choose. File and line
            are named.
    """
    try:
        return _Composer(document, registry, facts).space()
    except (SettingError, UnknownNameError) as err:
        raise SpaceError(str(err)) from err


class _Composer:
    """One run of `compose`: notes what is left out, and which overrides met a parameter."""

    def __init__(self, document: SpaceDocument, registry: Registry, facts: Facts) -> None:
        self.document, self.registry, self.facts = document, registry, facts
        self.left_out: dict[str, str] = {}
        self.loose: dict[tuple[str, ...], Override] = {}
        self.used: set[tuple[str, ...]] = set()

    def space(self) -> Space:
        """Compose, then check that there is something to search."""
        nodes = {name: node for name in self._taking_part() if (node := self._mixer(name)) is not None}
        if not nodes:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self.left_out.items())
            raise SpaceError(f"No mixer is left in {self.document.where('mixers')} ({reasons}).")
        self._refuse_unused()
        # One network sees one input treatment, so at most one branch may ask for its own: the first.
        calm = {name: node for name, node in nodes.items() if not _asks_for_input(node)}
        second = BranchNode("mixer2", calm) if self.document.branches == 2 and calm else None
        wide, left_out = policy_wide(self.document), tuple(self.left_out.items())
        space = Space(self.document, self.registry, BranchNode("mixer", nodes), second, wide, left_out)
        if not space.parameters:
            raise SpaceError(
                f"There is no free parameter in {self.document.where()}: every trial would be the same. Name a second "
                "mixer, or give a parameter a range."
            )
        return space

    def _taking_part(self) -> list[str]:
        named = {name for key in self.document.mixers for name in self._matching("mixer", key, ("mixers", key))}
        excluded = {name for key in self.document.exclude for name in self._matching("mixer", key, ("exclude", key))}
        for name in self.registry.names("mixer"):
            if name in excluded:
                self.left_out[name] = f"excluded by the space {self.document.name}"
            elif name not in named:
                self.left_out[name] = f"not named by the space {self.document.name}"
        return sorted(named - excluded)

    def _matching(self, kind: str, key: str, path: tuple[str, ...]) -> list[str]:
        """Return the registered names that a name or wildcard stands for."""
        known = self.registry.names(kind)
        found = [name for name in known if fnmatchcase(name, key)]
        if not found and not self.document.is_shipped:
            raise unknown_name(kind, key, known, self.document.where(*path))
        if not found:
            self.left_out[key if kind == "mixer" else f"{kind} {key}"] = "no loaded plugin has it"
        return found

    def _mixer(self, name: str) -> MixerNode | None:
        """Build a mixer's node; None, with the reason noted, where it cannot work."""
        cls: type[Mixer] = self.registry.get("mixer", name).obj
        # Its own entry last, so that it wins over wildcards.
        keys = sorted((key for key in self.document.mixers if fnmatchcase(name, key)), key=lambda key: key == name)
        overrides: dict[str, Override] = {}
        for key in keys:
            overrides |= self._overrides(self.document.mixers[key].params, ("mixers", key), is_exact=key == name)
        own = self._component(cls, overrides, cls.defaults_of())
        self._refuse_unread(cls)
        slots = tuple(self._slot(cls, slot, keys) for slot in SLOTS if slot in cls.reads)
        empty = [f"nothing is left for its {slot.slot}" for slot in slots if not slot.options]
        reason = unmet(cls, self.facts) or ", ".join(empty)
        if reason:
            self.left_out[name] = reason
            return None
        return MixerNode(own, slots)

    def _slot(self, mixer: type[Mixer], slot: str, keys: list[str]) -> SlotNode:
        path, options = self._options(slot, keys)
        overrides: dict[str, dict[str, Override]] = {}
        # Names last, so that they win over wildcards and `own`.
        for key, params in sorted(options.items(), key=lambda item: item[0] in self.registry.names(slot)):
            for name in self._own(mixer, slot) if key == OWN else self._matching(slot, key, (*path, key)):
                given = self._overrides(params, (*path, key), is_exact=key == name)
                overrides.setdefault(name, {}).update(given)
        nodes = {name: self._option(mixer, slot, name, overrides[name]) for name in sorted(overrides)}
        return SlotNode(slot, {name: node for name, node in nodes.items() if node is not None})

    def _options(self, slot: str, keys: list[str]) -> tuple[tuple[str, ...], Mapping[str, Mapping[str, Any]]]:
        """Return what the file offers for a slot and where: a mixer's own entry, a wildcard's, the defaults."""
        entries = [(("mixers", key), self.document.mixers[key]) for key in reversed(keys)]
        for path, entry in [*entries, (("defaults",), self.document.defaults)]:
            if (options := entry.slot(slot)) is not None:
                return (*path, slot), options
        return (), {OWN: {}}

    def _own(self, mixer: type[Mixer], slot: str) -> list[str]:
        """Name what a mixer itself fills a slot with; everything registered where it says nothing."""
        if slot in mixer.defaults:
            return [mixer.defaults[slot].name]
        return ["area"] if slot == "labels" else self.registry.names(slot)

    def _option(
        self, mixer: type[Mixer], slot: str, name: str, overrides: Mapping[str, Override]
    ) -> ComponentNode | None:
        cls: type[Component] = self.registry.get(slot, name).obj
        own = mixer.defaults.get(slot)
        base = {key: getattr(own, key) for key in cls.params} if own and own.name == name else cls.defaults_of()
        node = self._component(cls, overrides, base)
        if reason := unmet(cls, self.facts):
            self.left_out[f"{slot} {name}"] = reason
            return None
        return node

    def _component(
        self, cls: type[Component], overrides: Mapping[str, Override], base: Mapping[str, Any]
    ) -> ComponentNode:
        met = {key: override for key, override in overrides.items() if key in cls.params}
        self.used |= {override.path for override in met.values()}
        for key, override in met.items():
            if override.value == PATCHES and isinstance(cls.params[key], Int):
                if self.facts.patch_grid is None:
                    self.left_out[f"{key} of {cls.name}"] = "the model has no patches"
                met[key] = replace(override, value=self.facts.patch_grid)
        return narrow(cls, {**overrides, **met}, base)

    def _overrides(self, params: Mapping[str, Any], path: tuple[str, ...], *, is_exact: bool) -> dict[str, Override]:
        given = {
            key: Override(value, (*path, key), self.document.where(*path, key), is_exact)
            for key, value in params.items()
        }
        if not is_exact:
            self.loose |= {override.path: override for override in given.values()}
        return given

    def _refuse_unread(self, cls: type[Mixer]) -> None:
        """Refuse a mixer's own entry for a slot that it does not read."""
        entry = self.document.mixers.get(cls.name)
        for slot in SLOTS:
            if entry is not None and slot not in cls.reads and entry.slot(slot) is not None:
                place = self.document.where("mixers", cls.name, slot)
                raise SpaceError(f"The mixer {cls.name!r} has no {slot}: leave `{slot}` out ({place}).")

    def _refuse_unused(self) -> None:
        """Refuse what wildcards say of parameters that nobody has; shipped spaces may outlive a plugin."""
        if self.document.is_shipped:
            return
        for path, override in self.loose.items():
            if path not in self.used:
                raise SpaceError(f"None of those for whom `{path[-1]}` is written has it ({override.where}).")


def _asks_for_input(node: MixerNode) -> bool:
    """Whether a mixer may ask for an input treatment of its own."""
    return getattr(node.own.cls, "input_name", None) is not Mixer.input_name
