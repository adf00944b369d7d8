"""Whether an imported plugin fits this automix: its API version, its hooks and their arguments."""

from __future__ import annotations

import pluggy

from automix import __version__, hookspecs
from automix.errors import PluginError, unknown_name
from automix.hookspecs import API_VERSION

__all__ = ["admit"]

_HOOKS = frozenset(name for name in vars(hookspecs) if name.startswith("automix_"))


def admit(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    """Check a plugin and register it with pluggy; a refused one leaves nothing behind.

    Args:
        manager: has automix's hook specifications.
        plugin: a module, or an object with hooks.
        name: of its entry point.

    Raises:
        PluginError: it is known under another name, is made for another API, or has hooks or arguments we do not call.
    """
    known_as = manager.get_name(plugin)
    if known_as is not None:
        raise PluginError(f"it is the same object as plugin {known_as!r}; keep one entry point")
    _check_api(plugin)
    mistakes = _hook_mistakes(manager, plugin)
    if mistakes:
        raise PluginError(" ".join(mistakes))
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except pluggy.PluginValidationError as err:
        if manager.is_registered(plugin):  # as pluggy 1.5 leaves it
            manager.unregister(plugin)
        raise PluginError(" ".join(str(err).split())) from err


def _check_api(plugin: object) -> None:
    stated = getattr(plugin, "automix_api", None)
    if stated != API_VERSION:
        got = "none" if stated is None else repr(stated)
        raise PluginError(
            f"Expected `automix_api` = {API_VERSION!r} but got {got}; "
            f"install a version of it made for automix {__version__}"
        )


def _hook_mistakes(manager: pluggy.PluginManager, plugin: object) -> list[str]:
    """Describe what pluggy would pass over in silence, or report without a suggestion."""
    mistakes: list[str] = []
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is None:
            if attribute in _HOOKS:
                mistakes.append(f"`{attribute}` is not marked with `@hookimpl` of automix.hookspecs.")
            continue
        hook = options.get("specname") or attribute
        if hook not in _HOOKS and not options.get("optionalhook"):
            mistakes.append(str(unknown_name("hook", hook, _HOOKS)))
        if options.get("wrapper") or options.get("hookwrapper"):
            mistakes.append(f"`{attribute}` is a wrapper; plugins are called one by one, there is nothing to wrap.")
    return mistakes
