"""Dates and times in the API's formats: the one place that formats and parses them.

Returned and sent datetimes are ``YYYY-MM-DDTHH:MM:SS.mmmZ``, dates travel as midnight Z, times of day as
``HH:MM:SS`` (recorded). Aware datetimes are converted to UTC; naive ones are refused, because a guess at their zone
would move a clinical event.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time


def format_datetime(value: datetime) -> str:
    """Write an aware datetime in UTC with milliseconds; finer digits are cut off, as the API keeps none.

    Args:
        value: An aware datetime of any zone.

    Raises:
        ValueError: it is naive, or falls outside year 1 to 9999 in UTC.
    """
    if value.utcoffset() is None:
        raise ValueError("a naive datetime; give it a time zone")
    try:
        utc = value.astimezone(UTC)
    except OverflowError:
        raise ValueError("a datetime outside year 1 to 9999 in UTC") from None
    return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def format_date(value: date) -> str:
    """Write a date as midnight Z, the form recorded for birthDate and effectiveDate."""
    return value.isoformat() + "T00:00:00.000Z"


def format_time(value: time) -> str:
    """Write a time of day as ``HH:MM:SS``.

    Raises:
        ValueError: it carries a zone; the API's times of day have none.
    """
    if value.tzinfo is not None:
        raise ValueError("a time of day with a zone; the API's have none")
    return value.isoformat(timespec="seconds")


def parse_datetime(text: str) -> datetime:
    """Read a datetime with its offset kept; ``Z`` gives UTC.

    Raises:
        ValueError: not ISO 8601, or without an offset.
    """
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError("a datetime without an offset")
    return value


def parse_date(text: str) -> date:
    """Read the date part of ``YYYY-MM-DD`` or of a midnight datetime, without shifting zones.

    Raises:
        ValueError: not a date.
    """
    if len(text) == 10:
        return date.fromisoformat(text)
    return datetime.fromisoformat(text).date()


def parse_time(text: str) -> time:
    """Read ``HH:MM:SS``.

    Raises:
        ValueError: not a time of day.
    """
    value = time.fromisoformat(text)
    if value.tzinfo is not None:
        raise ValueError("a time of day with a zone")
    return value


def from_timestamp(seconds: float) -> datetime:
    """Return the aware UTC datetime of a moment.

    Args:
        seconds: Wall-clock seconds since 1970.
    """
    return datetime.fromtimestamp(seconds, UTC)
