"""Values: whether what was sent has its documented form, told by types and by checks made of them.

How strictly the real server looks is unknown. Here a value of another form is a 400, so that no answer ever holds one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Kind = type | Callable[[Any], bool]
"""What a value must be: of this very type, or what a check passes."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d", re.ASCII).fullmatch


def fits(value: Any, kind: Kind) -> bool:
    """Tell whether a value is of a kind; null is of none.

    Args:
        value: As it was decoded.
        kind: By the very type: True is an int, but no number.
    """
    return type(value) is kind if isinstance(kind, type) else kind(value)


def uuid(value: Any) -> bool:
    """Tell whether a value is a UUID in its usual text form."""
    return isinstance(value, str) and _UUID(value) is not None


def time_of_day(value: Any) -> bool:
    """Tell whether a value is a time of day, ``HH:MM:SS``."""
    return isinstance(value, str) and _TIME(value) is not None


def name(value: Any) -> bool:
    """Tell whether a value is text that is not empty."""
    return isinstance(value, str) and value != ""


def among(*values: object) -> Callable[[Any], bool]:
    """Make a check of one of several values, of their own types.

    Args:
        values: Those that pass.
    """
    allowed = {(type(value), value) for value in values}
    return lambda value: isinstance(value, (str, int)) and (type(value), value) in allowed


def list_of(kind: Kind) -> Callable[[Any], bool]:
    """Make a check of a list.

    Args:
        kind: What each of its values must be.
    """
    return lambda value: isinstance(value, list) and all(fits(each, kind) for each in value)


def object_of(kinds: Mapping[str, Kind], *required: str) -> Callable[[Any], bool]:
    """Make a check of an object, in which other keys may stand as well.

    Args:
        kinds: What the value of a key must be, where it is neither missing nor null.
        required: Keys that must be there, and not null.
    """

    def check(value: Any) -> bool:
        if not isinstance(value, dict) or any(value.get(key) is None for key in required):
            return False
        return all(value.get(key) is None or fits(value[key], kind) for key, kind in kinds.items())

    return check
