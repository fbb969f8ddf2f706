"""The Retry-After header: what it says, and whether that can be waited for."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 3600.0
"""Seconds; a longer wait is a mistake, or a quota that no call can wait out."""


def read_retry_after(value: str | None, date: str | None) -> float | None:
    """Read a Retry-After header.

    Args:
        value: The header: seconds, or an HTTP date.
        date: The answer's Date header; a date is read against it, so that a wrong local clock does no harm.

    Returns:
        Seconds from now, negative for a moment that is past; None where the header is missing or cannot be read.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        pass
    else:
        return seconds if seconds == seconds else None
    until = _moment(value)
    if until is None:
        return None
    now = _moment(date)
    if now is None or (now.tzinfo is None) != (until.tzinfo is None):
        now = datetime.now(UTC if until.tzinfo is not None else None)
    return (until - now).total_seconds()


def usable_wait(retry_after: float | None) -> float | None:
    """Return the seconds to wait that a Retry-After asks for, or None where it counts as not given.

    Zero or less would repeat every request at once; more than `LONGEST_WAIT` is taken for a mistake.

    Args:
        retry_after: What the header says, in seconds; None where it does not.
    """
    return retry_after if retry_after is not None and 0.0 < retry_after <= LONGEST_WAIT else None


def _moment(value: str | None) -> datetime | None:
    """Read an HTTP date; None where it is none."""
    try:
        return parsedate_to_datetime(value or "")
    except (ValueError, TypeError, OverflowError):
        return None
