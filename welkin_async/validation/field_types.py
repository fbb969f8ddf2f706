"""Field types: for each type of a formation, what it accepts, how a cell becomes a value of it, and what equals what.

A type that no recording shows accepts whatever JSON can say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from welkin_async.validation import acceptance, conversion, equality

if TYPE_CHECKING:
    from welkin_async.models.formations import CdtField

Accepted = tuple[str, acceptance.Tests | None]
"""What a field accepts: in words, and as tests; None for anything that JSON can say."""


@attrs.frozen
class FieldType:
    """One type of a formation.

    Attributes:
        accepts: Returns what a field of the type accepts.
        converts: Makes a value of it from a cell's text or a JSON value.
        equal: Tells whether two values of it mean the same.
    """

    accepts: Callable[[CdtField], Accepted]
    converts: conversion.Convert
    equal: equality.Equal


_VALUE_TYPES: Mapping[str | None, tuple[str, type]] = {"STRING": ("text", str), "INTEGER": ("integer", int)}


def _meta(field: CdtField) -> Mapping[str, Any]:
    return field.meta or {}


def _anything(_: CdtField) -> Accepted:
    return "a value that JSON can say", None


def _text(_: CdtField) -> Accepted:
    return "text", {str: None}


def _checkbox(field: CdtField) -> Accepted:
    meta = _meta(field)
    if options := acceptance.options_of(meta):
        # No recording shows the value of a check box that has options: a list, or a single value.
        return acceptance.accept_options(options, several=True, single=not meta.get("multiple"))
    return "true or false", {bool: None}


def _select(field: CdtField) -> Accepted:
    meta = _meta(field)
    several = bool(meta.get("multiple"))
    if options := acceptance.options_of(meta):
        return acceptance.accept_options(options, several=several, single=not several)
    if field.value_type not in _VALUE_TYPES:
        return _anything(field)
    word, base = _VALUE_TYPES[field.value_type]
    one: acceptance.Tests = {base: None}
    return (f"a list of {word} values", acceptance.accept_each(one)) if several else (f"a value of type {word}", one)


def _integer(field: CdtField) -> Accepted:
    meta = _meta(field)
    return acceptance.accept_integer(_bound(meta.get("minValue"), -math.inf), _bound(meta.get("maxValue"), math.inf))


def _bound(value: Any, otherwise: float) -> float:
    """Read a bound, which is recorded as a number inside a string; what is no number bounds nothing."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return otherwise
    if not math.isfinite(number):
        return otherwise
    return int(number) if number.is_integer() else number


_PLAIN_TEXT = FieldType(_text, conversion.to_text, equality.same_text)

UNTYPED: Final = FieldType(_anything, conversion.to_json, equality.same_json)
"""What stands for a type that is not known."""

FIELD_TYPES: Final[Mapping[str, FieldType]] = {
    "text": _PLAIN_TEXT,
    "textarea": _PLAIN_TEXT,
    "email": _PLAIN_TEXT,
    "phone": _PLAIN_TEXT,
    "integer": FieldType(_integer, conversion.to_integer, equality.same_number),
    "number": FieldType(_anything, conversion.to_number, equality.same_number),
    "checkbox": FieldType(_checkbox, conversion.to_boolean, equality.same_truth),
    "select": FieldType(_select, conversion.to_text, equality.same_option),
    "date": FieldType(lambda _: acceptance.accept_date(), conversion.to_date, equality.same_date),
    "datetime": FieldType(lambda _: acceptance.accept_datetime(), conversion.to_datetime, equality.same_datetime),
}
"""By the formation's name of the type."""


def field_type(name: str | None) -> FieldType:
    """Return a type by the formation's name of it; `UNTYPED` where that is none of the known ones.

    Args:
        name: Such as ``datetime``.
    """
    return FIELD_TYPES.get(name or "", UNTYPED)
