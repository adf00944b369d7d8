"""Finding and reading space files."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from automix.errors import SpaceError, unknown_name
from automix.policy.yamlfile import read_yaml
from automix.spaces.document import SpaceDocument

__all__ = ["list_spaces", "load_space", "shipped_folder"]

_SUFFIXES = (".yaml", ".yml")


def shipped_folder() -> Path:
    """Return the folder of the spaces that come with automix.

    Raises:
        SpaceError: it is not where an installed package or a source tree has it.
    """
    package = Path(str(files("automix")))
    # A wheel carries the folder inside the package; a source tree, also when installed editable, beside it.
    inside, beside = package / "search_spaces", package.parent / "search_spaces"
    for folder in (inside, beside):
        if folder.is_dir():
            return folder
    raise SpaceError(f"Found no search spaces in {str(inside)!r} or {str(beside)!r}: automix is not installed whole.")


def list_spaces() -> list[str]:
    """Return the names of the spaces that come with automix, sorted."""
    return sorted(path.stem for path in shipped_folder().glob("*.yaml"))


def load_space(name_or_path: str | Path) -> SpaceDocument:
    """Read a space: one that comes with automix by its name, any other by its path.

    Args:
        name_or_path: "default", or a YAML file.

    Raises:
        SpaceError: there is none, or it is not a space; file, line and the nearest name are named.
    """
    names = list_spaces()
    if name_or_path in names:
        return SpaceDocument.read(read_yaml(shipped_folder() / f"{name_or_path}.yaml", SpaceError), is_shipped=True)
    path = Path(name_or_path)
    if path.suffix not in _SUFFIXES and not path.is_file():
        hint = f"{unknown_name('search space', str(name_or_path), names)} Or give the path of a YAML file."
        raise SpaceError(hint)
    return SpaceDocument.read(read_yaml(path, SpaceError))
