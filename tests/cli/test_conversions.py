from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from welkin_async.files.mapping.fields import CONVERSIONS
from welkin_async.validation.conversion import ConversionError, to_datetime

ZONE = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("text", " as it is ", " as it is "),
        ("text", 665078, "665078"),
        ("text", 105585.0, "105585"),
        ("text", "007", "007"),
        ("text", "1e5", "1e5"),
        ("integer", "12.0", 12),
        ("integer", "1e5", 100_000),
        ("integer", "1.0E+10", 10_000_000_000),
        ("integer", "007", 7),
        ("integer", 3.0, 3),
        ("integer", 1e2, 100),
        ("integer", " 042 ", 42),
        ("integer", "-7", -7),
        ("integer", 7, 7),
        ("integer", str(2**63 - 1), 2**63 - 1),
        ("number", "7.24", 7.24),
        ("number", "-1e3", -1000.0),
        ("number", "174", 174),
        ("number", ".5", 0.5),
        ("number", "0.00", 0.0),
        ("number", 1.5, 1.5),
        ("boolean", "Yes", True),
        ("boolean", "0", False),
        ("boolean", True, True),
        ("date", "2012-02-29", "2012-02-29T00:00:00.000Z"),
        ("date", "2012-02-29T00:00:00.000Z", "2012-02-29T00:00:00.000Z"),
        ("datetime", "2009-09-27T14:12:44Z", "2009-09-27T14:12:44.000Z"),
        ("datetime", "2009-09-27T14:12:44.123456+02:00", "2009-09-27T12:12:44.123Z"),
        ("datetime", "2009-09-27 10:00", "2009-09-27T14:00:00.000Z"),
        ("datetime", "2009-12-27", "2009-12-27T05:00:00.000Z"),
    ],
)
def test_converts(kind: str, value: Any, expected: Any) -> None:
    found = CONVERSIONS[kind](value, ZONE)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 1.5),
        ("text", True),
        ("integer", "12.5"),
        ("integer", "1,000"),
        ("integer", "1e999"),
        ("integer", 1e16),
        ("integer", 2**63),
        ("number", 2**63),
        ("text", 1e16),
        ("integer", "1_000"),
        ("integer", "٣"),
        ("integer", str(2**63)),
        ("integer", "9" * 5000),
        ("integer", True),
        ("number", "1,5"),
        ("number", "nan"),
        ("number", "inf"),
        ("number", "1e999"),
        ("number", "0.1234567890123456789"),
        ("number", True),
        ("boolean", "maybe"),
        ("boolean", 1),
        ("date", "2012-02-30"),
        ("date", "2012-W11-1"),
        ("date", "20120229"),
        ("date", "02/03/2012"),
        ("date", "2012-02-29T14:00:00Z"),
        ("date", 20120229),
        ("datetime", "yesterday"),
        ("datetime", 1700000000),
        ("datetime", "0001-01-01T00:00:00+14:00"),
        ("datetime", "2024-03-10T02:30:00"),  # skipped by the clock
        ("datetime", "2024-11-03T01:30:00"),  # there twice
    ],
)
def test_refuses_without_quoting(kind: str, value: Any) -> None:
    with pytest.raises(ConversionError) as caught:
        CONVERSIONS[kind](value, ZONE)
    assert "expected" in str(caught.value)
    assert str(value) not in str(caught.value)


def test_a_naive_datetime_needs_a_zone() -> None:
    with pytest.raises(ConversionError, match="zone="):
        to_datetime("2024-05-31T14:30:00")
    assert to_datetime("2024-05-31T14:30:00-04:00") == "2024-05-31T18:30:00.000Z"
