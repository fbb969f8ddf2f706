"""Equality: whether two values of a field mean the same, however written, one function for each type. Pure.

A create answers with the record as it is stored. What came back in another form (an offset turned into Z, 1 as 1.0,
trimmed text) is the same value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

Equal = Callable[[Any, Any], bool]
"""Whether two values that are neither equal nor empty mean the same; the order of the two makes no difference."""

_MILLISECOND = timedelta(milliseconds=1)
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII).fullmatch
_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII).fullmatch
_TRUTH = {"true": True, "false": False}


def same(compare: Equal, one: Any, other: Any) -> bool:
    """Compare two values: empty ones, lists by element, and the rest by the function given."""
    if is_empty(one) or is_empty(other):
        return is_empty(one) and is_empty(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(compare, *pair) for pair in zip(one, other, strict=True))
    return compare(one, other)


def is_empty(value: Any) -> bool:
    """Tell whether a value stands for none: null, blank text, an empty list."""
    return value is None or (isinstance(value, str) and not value.strip()) or (isinstance(value, list) and not value)


def same_json(one: Any, other: Any) -> bool:
    """Compare as JSON does: 1 is 1.0 but neither "1" nor true, and absent is null."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(same(same_json, one.get(key), other.get(key)) for key in one.keys() | other.keys())
    if isinstance(one, str) and isinstance(other, str):
        return one == other or _same_instant(one, other)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return False


def same_text(one: Any, other: Any) -> bool:
    """Compare text without the white space around it, which the server may trim."""
    if isinstance(one, str) and isinstance(other, str):
        return one.strip() == other.strip()
    return same_json(one, other)


def same_option(one: Any, other: Any) -> bool:
    """Compare options, which are text or integers and never dates."""
    return one == other if isinstance(one, str) else same_json(one, other)


def same_number(one: Any, other: Any) -> bool:
    """Compare numbers, and texts of numbers, by value."""
    first, second = number_of(one), number_of(other)
    return first == second if first is not None and second is not None else same_json(one, other)


def number_of(value: Any) -> Decimal | None:
    """Read a number or the text of one exactly."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    text = float.__repr__(value) if isinstance(value, float) else value.strip() if isinstance(value, str) else ""
    return Decimal(text) if _NUMBER(text) else None


def same_truth(one: Any, other: Any) -> bool:
    """Compare truth values, whatever form they have."""
    first, second = truth_of(one), truth_of(other)
    return first is second if first is not None and second is not None else same_json(one, other)


def truth_of(value: Any) -> bool | None:
    """Read a truth value, whatever form it has; None where it is none."""
    if isinstance(value, str):
        return _TRUTH.get(value.strip().lower())
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else None


def same_date(one: Any, other: Any) -> bool:
    """Compare the dates as written, without shifting zones; the same instant is the same date too."""
    if isinstance(one, str) and isinstance(other, str):
        one, other = one.strip(), other.strip()
        if one == other:
            return True
        if _ISO(one) and _ISO(other) and one[:10] == other[:10]:
            return instant_of(one) is not None and instant_of(other) is not None
        return _same_instant(one, other)
    return same_json(one, other)


def same_datetime(one: Any, other: Any) -> bool:
    """Compare instants to the millisecond."""
    if isinstance(one, str) and isinstance(other, str):
        one, other = one.strip(), other.strip()
        return one == other or _same_instant(one, other)
    return same_json(one, other)


def _same_instant(one: str, other: str) -> bool:
    """Whether two ISO texts are one instant to the millisecond; a time without an offset is known to be none."""
    first, second = instant_of(one), instant_of(other)
    if first is None or second is None or (first.tzinfo is None) is not (second.tzinfo is None):
        return False
    return abs(first - second) < _MILLISECOND


def instant_of(text: str) -> datetime | None:
    """Read an ISO text; a date alone is midnight Z, as dates travel."""
    if not _ISO(text):
        return None
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        return datetime.fromisoformat(text)
    except ValueError:
        return None
