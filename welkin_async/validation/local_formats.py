"""Local formats: conversions of dates, booleans and numbers as a country or a program writes them. Pure.

None of them is ever guessed: each is named by the mapping, and what does not follow it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Container
from datetime import UTC, datetime, tzinfo

from welkin_async.validation.conversion import (
    ConversionError,
    Convert,
    to_boolean,
    to_date,
    to_datetime,
    to_integer,
    to_number,
)
from welkin_async.wire.codec import JSON
from welkin_async.wire.dates import format_date

_PROBE = datetime(2031, 11, 23, 14, 58)  # no two of its parts are alike
_SAMPLE = re.compile(r"1(?P<group>[.,' ]?)234(?:(?P<point>[.,])5[0-9]?)?").fullmatch
_SPACES = " \u00a0\u202f"  # whichever of them stands between thousands


def date_format(format: str) -> Convert:
    """Return the conversion of dates that are written in one form.

    Args:
        format: As `datetime.strptime` takes it, such as ``%d/%m/%Y``.

    Raises:
        ValueError: it does not say day, month and year, or says more.
    """
    if _probed(format, _PROBE).date() != _PROBE.date() or _has_time(format):
        raise ValueError("a date format has day, month and year, such as %d/%m/%Y")

    def convert(value: JSON, zone: tzinfo | None) -> JSON:
        if not isinstance(value, str):
            return to_date(value, zone)
        try:
            return format_date(datetime.strptime(value.strip(), format).date())
        except ValueError:
            raise ConversionError(f"expected a date in the form {format}") from None

    return convert


def datetime_format(format: str) -> Convert:
    """Return the conversion of datetimes that are written in one form; one without ``%z`` needs a zone.

    Args:
        format: As `datetime.strptime` takes it, such as ``%d.%m.%Y %H:%M``.

    Raises:
        ValueError: it does not say day, month, year, hour and minute.
    """
    if _probed(format, _PROBE).replace(tzinfo=None) != _PROBE:
        raise ValueError("a datetime format has day, month, year, hour and minute, such as %d.%m.%Y %H:%M")

    def convert(value: JSON, zone: tzinfo | None) -> JSON:
        if not isinstance(value, str):
            return to_datetime(value, zone)
        try:
            moment = datetime.strptime(value.strip(), format)
        except ValueError:
            raise ConversionError(f"expected a datetime in the form {format}") from None
        return to_datetime(moment, zone)

    return convert


def boolean_words(words: str) -> Convert:
    """Return the conversion of booleans that are words, in any case.

    Args:
        words: Those for true and those for false, such as ``ja/nein`` or ``ja,j/nein,n``.

    Raises:
        ValueError: it has another form, or a word stands on both sides.
    """
    sides = [{word.strip().casefold() for word in side.split(",")} for side in words.split("/")]
    if len(sides) != 2 or "" in sides[0] | sides[1] or sides[0] & sides[1]:
        raise ValueError("words for true and false are written as ja/nein or ja,j/nein,n")
    yes, no = sides

    def convert(value: JSON, zone: tzinfo | None) -> JSON:
        if not isinstance(value, str):
            return to_boolean(value, zone)
        word = value.strip().casefold()
        if word in yes:
            return True
        if word in no:
            return False
        raise ConversionError(f"expected one of {words}")

    return convert


def number_format(sample: str, *, whole: bool = False) -> Convert:
    """Return the conversion of numbers that are written as a sample is.

    Thousands may be apart in a value or not, and where they are, all of them are.

    Args:
        sample: The number 1234.56 as it would be written, such as ``1.234,56``, ``1 234,56`` or ``1234,56``; without
            a fraction for integers.
        whole: Whether the numbers are integers.

    Raises:
        ValueError: it has another form.
    """
    found = _SAMPLE(sample)
    group, point = (found["group"], found["point"]) if found else ("", None)
    if found is None or (group and group == point) or (whole and point is not None):
        example = "1.234 or 1 234" if whole else "1.234,56 or 1234,56"
        raise ValueError(f"the form of a number is shown by a sample, such as {example}")
    apart = f"[{re.escape(_SPACES if group == ' ' else group)}]" if group else ""
    fraction = f"(?:{re.escape(point)}[0-9]*)?" if point is not None else ""
    grouped = f"[0-9]{{1,3}}(?P<first>{apart})[0-9]{{3}}(?:(?P=first)[0-9]{{3}})*|" if apart else ""
    fits = re.compile(f"[+-]?(?:{grouped}[0-9]+){fraction}").fullmatch
    drop = re.compile(apart) if apart else None

    def convert(value: JSON, zone: tzinfo | None) -> JSON:
        if isinstance(value, str):
            text = value.strip()
            if not fits(text):
                raise ConversionError(f"expected {'an integer' if whole else 'a number'} written as {sample}")
            text = text if drop is None else drop.sub("", text)
            value = text if point is None else text.replace(point, ".")
        return to_integer(value, zone) if whole else to_number(value, zone)

    return convert


def without_prefix(prefix: str, convert: Convert | None) -> Convert:
    """Return the conversion of text that begins with a prefix, which is taken away first.

    Args:
        prefix: Such as ``Patient/``.
        convert: What is done with the rest; None for nothing.
    """

    def stripped(value: JSON, zone: tzinfo | None) -> JSON:
        if not isinstance(value, str) or not value.strip().startswith(prefix):
            raise ConversionError(f"expected text that begins with {prefix}")
        rest = value.strip().removeprefix(prefix)
        return rest if convert is None else convert(rest, zone)

    return stripped


def without_nulls(words: Container[str], convert: Convert | None) -> Convert:
    """Return the conversion of values of which some words stand for null.

    Args:
        words: The words, without spaces around them.
        convert: What is done with other values; None for nothing.
    """

    def known(value: JSON, zone: tzinfo | None) -> JSON:
        if isinstance(value, str) and value.strip() in words:
            return None
        return value if convert is None else convert(value, zone)

    return known


def _probed(format: str, moment: datetime) -> datetime:
    """Write a moment and read it again: what a format leaves out is lost."""
    try:
        if re.search("%[YyGcxD]", format):
            return datetime.strptime(moment.replace(tzinfo=UTC).strftime(format), format)
    except ValueError:
        pass
    return datetime(1, 1, 1)


def _has_time(format: str) -> bool:
    return _probed(format, _PROBE).time() != datetime(1, 1, 1).time() or "%z" in format
