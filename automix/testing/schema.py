"""The part of JSON Schema that components use, checked without another dependency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["violations"]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


def violations(schema: Mapping[str, Any], value: Any, where: str = "config") -> list[str]:
    """List in what ``value`` differs from ``schema``; empty where it fits.

    Understands type, const, enum, minimum, maximum, anyOf, properties, required and additionalProperties.

    Example:
        >>> violations({"type": "integer", "maximum": 3}, 4)
        ['config = 4 is above 3']
    """
    options = schema.get("anyOf")
    if options is not None and all(violations(option, value) for option in options):
        return [f"{where} = {value!r} fits none of {len(options)} alternatives"]
    if "const" in schema and value != schema["const"]:
        return [f"{where} = {value!r} is not {schema['const']!r}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where} = {value!r} is not one of {schema['enum']}"]
    return _type_violation(schema, value, where) or [
        *_bound_violations(schema, value, where),
        *_object_violations(schema, value, where),
    ]


def _type_violation(schema: Mapping[str, Any], value: Any, where: str) -> list[str]:
    name = schema.get("type")
    if name is None or (isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))):
        return []
    return [f"{where} = {value!r} is not of type {name}"]


def _bound_violations(schema: Mapping[str, Any], value: Any, where: str) -> list[str]:
    found = []
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{where} = {value!r} is below {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        found.append(f"{where} = {value!r} is above {schema['maximum']}")
    return found


def _object_violations(schema: Mapping[str, Any], value: Any, where: str) -> list[str]:
    properties = schema.get("properties", {})
    found = [f"{where} has no {key!r}" for key in schema.get("required", ()) if key not in value]
    if not properties:
        return found
    for key, inner in value.items():
        if key in properties:
            found += violations(properties[key], inner, f"{where}.{key}")
        elif schema.get("additionalProperties") is False:
            found.append(f"{where} has an unknown key {key!r}")
    return found
