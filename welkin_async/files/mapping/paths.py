"""Paths into a row: dotted names and indexes, and JMESPath for anything more. Pure."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from welkin_async.files.errors import FileError
from welkin_async.validation.conversion import ConversionError
from welkin_async.wire.codec import JSON


class Missing:
    """What stands where a row has nothing; only `MISSING` is one."""

    __slots__ = ()


MISSING: Final = Missing()

Read = Callable[[Mapping[str, JSON]], "JSON | Missing"]
"""Returns what an object has at a path; raises `PathError` where it is of another shape."""


class PathError(ConversionError):
    """An object is of another shape than a path; the text quotes nothing of it."""


_DOTTED = re.compile(r"""[^.\[\]'"`@&|*?(){}:,\s]+(?:\.[^.\[\]'"`@&|*?(){}:,\s]+|\[-?[0-9]{1,9}\])+""").fullmatch
_STEPS = re.compile(r"\[(-?[0-9]+)\]|([^.\[\]]+)").findall
_EXPRESSION = re.compile(r"[.\[\]'\"`@&|*?(){}]").search


def kind_of(name: str) -> Literal["name", "dotted", "expression"]:
    """Return what a name would be that is neither a column nor a key as it is written.

    Args:
        name: As a mapping has it.
    """
    if _DOTTED(name):
        return "dotted"
    return "expression" if _EXPRESSION(name) else "name"


def root_of(name: str) -> str:
    """Return the column in which a dotted name begins.

    Args:
        name: Such as ``code.coding[0].code``.
    """
    return name.partition(".")[0].partition("[")[0]


def reader_of(name: str) -> Read:
    """Return what reads a path; a key that is written like it goes first.

    Args:
        name: A dotted name with indexes, such as ``code.coding[0].code``, or a JMESPath expression.

    Raises:
        FileError: it is no such expression, or jmespath is missing.
    """
    if kind_of(name) == "expression":
        return _expression(name)
    # A step is the key of an object where it is text, and the index of a list where it is a number.
    steps: tuple[tuple[Any, Any], ...] = tuple(
        (int(index), list) if index else (key, dict) for index, key in _STEPS(name)
    )

    def walk(values: Mapping[str, JSON]) -> JSON | Missing:
        if name in values:
            return values[name]
        value: JSON = values
        try:
            for step, kind in steps:
                if type(value) is not kind:
                    return _absent(value, kind)
                value = value[step]
        except (KeyError, IndexError):
            return MISSING
        return value

    if any(kind is list for _, kind in steps):
        return walk
    keys = tuple(key for key, _ in steps)

    def read(values: Mapping[str, JSON]) -> JSON | Missing:
        if name in values:
            return values[name]
        value: JSON = values
        try:
            for key in keys:
                value = value[key]
        except (KeyError, TypeError):  # something is absent, or of another shape: which, the longer walk tells
            return walk(values)
        return value

    return read


def _absent(value: object, kind: type) -> Missing:
    """Return nothing where there is nothing on the way; what is there must be of the shape that is wanted."""
    if value is None:
        return MISSING
    raise PathError("expected a list on the way" if kind is list else "expected an object on the way")


def _expression(name: str) -> Read:
    try:
        jmespath: Any = importlib.import_module("jmespath")
    except ImportError:
        raise FileError(
            f"column {name}: a JMESPath expression needs jmespath: pip install 'welkin-async[cli]'"
        ) from None
    try:
        compiled = jmespath.compile(name)
    except jmespath.exceptions.JMESPathError:
        raise FileError(
            f"column {name}: there is no such column, and it is no JMESPath expression; "
            "a key with such characters is written in double quotes"
        ) from None

    def read(values: Mapping[str, JSON]) -> JSON | Missing:
        value: JSON = values.get(name, MISSING)
        if value is not MISSING:
            return value
        try:
            value = compiled.search(values)
        except jmespath.exceptions.JMESPathError:  # its text holds values
            raise PathError("expected an object that the expression fits") from None
        return MISSING if value is None else value

    return read
