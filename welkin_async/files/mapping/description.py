"""Descriptions of values: what a refusal says of a value without quoting it. Pure."""

from __future__ import annotations

import re
from datetime import datetime

from welkin_async.wire.codec import JSON

_KINDS = (
    (re.compile(r"[+-]?[0-9]{1,3}(?:[,' \u00a0\u202f][0-9]{3})+(?:\.[0-9]+)?"), "a number with thousands apart"),
    (re.compile(r"[+-]?[0-9]+,[0-9]+"), "a number with a decimal comma"),
    (re.compile(r"[+-]?(?:[0-9]*\.[0-9]+|[0-9]+\.?)(?:[eE][+-]?[0-9]+)"), "a number with an exponent"),
    (re.compile(r"[+-]?[0-9]*\.[0-9]+"), "a number with a fraction"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "a date"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+"), "a datetime without an offset"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?:Z|[+-][0-9:]+)"), "a datetime"),
    (re.compile(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}"), "a date in another form"),
)
_DIGITS = re.compile(r"[+-]?([0-9]+)")
_LONGEST = 100  # characters; longer text is none of these


def describe(value: JSON) -> str:
    """Say what a value is: of what kind, never which.

    Args:
        value: A cell's text, or a value of a JSON, Parquet or Excel file.
    """
    if isinstance(value, str):
        return _describe_text(value.strip())
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return f"an integer of {len(str(abs(value)))} digits" if abs(value) >= 2**63 else "an integer"
    if isinstance(value, float):
        return "a number beyond what is exact" if value.is_integer() else "a number with a fraction"
    if isinstance(value, datetime):
        return "a datetime without a zone" if value.tzinfo is None else "a datetime"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else "something else"


def _describe_text(text: str) -> str:
    if len(text) > _LONGEST:
        return "long text"
    digits = _DIGITS.fullmatch(text)
    if digits is not None:
        return f"an integer of {len(digits[1])} digits"
    return next((kind for pattern, kind in _KINDS if pattern.fullmatch(text)), "text")
