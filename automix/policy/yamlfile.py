"""YAML files that people write: read safely, and every complaint knows its line.

YAML 1.2 (ruamel.yaml), so that ``1e-4`` is a number and ``no`` a word. Aliases are refused: a few lines of them can
stand for more data than fits in memory, and a policy may come from a stranger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent

from automix.errors import AutomixError, unknown_name

__all__ = ["YamlFile", "dump_yaml", "read_yaml"]

_MAX_BYTES = 1 << 20
_MAX_DEPTH = 20


@dataclass(frozen=True)
class YamlFile:
    """The content of a YAML file and where each part of it stands.

    Args:
        name: the file's name, for messages.
        data: plain dicts, lists and scalars.
        lines: path into ``data`` -> line number, from 1.
    """

    name: str
    data: Any
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)

    def where(self, *path: str | int) -> str:
        """Say file and line of a part; of its nearest known parent where the part itself is missing."""
        while path and path not in self.lines:
            path = path[:-1]
        line = self.lines.get(path)
        return f"{self.name} line {line}" if line else self.name

    def complaint(self, error: ValidationError, kind: type[AutomixError], model: type[BaseModel]) -> AutomixError:
        """Turn one of pydantic's complaints into one line with file and line.

        Args:
            error: what pydantic raised on ``data``.
            kind: class of the error to return, where it is not an unknown key.
            model: the model that ``data`` was read into.
        """
        # A misspelt key often makes another one missing: the misspelling is what to tell.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        path = first["loc"]
        if first["type"] == "extra_forbidden":
            return unknown_name("key", str(path[-1]), _keys_at(model, path[:-1]), self.where(*path))
        text = first["msg"].removeprefix("Value error, ")
        dotted = ".".join(str(part) for part in path)
        if not dotted:
            return kind(f"{text} in {self.where()}.")
        if first["type"] == "missing":
            return kind(f"`{dotted}` is missing in {self.where(*path)}.")
        return kind(f"{text} at `{dotted}` in {self.where(*path)}, got {first['input']!r}.")


def _keys_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """List the keys that a model takes at a path into its data."""
    for part in path:
        names = {field.alias or name: field for name, field in model.model_fields.items()}
        if isinstance(part, str) and part in names:
            inner = [t for t in _types_in(names[part].annotation) if isinstance(t, type) and issubclass(t, BaseModel)]
            model = inner[0] if inner else model
    return [field.alias or name for name, field in model.model_fields.items()]


def _types_in(annotation: Any) -> list[Any]:
    """Flatten ``tuple[Branch, ...] | None`` to the types it mentions."""
    inner = get_args(annotation)
    return [found for one in inner for found in _types_in(one)] if inner else [annotation]


def read_yaml(path: Path, kind: type[AutomixError]) -> YamlFile:
    """Read a YAML file that a person or a stranger wrote.

    Args:
        path: the file.
        kind: class of the error to raise.

    Raises:
        AutomixError: (as ``kind``) the file is missing, too large, not YAML, uses aliases or is not a mapping.
    """
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as err:
        raise kind(f"There is no file {str(path)!r}.") from err
    except (OSError, UnicodeDecodeError) as err:
        raise kind(f"Cannot read {str(path)!r} as text: {err}.") from err
    if size > _MAX_BYTES:
        raise kind(f"Expected a file below {_MAX_BYTES >> 20} MiB but {path.name} has {size} bytes.")
    return parse_yaml(text, path.name, kind)


def parse_yaml(text: str, name: str, kind: type[AutomixError]) -> YamlFile:
    """Parse text as `read_yaml` does."""
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            if isinstance(event, AliasEvent):
                place = f"{name} line {event.start_mark.line + 1}"
                raise kind(f"Aliases (*{event.anchor}) are not accepted in {place}: write it out.")
        tree = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as err:
        line = err.problem_mark.line + 1 if err.problem_mark else "?"
        raise kind(f"{name} line {line} is not valid YAML: {err.problem}.") from err
    except (YAMLError, RecursionError) as err:
        raise kind(f"{name} is not valid YAML: {err}.") from err
    if not isinstance(tree, Mapping):
        raise kind(f"Expected {name} to hold `key: value` lines but got {type(tree).__name__}.")
    lines: dict[tuple[str | int, ...], int] = {(): 1}
    return YamlFile(name, _plain(tree, (), lines, name, kind), lines)


def _plain(
    node: Any, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int], name: str, kind: type[AutomixError]
) -> Any:
    """Copy ruamel's nodes into plain Python and note their lines."""
    if len(path) > _MAX_DEPTH:
        raise kind(f"{name} is nested deeper than {_MAX_DEPTH} levels.")
    if isinstance(node, Mapping):
        for key in node:
            lines[(*path, str(key))] = node.lc.key(key)[0] + 1 if hasattr(node, "lc") else 1
        return {str(key): _plain(value, (*path, str(key)), lines, name, kind) for key, value in node.items()}
    if isinstance(node, Sequence) and not isinstance(node, (str, bytes)):
        for i in range(len(node)):
            lines[(*path, i)] = node.lc.item(i)[0] + 1 if hasattr(node, "lc") else 1
        return [_plain(value, (*path, i), lines, name, kind) for i, value in enumerate(node)]
    if isinstance(node, bool) or node is None:
        return node
    # ruamel's own scalar types remember how they were written; plain ones are enough from here on.
    plain_types: tuple[type, ...] = (int, float, str)
    for plain in plain_types:
        if isinstance(node, plain):
            return plain(node)
    raise kind(f"{name}: expected numbers, words, lists or mappings but got {type(node).__name__} {node!r}.")


def dump_yaml(data: Mapping[str, Any]) -> str:
    """Write plain data as YAML 1.2, in the given order; components and lists of scalars on one line each."""
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 120
    stream = StringIO()
    yaml.dump(_styled(data), stream)
    return stream.getvalue()


def _styled(node: Any) -> Any:
    """Copy plain data into ruamel's containers, which know how they are written."""
    if isinstance(node, Mapping):
        mapping = CommentedMap((key, _styled(value)) for key, value in node.items())
        if "name" in node and _holds_scalars(node.values()):
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(node, (list, tuple)):
        sequence = CommentedSeq(_styled(value) for value in node)
        if _holds_scalars(node):
            sequence.fa.set_flow_style()
        return sequence
    return node


def _holds_scalars(values: Iterable[Any]) -> bool:
    return not any(isinstance(value, (Mapping, list, tuple)) for value in values)
