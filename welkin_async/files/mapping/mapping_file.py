"""Mapping file: a mapping written down as TOML, to be kept beside the file it is for. Pure but for reading it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from welkin_async.files.errors import FileError
from welkin_async.files.options import Field, FieldOptions, StrPath, parse_field
from welkin_async.wire.tracebacks import without_frames

_KEYS = ("columns", "set", "null", "ignore", "timezone")


@without_frames
def read_mapping(path: StrPath) -> FieldOptions:
    """Read a mapping file; blocks.

    A table ``columns`` has a field for each column, written as ``field``, ``field:type`` or ``field:type(format)``; a
    table ``set`` has constants; ``null`` and ``ignore`` are lists of text, and ``timezone`` is an IANA name. Each of
    them may be left out.

    Args:
        path: The file.

    Returns:
        The options that it stands for: ``await files.import_records(..., **files.read_mapping("mapping.toml"))``.

    Raises:
        FileError: it cannot be read, or is written otherwise.
    """
    path = Path(path)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    except (tomllib.TOMLDecodeError, UnicodeError):
        raise FileError(f"{path} is not TOML") from None
    try:
        return _options(found)
    except FileError as error:
        raise FileError(*(f"{path}: {problem}" for problem in error.problems)) from None


def _options(found: Mapping[str, Any]) -> FieldOptions:
    for name in found:
        if name not in _KEYS:
            raise FileError(f"there is no {name} in a mapping file; it has {', '.join(_KEYS)}")
    options: FieldOptions = {}
    if "columns" in found:
        options["mapping"] = _columns(found["columns"])
    if "set" in found:
        options["constants"] = _constants(found["set"])
    if "null" in found:
        options["nulls"] = _texts("null", found["null"])
    if "ignore" in found:
        options["ignore"] = _texts("ignore", found["ignore"])
    if "timezone" in found:
        options["zone"] = parse_zone(found["timezone"])
    return options


def parse_zone(name: object) -> ZoneInfo:
    """Return a time zone by its name.

    Args:
        name: An IANA name.

    Raises:
        FileError: there is none of that name.
    """
    try:
        return ZoneInfo(str(name))
    except (LookupError, ValueError, OSError):
        raise FileError("timezone is an IANA name, such as America/New_York") from None


def _columns(found: object) -> dict[str, str | Field]:
    if not isinstance(found, dict) or not found or not all(isinstance(each, str) for each in found.values()):
        raise FileError('columns is a table of fields, such as START = "medication_start_date:datetime"')
    return {column: parse_field(column, field) for column, field in found.items()}


def _constants(found: object) -> dict[str, Any]:
    if not isinstance(found, dict) or not all(isinstance(each, str | int | float | bool) for each in found.values()):
        raise FileError("set is a table of texts, numbers and booleans, one for each field")
    return found


def _texts(name: str, found: object) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise FileError(f"{name} is a list of texts")
    return found
