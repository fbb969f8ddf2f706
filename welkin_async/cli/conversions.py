"""From a cell's text, or a JSON value, to the value of a field's type. Pure.

Nothing is guessed: what cannot be read in one way alone is refused with what was expected, never with what was there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from enum import StrEnum

from welkin_async.codec import JSON
from welkin_async.times import format_date, format_datetime, parse_date

__all__ = ["Conversion", "ConversionError", "FieldType", "conversion"]

Conversion = Callable[[JSON], JSON]
"""Takes a cell's text, or a JSON value other than null, or a datetime or a list with some; raises `ConversionError`."""

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*").fullmatch
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\s*").fullmatch
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T00:00:00(?:\.0+)?Z)?").fullmatch
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
_GREATEST = 2**63


class FieldType(StrEnum):
    """What a column can be read as."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"


class ConversionError(ValueError):
    """A value does not fit; the text says what was expected and never quotes it."""


def conversion(kind: FieldType | None, zone: tzinfo | None = None) -> Conversion:
    """Return the conversion to a type.

    Args:
        kind: The type; None to leave values as they are, but for datetimes, which JSON has none of.
        zone: The zone of datetimes without an offset; None refuses them.
    """
    if kind is None:
        return lambda value: _written(value, zone)
    if kind is FieldType.DATETIME:
        return lambda value: _datetime(value, zone)
    if kind is FieldType.TEXT:
        return lambda value: _text(_written(value, zone))
    return _CONVERSIONS[kind]


def _written(value: JSON, zone: tzinfo | None) -> JSON:
    """Write datetimes as the API does: one without a zone would be taken for another moment than was meant."""
    if isinstance(value, datetime):
        return _datetime(value, zone)
    if isinstance(value, list):
        return [_written(each, zone) for each in value]
    return value


def _text(value: JSON) -> JSON:
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)  # a code written as a JSON number; nothing is lost, unlike with a float
    raise ConversionError("expected text")


def _integer(value: JSON) -> JSON:
    if type(value) is str and len(value) < 32 and _INTEGER(value):
        value = int(value)
    if type(value) is int and -_GREATEST <= value < _GREATEST:
        return value
    raise ConversionError("expected an integer of at most 64 bits")


def _number(value: JSON) -> JSON:
    if type(value) is int or type(value) is float:
        return value
    if type(value) is str and len(value) < 64 and _NUMBER(value):
        if _INTEGER(value):
            return _integer(value)
        number = float(value)
        if Decimal(repr(number)) == Decimal(value.strip()):
            return number
        raise ConversionError("expected a number of at most 15 digits, which JSON holds exactly")
    raise ConversionError("expected a number with a decimal point")


def _boolean(value: JSON) -> JSON:
    if type(value) is bool:
        return value
    found = _BOOLEANS.get(value.strip().lower()) if type(value) is str else None
    if found is None:
        raise ConversionError("expected true or false")
    return found


def _date(value: JSON) -> JSON:
    text = value.strip() if type(value) is str else ""
    if _DATE(text):
        try:
            return format_date(parse_date(text))
        except ValueError:
            pass  # a day that does not exist
    raise ConversionError("expected a date, YYYY-MM-DD")


def _datetime(value: JSON, zone: tzinfo | None) -> JSON:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value.strip())
    except (AttributeError, ValueError):
        raise ConversionError("expected a datetime, such as 2024-05-31T14:30:00Z") from None
    if moment.tzinfo is None:
        moment = _placed(moment, zone)
    try:
        return format_datetime(moment)
    except ValueError:
        raise ConversionError("expected a datetime from year 1 to 9999 in UTC") from None


def _placed(moment: datetime, zone: tzinfo | None) -> datetime:
    """Give a local time its zone, unless the clock was changed just then."""
    if zone is None:
        raise ConversionError("expected a datetime with an offset, or --timezone for those without")
    first = moment.replace(tzinfo=zone)
    try:
        same = first.utcoffset() == first.replace(fold=1).utcoffset()
        exists = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment
    except OverflowError:
        raise ConversionError("expected a datetime from year 1 to 9999 in UTC") from None
    if same and exists:
        return first
    raise ConversionError("expected an offset: the clock was changed at this local time")


_CONVERSIONS: dict[FieldType, Conversion] = {
    FieldType.INTEGER: _integer,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
}
