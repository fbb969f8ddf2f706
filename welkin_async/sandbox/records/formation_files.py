"""Formation files: CDTs from the JSON that the API answers, as a sandbox takes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from welkin_async.sandbox.records.fields import FIELD_TYPES, SYSTEM_FIELDS

_SYSTEM = frozenset(field["name"] for field in SYSTEM_FIELDS)


def read_formations(path: str | PathLike[str]) -> dict[str, list[dict[str, Any]]]:
    """Read the fields of CDTs from a file that holds a formation, or an array of them.

    A field of a type that no recording shows becomes text.

    Args:
        path: The file.

    Returns:
        The customer's own fields of each CDT by its name, as `Sandbox` and `define_cdt` take them.

    Raises:
        ValueError: The file is not JSON, or holds no formation.
        OSError: The file cannot be read.
    """
    try:
        content: Any = json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError):
        raise ValueError(f"{Path(path).name} is not JSON") from None
    try:
        return definitions_of(content if isinstance(content, list) else [content])
    except ValueError as error:
        raise ValueError(f"{Path(path).name}: {error}") from None


def definitions_of(formations: Iterable[Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the fields of CDTs from their formations; see `read_formations`.

    Args:
        formations: As the API answers them.

    Raises:
        ValueError: One is none.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for each in formations:
        if (
            not isinstance(each, Mapping)
            or not isinstance(each.get("name"), str)
            or not _are_fields(each.get("fields"))
        ):
            raise ValueError("a formation has a name and fields")
        found[each["name"]] = [_field(field) for field in each["fields"] if field["name"] not in _SYSTEM]
    return found


def _are_fields(given: Any) -> bool:
    return isinstance(given, list) and all(
        isinstance(each, Mapping) and isinstance(each.get("name"), str) for each in given
    )


def _field(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a field, completed by what a formation may leave open."""
    kind = given.get("type")
    known = {name: value for name, value in given.items() if value is not None}
    return {**known, "type": kind if kind in FIELD_TYPES else "text", "meta": known.get("meta", {})}
