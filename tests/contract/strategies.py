"""Any record of the documented shape, for hypothesis: nulls and absences as recorded, unknown keys, unknown values."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from .catalogue import models
from .samples import put

Strategy = st.SearchStrategy[Any]

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXTS, inner, max_size=2),
    max_leaves=4,
)
_OBJECTS = st.dictionaries(_TEXTS, _JSON, max_size=3)
_UNKNOWN_KEYS = st.dictionaries(st.text(string.ascii_uppercase, min_size=3, max_size=5), _JSON, max_size=2)


def _instant(moment: datetime, suffix: str = "Z") -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + suffix


_MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
_OFFSETS = st.sampled_from(["-07:00", "+00:00", "+05:30", "+13:45"])

_SCALARS: dict[str, Strategy] = {
    "string": _TEXTS,
    "string E.164": st.just("+61403000000"),
    "uuid": st.uuids().map(str),
    "boolean": st.booleans(),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "datetime": _MOMENTS.map(_instant),
    "midnight": st.dates().map(lambda day: f"{day.isoformat()}T00:00:00.000Z"),
    "datetime_offset": st.builds(_instant, _MOMENTS, _OFFSETS),
    "time": st.times().map(lambda time: time.isoformat(timespec="seconds")),
    "object": _OBJECTS,
    "array": st.lists(_JSON, max_size=2),
    "unknown": _JSON,
    "any": _JSON,
    "any JSON value": _JSON,
    "record": _OBJECTS,
}


def values(kind: str, depth: int, choices: list[str] | None = None) -> Strategy:
    """Values of a documented type.

    Args:
        kind: The type.
        depth: How many records may stand within each other.
        choices: The values of an enumeration that were seen; any other text may stand there too.
    """
    if kind.startswith("array of "):
        inner = kind.removeprefix("array of ")
        most = 2 if depth > 0 or inner in _SCALARS else 0
        return st.lists(values(inner, depth - 1, choices), max_size=most)
    if choices or kind == "enum":
        return st.sampled_from(choices or ["A_VALUE"]) | _TEXTS
    if kind in _SCALARS:
        return _SCALARS[kind]
    return records(kind, depth - 1)


@st.composite
def records(draw: st.DrawFn, model: str, depth: int = 2) -> dict[str, Any]:
    """Records of a model as a server may send them."""
    entry = models()[model]
    raw: dict[str, Any] = {}
    for name, field in entry["fields"].items():
        kind = field["type"].removeprefix("array of ")
        nested = kind in models() and kind != "CdtBody"
        if (field.get("absent") or (nested and depth < 0)) and name != "<envelope>" and draw(st.booleans()):
            continue
        value = values(field["type"], depth, entry.get("enums", {}).get(name.removeprefix("jsonBody.")))
        if field["null"] is not False or (nested and depth < 0):
            value = st.none() | value if depth >= 0 or not nested else st.none()
        put(raw, name, lambda value=value: draw(value))
    raw.update(draw(_UNKNOWN_KEYS))
    return raw


def utc(text: str) -> datetime:
    """Read a documented datetime without the SDK."""
    base, offset = text[:23], text[23:]
    zone: timezone = UTC
    if offset not in ("Z", ""):
        sign = -1 if offset[0] == "-" else 1
        zone = timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6])))
    return datetime.strptime(base, "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=zone)
