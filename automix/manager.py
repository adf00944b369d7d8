"""The plugin host: load plugins in isolation, fill the registry from their hooks, tell them what happens.

Pluggy marks and validates hooks. Calling them is done here, one plugin at a time, because one that raises would
end a pluggy call for all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import pluggy

from automix import hookspecs
from automix.admission import admit
from automix.discovery import ENV_ALLOW, ENV_BLOCK, Candidate, Selection, discover
from automix.errors import PluginError
from automix.hookspecs import PROJECT
from automix.registry import COMPONENT_KINDS, REGISTER_HOOKS, Entry, Registry

__all__ = ["ENV_ALLOW", "ENV_BLOCK", "PluginHost", "PluginInfo", "build_host"]

Status = Literal["loaded", "blocked", "broken", "refused"]

_log = logging.getLogger(__name__)

# A plugin that calls sys.exit() at import or in a hook must not end the program either; Ctrl-C must.
_SURVIVED = (Exception, SystemExit)


@dataclass(frozen=True)
class PluginInfo:
    """What became of an installed plugin.

    Args:
        name: of its entry point.
        distribution: that it came with.
        version: its own where it states one, else that of its distribution.
        status: loaded; blocked by the user; broken, it could not be imported; refused, it does not fit automix.
        cause: why it is not loaded; empty where it is.
    """

    name: str
    distribution: str
    version: str
    status: Status
    cause: str = ""

    def __str__(self) -> str:
        return f"Plugin {self.name!r} (distribution {self.distribution!r} {self.version})"


def build_host(*, block: Iterable[str] = (), allow: Iterable[str] | None = None, group: str = PROJECT) -> PluginHost:
    """Load the installed plugins, each in isolation.

    Args:
        block: plugins that are not even imported, as `NAME` or `DISTRIBUTION:NAME`; the environment variable
            AUTOMIX_PLUGINS_BLOCK (comma separated) adds to it.
        allow: the only plugins that are loaded; None allows all; AUTOMIX_PLUGINS_ALLOW adds to it.
        group: entry-point group.

    Returns:
        A host. Plugins that could not be loaded are in `plugins` with their cause and in `problems`.
    """
    candidates = discover(group)
    selection = Selection.read(block, allow)
    host = PluginHost()
    host.problems.extend(selection.unknown(candidates))
    for candidate in candidates:
        host.load(candidate, selection.objection(candidate))
    return host


class PluginHost:
    """The loaded plugins and what they offer. Make one with `build_host` and pass it on.

    Attributes:
        registry: what they registered; a kind's hooks are called when it is first asked for.
        problems: one line for each thing that went wrong, in order; `register_all` makes it complete.
    """

    def __init__(self) -> None:
        self.registry = Registry(self._fill)
        self.problems: list[str] = []
        self._plugins: list[PluginInfo] = []
        self._loaded: dict[str, PluginInfo] = {}
        self._hooks = pluggy.PluginManager(PROJECT)
        self._hooks.add_hookspecs(hookspecs)

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """Every installed plugin, in load order."""
        return tuple(self._plugins)

    def load(self, candidate: Candidate, objection: str = "") -> PluginInfo:
        """Load a plugin, or record why not.

        Args:
            candidate: what to load.
            objection: why the user does not want it; it is not imported then.
        """
        found = PluginInfo(candidate.name, candidate.distribution, candidate.version, "loaded")
        blocked = replace(found, status="blocked", cause=objection)
        info = blocked if objection else self._try_load(candidate, found)
        self._plugins.append(info)
        return info

    def register_all(self) -> None:
        """Call every register hook now, so that `problems` is complete. Imports torch."""
        for kind in REGISTER_HOOKS:
            self.registry.names(kind)

    def notify(self, hook_name: str, event: object) -> list[str]:
        """Tell listeners about a moment, one by one.

        Args:
            hook_name: such as `automix_epoch_finished`.
            event: the dataclass that this hook takes.

        Returns:
            One line for each listener that raised; empty where all went well.
        """
        problems: list[str] = []
        for info, call in self._implementations(hook_name):
            try:
                call(event=event)
            except _SURVIVED as err:
                _log.debug("%s: %s raised", info, hook_name, exc_info=True)
                problems.append(f"{info}: `{hook_name}` raised {_brief(err)}. The search goes on.")
        return problems

    def signature(self) -> dict[str, list[str]]:
        """Return the names by kind that can take part in a search; a study compares them on resume."""
        return {kind: self.registry.names(kind) for kind in (*COMPONENT_KINDS, "policy")}

    def _try_load(self, candidate: Candidate, info: PluginInfo) -> PluginInfo:
        holder = self._loaded.get(info.name)
        if holder is not None:
            cause = f"its name is taken by distribution {holder.distribution!r}; block the one you do not want"
            return self._leave_out(info, "refused", cause, f"{holder.distribution}:{info.name}")
        try:
            plugin = candidate.entry_point.load()
        except _SURVIVED as err:
            _log.debug("%s could not be imported", info, exc_info=True)
            return self._leave_out(info, "broken", f"importing it raised {_brief(err)}", info.name)
        try:
            admit(self._hooks, plugin, info.name)
        except PluginError as err:
            return self._leave_out(info, "refused", str(err), info.name)
        own_version = getattr(plugin, "version", None)
        # A package may have a module of that name; only a text is a version.
        self._loaded[info.name] = replace(info, version=own_version) if isinstance(own_version, str) else info
        return self._loaded[info.name]

    def _leave_out(self, info: PluginInfo, status: Status, cause: str, selector: str) -> PluginInfo:
        cause = cause.rstrip(".")
        self.problems.append(f"{info} is {status}: {cause}. To be rid of this message: {ENV_BLOCK}={selector}.")
        return replace(info, status=status, cause=cause)

    def _fill(self, registry: Registry, kind: str) -> None:
        """Call every plugin's register hook for a kind; what raises midway leaves nothing behind."""
        hook_name = REGISTER_HOOKS[kind]
        for info, call in self._implementations(hook_name):
            staged: dict[str, Entry] = {}
            try:
                call(register=_register_into(staged, kind, info))
            except _SURVIVED as err:
                _log.debug("%s: %s raised", info, hook_name, exc_info=True)
                self.problems.append(f"{info}: `{hook_name}` raised {_brief(err)}. Nothing it registers there is used.")
                continue
            for entry in staged.values():
                try:
                    registry.add(entry)
                except PluginError as err:
                    self.problems.append(str(err))

    def _implementations(self, hook_name: str) -> Iterator[tuple[PluginInfo, Callable[..., object]]]:
        """Yield who implements a hook, in load order; each takes all arguments and uses those it declares."""
        order = list(self._loaded)
        implementations = getattr(self._hooks.hook, hook_name).get_hookimpls()
        for impl in sorted(implementations, key=lambda impl: order.index(impl.plugin_name)):
            yield self._loaded[impl.plugin_name], partial(_call, impl)


def _call(impl: pluggy.HookImpl, **arguments: object) -> object:
    return impl.function(**{name: arguments[name] for name in impl.argnames})


def _register_into(staged: dict[str, Entry], kind: str, info: PluginInfo) -> Callable[..., None]:
    """Make the `register` callable of a hook; it checks what it is given and keeps it in `staged`."""

    def register_named(name: str, obj: object, description: str = "") -> None:
        entry = Entry(name, kind, obj, info.name, info.distribution, info.version, description)
        if name in staged:
            raise PluginError(f"Expected to get each {kind} once but got {name!r} twice.")
        staged[name] = entry

    def register_component(component: Any) -> None:
        register_named(getattr(component, "name", ""), component)

    return register_component if kind in COMPONENT_KINDS else register_named


def _brief(err: BaseException) -> str:
    """Type and message of an exception on one line."""
    return f"{type(err).__name__}: {' '.join(str(err).split())}"
