"""Acceptance: what a field accepts, as tests by the type of the value, one dict look-up for each field. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from welkin_async.errors import InvalidInputError
from welkin_async.wire.codec import plain

Test = Callable[[Any], bool]
Tests = Mapping[type, Test | None]
"""By the type of the value: None where the type is enough, else a further test; a type that is not in it is wrong."""

ATOMS: Tests = {str: None, bool: None, type(None): None}
"""What needs no closer look where anything that JSON can say is accepted."""

_SHOWN = 12  # options quoted in a text
_BASES = (str, bool, datetime, date, int, float, list, tuple)  # bool before int, datetime before date
_from_iso = datetime.fromisoformat
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII).fullmatch
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII).fullmatch


def accepts(tests: Tests | None, value: Any) -> bool:
    """Test a value by the type that will be sent: subclasses, enums, UUIDs and decimals have one.

    Args:
        tests: The tests of a rule.
        value: Any value.
    """
    if tests is None:
        return _sendable(value)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, UUID):
        value = str(value)
    elif isinstance(value, Decimal) and _sendable(value):
        value = plain(value)
    for base in _BASES:
        if isinstance(value, base):
            test = tests.get(base, _never)
            return test is None or test(value)
    return False


def _never(_: Any) -> bool:
    return False


def _sendable(value: Any) -> bool:
    try:
        plain(value)
    except InvalidInputError:
        return False
    return True


def options_of(meta: Mapping[str, Any]) -> list[str | int]:
    """Return the values of the option list, as far as it is one."""
    options = [option.get("value") for option in meta.get("options") or () if isinstance(option, Mapping)]
    return [value for value in options if type(value) is str or type(value) is int]


def accept_options(options: list[str | int], *, several: bool, single: bool) -> tuple[str, Tests]:
    """Accept values of an option list.

    No recording shows the value of a check box that has options, so it may be a list or a single value there.
    """
    one: dict[type, Test | None] = {
        kind: frozenset(option for option in options if type(option) is kind).__contains__
        for kind in {type(option) for option in options}
    }
    listed = ", ".join(str(option) for option in options[:_SHOWN])
    if len(options) > _SHOWN:
        listed += f" and {len(options) - _SHOWN} more"
    if str not in one:
        listed += " (integers)"
    if not several:
        return f"one of {listed}", one
    if not single:
        return f"a list of values among {listed}", accept_each(one)
    return f"a list of values, or one value, among {listed}", {**one, **accept_each(one)}


def accept_each(one: Tests) -> Tests:
    """Accept a list of which every element is accepted."""

    def every(values: Iterable[Any]) -> bool:
        return all(accepts(one, value) for value in values)

    return {list: every, tuple: every}


def accept_integer(low: float, high: float) -> tuple[str, Tests]:
    """Accept integers within bounds."""

    def within(value: int) -> bool:
        return low <= value <= high

    words = [f"{word} {bound}" for word, bound in (("at least", low), ("at most", high)) if math.isfinite(bound)]
    if not words:
        return "an integer", {int: None}
    return "an integer, " + " and ".join(words), {int: within}


def _is_aware(value: datetime) -> bool:
    return value.utcoffset() is not None


def _is_instant(text: str) -> bool:
    """Whether a text is an instant in the documented form; other offsets than Z are understood."""
    if text[4:20:3] == "--T::." and text[23:] == "Z":
        try:  # as the API writes it; what is left to see is whether digits stand between
            _from_iso(text)
        except ValueError:
            return False
        return True
    return _INSTANT(text) is not None and _is_real(text)


def _is_day(text: str) -> bool:
    """Whether a text is a date; the short form is not documented for records, but no recording refuses it."""
    return (_INSTANT(text) is not None or _DATE(text) is not None) and _is_real(text)


def _is_real(text: str) -> bool:
    """Whether the calendar and the clock have it: no 30 February, no 25:00."""
    try:
        _from_iso(text)
    except ValueError:
        return False
    return True


def accept_datetime() -> tuple[str, Tests]:
    """Accept instants."""
    words = "a datetime with a zone, a date, or text such as 2021-03-01T09:30:00.000Z"
    return words, {str: _is_instant, datetime: _is_aware, date: None}


def accept_date() -> tuple[str, Tests]:
    """Accept dates."""
    words = "a date, a datetime with a zone, or text such as 2021-03-01T00:00:00.000Z"
    return words, {str: _is_day, datetime: _is_aware, date: None}
