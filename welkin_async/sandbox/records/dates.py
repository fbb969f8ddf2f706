"""Datetimes of queries and bodies: read, compared, and written in the forms of the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from welkin_async.sandbox.http.errors import validation_error
from welkin_async.sandbox.http.messages import Record
from welkin_async.sandbox.site import format_timestamp


def required_datetime(values: Mapping[str, Any], name: str, component: str = "COMMON") -> datetime:
    """A datetime that must be there; without an offset it is taken as UTC (unknown: chosen here).

    Args:
        values: A query or a body.
        name: Its key.
        component: `componentType` of the error.

    Raises:
        ApiError: 400, it is missing, not ISO 8601, or of the first or the last year that a datetime can have.
    """
    try:
        found = datetime.fromisoformat(values[name])
    except (KeyError, TypeError, ValueError) as error:
        raise validation_error(f"{name} must be an ISO 8601 datetime", component, field=name) from error
    if not 1 < found.year < 9999:  # in another zone it may be a year that there is not
        raise validation_error(f"{name} must be of the years 2 to 9998", component, field=name)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def timestamp(values: Mapping[str, Any], name: str, component: str = "COMMON") -> str | None:
    """A datetime as the API writes it, milliseconds and Z; None when it is absent, null or empty.

    Args:
        values: A query or a body.
        name: Its key.
        component: `componentType` of the error.

    Raises:
        ApiError: 400, it is not ISO 8601.
    """
    value = values.get(name)
    if value and isinstance(value, str):
        return _timestamp(value, name, component)
    return format_timestamp(required_datetime(values, name, component)) if value else None


@lru_cache(maxsize=256)  # look-ups of recent records ask for the same moment again and again
def _timestamp(text: str, name: str, component: str) -> str:
    return format_timestamp(required_datetime({name: text}, name, component))


def between_dates(
    records: Iterable[Record], query: Mapping[str, str], stamp: Callable[[Record], str], component: str = "COMMON"
) -> list[Record]:
    """Records whose stamp is from `dateStart` to `dateEnd`, both included.

    Args:
        records: In any order.
        query: Decoded query parameters; without either all are returned.
        stamp: The datetime of a record, in the form the API writes.
        component: `componentType` of the error.

    Raises:
        ApiError: 400, a bound is not ISO 8601.
    """
    # Stamps are compared as text: they all have the same form and length.
    start, end = timestamp(query, "dateStart", component) or "", timestamp(query, "dateEnd", component) or "9"
    return [record for record in records if start <= stamp(record) <= end]


def zone_named(zone: str | None) -> ZoneInfo | None:
    """A zone by its IANA name; None for none, and for one that is not known here.

    Args:
        zone: Such as `US/Pacific`.
    """
    try:
        return ZoneInfo(zone) if zone else None
    except (ValueError, OSError, LookupError):
        return None


def local_timestamp(text: str | None, zone: str | None = None) -> str | None:
    """A datetime as `local*` fields carry it: with an offset, `+00:00` without a known zone (recorded).

    Args:
        text: In the form the API writes, or any ISO 8601 form.
        zone: IANA name.
    """
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.astimezone(zone_named(zone) or UTC).isoformat(timespec="milliseconds")
