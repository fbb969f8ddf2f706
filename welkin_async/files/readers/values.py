"""Values of typed sources, such as Parquet files and mappings, as JSON can hold them. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from welkin_async.files.readers.arrow_values import BEYOND, Unreadable
from welkin_async.files.readers.lines import refused
from welkin_async.wire.codec import JSON

_MOST_BITS = 4096  # of integers; Python refuses to write and read those of several thousand digits
_NAN = "holds NaN, which is no value"
UNFIT = refused("holds a value that is neither text, number, boolean, date, datetime nor a list or object of these")


def plain_value(value: Any) -> JSON:
    """Return a value as JSON can hold it, but for datetimes: none without a zone is to pass for text.

    Args:
        value: Dates become ISO text, a decimal number and a UUID their text.

    Raises:
        ValueError: there is no such value in JSON.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if value.bit_length() <= _MOST_BITS:
            return value
        raise ValueError("an integer that Python does not write")
    if isinstance(value, datetime):
        if value == value:
            return value
        raise ValueError("no moment")
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise ValueError("no JSON number")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if isinstance(value, list | tuple):
        return [plain_value(each) for each in value]
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {name: plain_value(each) for name, each in value.items()}
    raise ValueError("no JSON value")


def plain_row(values: Mapping[str, Any]) -> tuple[dict[str, JSON], list[str]]:
    """Return a row as JSON can hold it, and what of it cannot be sent.

    Args:
        values: By the column's name.
    """
    plain: dict[str, JSON] = {}
    problems = []
    for name, value in values.items():
        if isinstance(value, Unreadable):
            problems.append(f"column {name}: {BEYOND}")
        try:
            plain[name] = plain_value(value)
        except ValueError:
            reason = _NAN if isinstance(value, float) and math.isnan(value) else UNFIT.reason
            problems.append(f"column {name}: {reason}")
            plain[name] = shown_value(value)
    return plain, problems


def shown_value(value: Any) -> JSON:
    """Return what a reject file holds for a value that cannot be sent.

    Args:
        value: Any.
    """
    try:
        return plain_value(value)
    except Exception:  # a value may be of any class
        return value.hex() if isinstance(value, bytes) else _text(value)


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"
