"""What is registered, by kind and name, and who registered it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from automix.errors import PluginError, SettingError, unknown_name

__all__ = ["COMPONENT_KINDS", "REGISTER_HOOKS", "Entry", "Registry"]

COMPONENT_KINDS = ("mixer", "ratio", "pairing", "labels", "guide", "input")

REGISTER_HOOKS: Mapping[str, str] = {
    "mixer": "automix_register_mixers",
    "ratio": "automix_register_ratios",
    "pairing": "automix_register_pairings",
    "labels": "automix_register_label_rules",
    "guide": "automix_register_guides",
    "input": "automix_register_inputs",
    "policy": "automix_register_policies",
    "data_source": "automix_register_data_sources",
    "metric": "automix_register_metrics",
    "command": "automix_register_commands",
}

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_COMMAND_NAME = re.compile(r"[a-z][a-z0-9-]*")  # a hyphen is what people type on a command line


@dataclass(frozen=True)
class Entry:
    """A registered thing and where it comes from.

    Args:
        name: how policies, spaces and commands call it.
        kind: one of `REGISTER_HOOKS`.
        obj: a component class, a policy document or a function that makes it, an opener, a metric, a command.
        plugin: entry-point name of the plugin that registered it.
        distribution: which distribution the plugin came with.
        version: of the plugin, or of its distribution.
        description: one line, for things that carry no card.

    Raises:
        PluginError: the name or the object cannot be registered as this kind.
    """

    name: str
    kind: str
    obj: Any
    plugin: str = ""
    distribution: str = ""
    version: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if self.kind in COMPONENT_KINDS:
            _check_component(self.kind, self.obj)
        elif self.kind == "policy":
            _expect(
                callable(self.obj) or isinstance(self.obj, Mapping),
                self,
                "a mapping or a function that returns one",
            )
        elif self.kind == "command":
            _expect(_is_typer(self.obj), self, "a typer.Typer application")
        else:
            _expect(callable(self.obj), self, "a function")
        _check_name(self.kind, self.name)

    @property
    def origin(self) -> str:
        """Plugin, distribution and version, for messages."""
        return f"plugin {self.plugin!r} ({self.distribution} {self.version})"


class Registry:
    """Everything that plugins offer, looked up by kind and name.

    A kind is filled when it is asked for first, so that listing commands does not import what mixers need.

    Args:
        fill: called once per kind with the registry and the kind; it adds that kind's entries. Without it the
            registry holds what was added by hand.

    Example:
        >>> registry = Registry()
        >>> registry.add(Entry("zero", "metric", lambda probs, labels: 0.0))
        >>> registry.names("metric")
        ['zero']
    """

    def __init__(self, fill: Callable[[Registry, str], None] | None = None) -> None:
        self._fill = fill
        self._filled: set[str] = set()
        self._entries: dict[str, dict[str, Entry]] = {kind: {} for kind in REGISTER_HOOKS}

    def add(self, entry: Entry) -> None:
        """Add an entry.

        Raises:
            PluginError: its name is taken within its kind.
        """
        holder = self._entries[entry.kind].setdefault(entry.name, entry)
        if holder is not entry:
            raise PluginError(
                f"Two plugins claim the {entry.kind} {entry.name!r}: {holder.origin} keeps it, that of "
                f"{entry.origin} is refused. To use the other one, block {holder.plugin!r}."
            )

    def names(self, kind: str) -> list[str]:
        """Return the registered names of a kind, sorted.

        Raises:
            UnknownNameError: there is no such kind.
        """
        return sorted(self._of(kind))

    def entries(self, kind: str) -> list[Entry]:
        """Return the entries of a kind, sorted by name."""
        return [self._of(kind)[name] for name in self.names(kind)]

    def get(self, kind: str, name: str, where: str = "") -> Entry:
        """Return an entry.

        Args:
            kind: one of `REGISTER_HOOKS`.
            name: what it was registered as.
            where: file and line, for the message.

        Raises:
            UnknownNameError: nobody registered it; the message suggests the nearest name.
        """
        known = self._of(kind)
        if name not in known:
            raise unknown_name(kind, name, known, where)
        return known[name]

    def create(self, kind: str, name: str, **params: Any) -> Any:
        """Make a component from its name and parameters.

        Raises:
            UnknownNameError: no such component, or no such parameter.
            SettingError: a value is out of range, or `kind` is not one of `COMPONENT_KINDS`.
        """
        if kind not in COMPONENT_KINDS:
            raise SettingError(f"Expected `kind` to be one of {', '.join(COMPONENT_KINDS)} but got {kind!r}.")
        return self.get(kind, name).obj(**params)

    def policy(self, name: str, where: str = "") -> Mapping[str, Any]:
        """Return a registered policy's document; one that is made by a function is made from this registry.

        Raises:
            UnknownNameError: nobody registered it.
            PluginError: its function raised or did not return a mapping.
        """
        entry = self.get("policy", name, where)
        if isinstance(entry.obj, Mapping):
            return entry.obj
        try:
            document = entry.obj(self)
        except Exception as err:
            raise PluginError(f"Policy {name!r} of {entry.origin} raised {type(err).__name__}: {err}") from err
        if not isinstance(document, Mapping):
            raise PluginError(f"Expected policy {name!r} of {entry.origin} to be a mapping but got {document!r}.")
        return document

    def _of(self, kind: str) -> dict[str, Entry]:
        if kind not in self._entries:
            raise unknown_name("kind", kind, self._entries)
        if self._fill is not None and kind not in self._filled:
            self._filled.add(kind)
            self._fill(self, kind)
        return self._entries[kind]


def _check_name(kind: str, name: object) -> None:
    pattern = _COMMAND_NAME if kind == "command" else _NAME
    if not isinstance(name, str) or not pattern.fullmatch(name):
        raise PluginError(f"Expected the name of a {kind} to match `{pattern.pattern}` but got {name!r}.")


def _check_component(kind: str, obj: Any) -> None:
    # Imported here: it brings torch, and the registry is built long before anything is registered.
    from automix.mixing.component import Card, Component

    if not (isinstance(obj, type) and issubclass(obj, Component)):
        raise PluginError(
            f"Expected a subclass of `automix.mixing.Component` (a class, not an object) but got {obj!r}."
        )
    if obj.kind != kind:
        raise PluginError(f"Expected a component of kind {kind!r} but {obj.__qualname__} has `kind` = {obj.kind!r}.")
    # Not inspect.isabstract: it needs ABCMeta, which a component need not have.
    missing = [n for n in dir(obj) if getattr(inspect.getattr_static(obj, n), "__isabstractmethod__", False)]
    if missing:
        raise PluginError(f"Expected a complete {kind} but {obj.__qualname__} does not define: {', '.join(missing)}.")
    if not isinstance(getattr(obj, "card", None), Card):
        raise PluginError(
            f"Expected {obj.__qualname__} to have a class attribute `card` of type `automix.mixing.Card`."
        )


def _is_typer(obj: object) -> bool:
    # Imported here: only the command line needs it.
    import typer

    return isinstance(obj, typer.Typer)


def _expect(holds: bool, entry: Entry, expected: str) -> None:
    if not holds:
        raise PluginError(f"Expected {entry.kind} {entry.name!r} to be {expected} but got {entry.obj!r}.")
