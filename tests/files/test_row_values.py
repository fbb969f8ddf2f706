"""No value of a row stops a run: whatever it does when it is looked at, its row is refused and the others are sent."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest

from welkin_async import Welkin, bulk, files
from welkin_async.sandbox import Sandbox

from .conftest import add_patients, bodies, read_ndjson


class NotATime(datetime):
    """As a data frame's NaT: a datetime of which nothing can be asked."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = datetime.__hash__

    def utcoffset(self) -> Any:
        raise ValueError("NaTType does not support utcoffset")

    def astimezone(self, tz: Any = None) -> Any:
        raise ValueError("NaTType does not support astimezone")

    def isoformat(self, *_: Any, **__: Any) -> str:
        return "NaT"


class Odd(str):
    """Text of which nothing can be asked."""

    def __eq__(self, other: object) -> bool:
        raise LookupError("odd")

    def __hash__(self) -> int:
        raise LookupError("odd")

    def strip(self, *_: Any) -> Any:
        raise LookupError("odd")

    def encode(self, *_: Any, **__: Any) -> Any:
        raise LookupError("odd")

    def __str__(self) -> str:
        raise LookupError("odd")


ODD: list[Any] = [
    NotATime(2024, 1, 1),
    Odd("x"),
    object(),
    Decimal("sNaN"),
    10**5000,
    float("nan"),
    {"a": {1: 2}},
    "\ud800",
]


@pytest.mark.parametrize("check", ["strict", "warn", "off"])
@pytest.mark.parametrize("number", range(len(ODD)))
async def test_of_mappings(
    server: Sandbox, welkin: Welkin, folder: Path, number: int, check: Literal["strict", "warn", "off"]
) -> None:
    (patient,) = add_patients(server, 1)
    good = {"pid": patient, "medication_name": "A", "medication_start_date": datetime(2024, 5, 31, tzinfo=UTC)}
    rows = [*[good] * 49, {**good, "medication_start_date": ODD[number]}, good]
    report = await files.import_records(
        welkin, rows, cdt="medication", patient="pid", check=check, key_field=None, rejects="bad.ndjson"
    )
    assert (report.done, report.rejected + report.failed, report.error) == (50, 1, None), str(report)
    assert len(bodies(server)) == 50
    assert [row["_line"] for row in read_ndjson(folder / "bad.ndjson")] == [50]


@pytest.mark.parametrize("number", range(len(ODD)))
async def test_of_rows_for_the_bulk_engine(server: Sandbox, welkin: Welkin, number: int) -> None:
    (patient,) = add_patients(server, 1)
    rows = [bulk.CdtRow(patient, {"medication_name": "A"}) for _ in range(51)]
    rows[49] = bulk.CdtRow(patient, {"medication_start_date": ODD[number]})
    report = await bulk.create_cdt_records(welkin, "medication", rows)
    assert (report.created, report.failed) == (50, 1)
