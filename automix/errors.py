"""Everything automix raises on purpose.

    AutomixError
    ├── SettingError       (ValueError)    an option or argument is out of its range
    ├── UnknownNameError   (KeyError)      a name nobody registered
    ├── DataError          (ValueError)    images, labels or files are not usable
    ├── PolicyError        (ValueError)    a policy document is wrong
    ├── SpaceError         (ValueError)    a search space is wrong
    ├── ModelError         (ValueError)    a model is unknown or does not fit the images
    ├── PluginError        (RuntimeError)  a plugin is broken, refused or raised
    ├── StudyError         (RuntimeError)  a study is locked, differs or cannot go on
    ├── StorageError       (RuntimeError)  a database or folder cannot be used
    └── ArtifactError      (RuntimeError)  a stored result is missing or damaged

Each is also the builtin that a caller would catch. A message says what was expected, what was got, where, and what to
do; the command line shows it as one line and exits with 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ArtifactError",
    "AutomixError",
    "DataError",
    "ModelError",
    "PluginError",
    "PolicyError",
    "SettingError",
    "SpaceError",
    "StorageError",
    "StudyError",
    "UnknownNameError",
    "listed",
    "unknown_name",
]

_MAX_LISTED = 10


class AutomixError(Exception):
    """Base of every error that automix raises on purpose."""


class SettingError(AutomixError, ValueError):
    """An option or argument is out of its range."""


class UnknownNameError(AutomixError, KeyError):
    """A name that nobody registered."""

    def __str__(self) -> str:
        """Show the message as text; KeyError would show its repr."""
        return str(self.args[0]) if self.args else ""


class DataError(AutomixError, ValueError):
    """Images, labels or files are not usable."""


class PolicyError(AutomixError, ValueError):
    """A policy document is wrong."""


class SpaceError(AutomixError, ValueError):
    """A search space is wrong."""


class ModelError(AutomixError, ValueError):
    """A model is unknown or does not fit the images."""


class PluginError(AutomixError, RuntimeError):
    """A plugin is broken, refused or raised."""


class StudyError(AutomixError, RuntimeError):
    """A study is locked, differs from what was asked, or cannot go on."""


class StorageError(AutomixError, RuntimeError):
    """A database or folder cannot be used."""


class ArtifactError(AutomixError, RuntimeError):
    """A stored result is missing or damaged."""


def listed(names: Iterable[str]) -> str:
    """Join names for a message: sorted, cut at ten.

    Example:
        >>> listed(["b", "a"])
        'a, b'
    """
    ordered = sorted(names)
    more = len(ordered) - _MAX_LISTED
    return ", ".join(ordered[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")


def unknown_name(kind: str, name: str, known: Iterable[str], where: str = "") -> UnknownNameError:
    """Build the error for a name that is not among ``known``, with the nearest name as a suggestion.

    Args:
        kind: what the name stands for ("mixer", "search space", "key").
        name: what was given.
        known: what would have been accepted.
        where: file and line, option or argument; empty where the caller is obvious.

    Example:
        >>> print(unknown_name("mixer", "cutmx", ["cutmix", "mixup"], "small.yaml line 3"))
        Unknown mixer 'cutmx' in small.yaml line 3. Did you mean 'cutmix'? Known: cutmix, mixup.
    """
    names = list(known)
    place = f" in {where}" if where else ""
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    known_text = f" Known: {listed(names)}." if names else f" No {kind} is known here."
    return UnknownNameError(f"Unknown {kind} {name!r}{place}.{hint}{known_text}")
