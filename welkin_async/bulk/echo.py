"""Whether a server kept what it was sent: fields compared by what they mean, not by how they are written.

A create answers with the record as it is stored. A field that is missing there, or holds something else, was lost in
silence; one that came back in another form (an offset turned into Z, 1 as 1.0, trimmed text) was not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from welkin_async.bulk.schema import Schema

__all__ = ["Echo"]

_Same = Callable[[Any, Any], bool]
"""Whether two values that are neither equal nor empty mean the same; the order of the two makes no difference."""

_ATOMS = frozenset({str, int, float, bool, type(None)})
_MILLISECOND = timedelta(milliseconds=1)
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII).fullmatch
_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII).fullmatch
_TRUTH = {"true": True, "false": False}


class Echo:
    """Compares what was sent with what is stored.

    None, an absent field, blank text and an empty list all stand for "no value" and equal one another.

    Args:
        schema: The CDT's rules, for comparing by formation type; without them JSON values are compared, with the
            same tolerance for instants, and text must be the same to the letter.
    """

    def __init__(self, schema: Schema | None = None) -> None:
        self._schema = schema
        self._compared: dict[str, _Same] = {}

    def lost(self, sent: Mapping[str, Any], body: Mapping[str, Any]) -> tuple[str, ...]:
        """Name the fields that were dropped or changed.

        Args:
            sent: The fields as encoded: plain JSON values by name.
            body: The fields as stored: a record's ``jsonBody``. More fields than were sent make no difference.

        Returns:
            The names of fields whose value is not there, in the order sent; empty where all is well.
        """
        lost: list[str] | None = None
        stored = body.get
        for name, value in sent.items():
            found = stored(name)
            kind = type(value)
            if found == value and (kind is str or (kind is type(found) and kind in _ATOMS)):
                continue
            if _same(self._compared.get(name) or self._compare(name), value, found):
                continue
            if lost is None:
                lost = []
            lost.append(name)
        return tuple(lost) if lost else ()

    def _compare(self, name: str) -> _Same:
        """Choose how a field is compared; only names of the schema are remembered."""
        if self._schema is None or name not in self._schema:
            return _same_json
        compare = self._compared[name] = _BY_TYPE.get(self._schema.type_of(name) or "", _same_json)
        return compare


def _same(compare: _Same, one: Any, other: Any) -> bool:
    """Compare two values: empty ones, lists by element, and the rest as told."""
    if _is_empty(one) or _is_empty(other):
        return _is_empty(one) and _is_empty(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(compare, *pair) for pair in zip(one, other, strict=True))
    return compare(one, other)


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or (isinstance(value, list) and not value)


def _same_json(one: Any, other: Any) -> bool:
    """Compare as JSON does: 1 is 1.0 but neither "1" nor true, and absent is null."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_same(_same_json, one.get(key), other.get(key)) for key in one.keys() | other.keys())
    if isinstance(one, str) and isinstance(other, str):
        return one == other or _same_instant(one, other)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return False


def _same_text(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.strip() == other.strip()
    return _same_json(one, other)


def _same_value(one: Any, other: Any) -> bool:
    """Compare options, which are text or integers and never dates."""
    return one == other if isinstance(one, str) else _same_json(one, other)


def _same_number(one: Any, other: Any) -> bool:
    first, second = _number(one), _number(other)
    return first == second if first is not None and second is not None else _same_json(one, other)


def _number(value: Any) -> Decimal | None:
    """Read a number or the text of one exactly."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    text = float.__repr__(value) if isinstance(value, float) else value.strip() if isinstance(value, str) else ""
    return Decimal(text) if _NUMBER(text) else None


def _same_truth(one: Any, other: Any) -> bool:
    first, second = _truth(one), _truth(other)
    return first is second if first is not None and second is not None else _same_json(one, other)


def _truth(value: Any) -> bool | None:
    if isinstance(value, str):
        return _TRUTH.get(value.strip().lower())
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else None


def _same_date(one: Any, other: Any) -> bool:
    """Compare the dates as written, without shifting zones; the same instant is the same date too."""
    if isinstance(one, str) and isinstance(other, str):
        one, other = one.strip(), other.strip()
        if _ISO(one) and _ISO(other) and one[:10] == other[:10]:
            return _instant(one) is not None and _instant(other) is not None
        return one == other or _same_instant(one, other)
    return _same_json(one, other)


def _same_moment(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        one, other = one.strip(), other.strip()
        return one == other or _same_instant(one, other)
    return _same_json(one, other)


def _same_instant(one: str, other: str) -> bool:
    """Whether two ISO texts are one instant to the millisecond; a time without an offset is known to be none."""
    first, second = _instant(one), _instant(other)
    if first is None or second is None or (first.tzinfo is None) is not (second.tzinfo is None):
        return False
    return abs(first - second) < _MILLISECOND


def _instant(text: str) -> datetime | None:
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


_BY_TYPE: Mapping[str, _Same] = {
    "text": _same_text,
    "textarea": _same_text,
    "email": _same_text,
    "phone": _same_text,
    "integer": _same_number,
    "number": _same_number,
    "checkbox": _same_truth,
    "select": _same_value,
    "date": _same_date,
    "datetime": _same_moment,
}
