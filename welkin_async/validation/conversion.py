"""Conversion: a cell's text or a JSON value to the value of a field's type, one function for each type. Pure.

Nothing is guessed: what cannot be read in one way alone is refused with what was expected, never with what was there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, tzinfo
from decimal import Decimal

from welkin_async.wire.codec import JSON
from welkin_async.wire.dates import format_date, format_datetime, parse_date

Convert = Callable[[JSON, tzinfo | None], JSON]
"""Takes a cell's text, or a JSON value other than null, or a datetime or a list with some, and the zone of datetimes
without an offset, None to refuse them; raises `ConversionError`."""

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*").fullmatch
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\s*").fullmatch
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T00:00:00(?:\.0+)?Z)?").fullmatch
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
_GREATEST = 2**63
_GREATEST_EXACT = 2**53  # of floats
_LONGEST_NUMBER, _MOST_DIGITS = 64, 20  # characters; before the decimal point


class ConversionError(ValueError):
    """A value does not fit; the text says what was expected and never quotes it."""


def to_json(value: JSON, zone: tzinfo | None = None) -> JSON:
    """Write datetimes as the API does: one without a zone would be taken for another moment than was meant."""
    if isinstance(value, datetime):
        return to_datetime(value, zone)
    if isinstance(value, list):
        return [to_json(each, zone) for each in value]
    if isinstance(value, dict):
        return {name: to_json(each, zone) for name, each in value.items()}
    return value


def whole_number(value: JSON) -> int | None:
    """Return the integer that a JSON number or a cell's text is, however it is written; None where it is none.

    Spreadsheets and data frames write integers as ``1.0`` or ``1e5``. A float from 2**53 on is none: it may stand for
    its neighbours.

    Args:
        value: What stands in the file.
    """
    if type(value) is int:
        return value
    if type(value) is float:
        return int(value) if value.is_integer() and abs(value) < _GREATEST_EXACT else None
    if type(value) is not str or len(value) >= _LONGEST_NUMBER:
        return None
    if _INTEGER(value):
        return int(value)
    if _NUMBER(value):
        number = Decimal(value.strip())
        if number.adjusted() < _MOST_DIGITS and number == number.to_integral_value():
            return int(number)
    return None


def to_text(value: JSON, zone: tzinfo | None = None) -> JSON:
    """Return text; a number that is a code keeps all its digits."""
    if type(value) is str:
        return value
    value = to_json(value, zone)
    if type(value) is str:
        return value
    whole = whole_number(value)
    if whole is None:
        raise ConversionError("expected text")
    return str(whole)  # nothing is lost, unlike with a fraction


def to_integer(value: JSON, zone: tzinfo | None = None) -> JSON:
    """Return an integer of at most 64 bits."""
    whole = whole_number(value)
    if whole is not None and -_GREATEST <= whole < _GREATEST:
        return whole
    raise ConversionError("expected an integer of at most 64 bits")


def to_number(value: JSON, zone: tzinfo | None = None) -> JSON:
    """Return a number that JSON holds exactly."""
    if type(value) is int:
        return to_integer(value)
    if type(value) is float:
        return value
    if type(value) is str and len(value) < _LONGEST_NUMBER and _NUMBER(value):
        if _INTEGER(value):
            return to_integer(value)
        number = float(value)
        if Decimal(repr(number)) == Decimal(value.strip()):
            return number
        raise ConversionError("expected a number of at most 15 digits, which JSON holds exactly")
    raise ConversionError("expected a number with a decimal point")


def to_boolean(value: JSON, zone: tzinfo | None = None) -> JSON:
    """Return true or false."""
    if type(value) is bool:
        return value
    found = _BOOLEANS.get(value.strip().lower()) if type(value) is str else None
    if found is None:
        raise ConversionError("expected true or false")
    return found


def to_date(value: JSON, zone: tzinfo | None = None) -> JSON:
    """Return a date as the API writes it."""
    if isinstance(value, datetime) and value.utcoffset() in (None, timedelta(0)) and value.time() == time():
        return format_date(value.date())  # data frames write dates as midnight
    text = value.strip() if type(value) is str else ""
    if _DATE(text):
        try:
            return format_date(parse_date(text))
        except ValueError:
            pass  # a day that does not exist
    raise ConversionError("expected a date, YYYY-MM-DD")


def to_datetime(value: JSON, zone: tzinfo | None = None) -> JSON:
    """Return an instant as the API writes it."""
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
        raise ConversionError("expected a datetime with an offset, or zone= for those without")
    first = moment.replace(tzinfo=zone)
    try:
        same = first.utcoffset() == first.replace(fold=1).utcoffset()
        exists = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment
    except OverflowError:
        raise ConversionError("expected a datetime from year 1 to 9999 in UTC") from None
    if same and exists:
        return first
    raise ConversionError("expected an offset: the clock was changed at this local time")
