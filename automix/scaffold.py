"""Write a new third-party plugin: a copy of the demo plugin under other names.

The demo plugin (`examples/automix_demo_plugin`) is the template, so that what is scaffolded is what is tested. A wheel
carries it as `automix/templates/plugin`.
"""

from __future__ import annotations

import keyword
import re
import shutil
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path

from automix.errors import SettingError, StorageError

__all__ = ["scaffold_plugin", "template_folder"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_DEMO_METHOD = "stripmix"
_DEMO_PACKAGE = "automix_demo_plugin"


def scaffold_plugin(name: str, parent: Path, *, package: str = "", taken: Collection[str] = ()) -> Path:
    """Write a distribution with one mixer that works, tests included.

    Args:
        name: of the mixer, as policies will call it.
        parent: existing folder in which the distribution's folder is made.
        package: import name, also of the folder; ``automix_`` and the mixer's name where empty.
        taken: names of mixers that are installed already.

    Returns:
        The folder written.

    Raises:
        SettingError: a name cannot be used, or the folder exists.
        StorageError: the folder could not be written.
    """
    package = package or f"automix_{name}"
    class_name = "".join(part.capitalize() for part in name.split("_"))
    _check(name, package, class_name, taken)
    target = parent / package
    if target.exists():
        raise SettingError(
            f"Expected a folder that does not exist yet but {target} does. Choose another name or place."
        )
    renamed = {
        _DEMO_PACKAGE: package,
        _DEMO_PACKAGE.replace("_", "-"): package.replace("_", "-"),
        _DEMO_METHOD.capitalize(): class_name,
        _DEMO_METHOD: name,
    }
    try:
        _copy(template_folder(), target, renamed)
    except OSError as err:
        shutil.rmtree(target, ignore_errors=True)
        raise StorageError(f"Could not write the plugin to {target}: {err}") from err
    return target


def template_folder() -> Path:
    """Find the demo plugin: inside the package once installed, beside it in a checkout.

    Raises:
        StorageError: it is in neither place.
    """
    package = Path(str(files("automix")))
    places = (package / "templates" / "plugin", package.parent / "examples" / _DEMO_PACKAGE)
    for place in places:
        if (place / "pyproject.toml").is_file():
            return place
    raise StorageError(f"The plugin template is missing: looked in {places[0]} and {places[1]}. Install automix again.")


def _check(name: str, package: str, class_name: str, taken: Collection[str]) -> None:
    for what, value in (("the mixer's name", name), ("the package's name", package)):
        if not _NAME.fullmatch(value) or keyword.iskeyword(value):
            raise SettingError(
                f"Expected {what} in lower case letters, digits and underscores, starting with a letter, "
                f"but got {value!r}."
            )
    if keyword.iskeyword(class_name):
        raise SettingError(
            f"The mixer's name {name!r} makes the class name {class_name!r}, which Python keeps for itself."
        )
    if name in taken:
        raise SettingError(
            f"A mixer named {name!r} is installed already; only one of the two would be used. Choose another."
        )


def _copy(source: Path, target: Path, renamed: dict[str, str]) -> None:
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        leftover = any(part == "__pycache__" or part.startswith(".") for part in relative.parts)
        if path.is_dir() or leftover:
            continue
        copy = target / _rename(str(relative), renamed)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(_rename(path.read_text(encoding="utf-8"), renamed), encoding="utf-8")


def _rename(text: str, renamed: dict[str, str]) -> str:
    return re.sub("|".join(renamed), lambda match: renamed[match[0]], text)
