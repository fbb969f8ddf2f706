"""What a run reads: a path, a binary file, or an iterable of mappings."""

from __future__ import annotations

import io
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from welkin_async import Welkin, files
from welkin_async.sandbox import Sandbox

from .conftest import GUID, MAPPING, add_patients, bodies, medications, read_ndjson, write_csv

WHAT: dict[str, Any] = {
    "cdt": "medication",
    "patient": files.PatientColumn("PATIENT", type="EGUID"),
    "mapping": MAPPING,
}


async def rows_of(rows: list[dict[str, str]]) -> AsyncIterator[dict[str, str]]:
    for row in rows:
        yield row


async def test_a_binary_file_and_a_path_have_the_same_keys(server: Sandbox, welkin: Welkin, folder: Path) -> None:
    add_patients(server)
    path = write_csv(folder / "in.csv", medications(40))
    await files.import_records(welkin, path, **WHAT)
    for source in (path.open("rb"), io.BytesIO(path.read_bytes())):
        with source:
            await files.import_records(welkin, source, **WHAT, format="csv", existing="trust")
            assert not source.closed
    keys = sorted(body["external_id"] for body in bodies(server))
    assert keys[::3] == keys[1::3] == keys[2::3]


async def test_iterables_have_the_same_keys_in_every_run(server: Sandbox, welkin: Welkin, folder: Path) -> None:
    add_patients(server)
    rows = medications(1300)
    sources: list[Any] = [rows, iter(rows), rows_of(rows)]
    for number, source in enumerate(sources):
        report = await files.import_records(welkin, source, **WHAT, journal="j", results="all.ndjson")
        assert (report.outcome, report.done, report.earlier) == ("complete", 1300, 1300 * min(number, 1))
    assert len(bodies(server)) == 1300
    results = read_ndjson(folder / "all.ndjson")
    assert sorted(row["_line"] for row in results) == list(range(1, 1301))


async def test_values_of_mappings_become_what_they_mean(server: Sandbox, welkin: Welkin, folder: Path) -> None:
    server.define_cdt("wide", {"text": "text", "count": "integer", "yes": "checkbox", "at": "datetime", "day": "date"})
    (patient,) = add_patients(server, 1)
    good = {
        "who": UUID(patient),
        "text": "a\n\u2028\U0001f600b",
        "count": Decimal("7"),
        "yes": True,
        "at": datetime(2024, 5, 31, 14, 30, tzinfo=UTC),
        "day": date(2024, 5, 31),
    }
    rows: list[Any] = [
        good,
        {**good, "at": datetime(2024, 5, 31, 14, 30)},
        {**good, "text": b"bytes"},
        {**good, "count": float("nan")},
        {"who": patient, 7: "no name"},
    ]
    report = await files.import_records(welkin, rows, cdt="wide", patient="who", rejects="bad.ndjson", key_field=None)
    assert (report.done, report.rejected) == (1, 4), str(report)
    assert bodies(server, "wide") == [
        {
            "text": good["text"],
            "count": 7,
            "yes": True,
            "at": "2024-05-31T14:30:00.000Z",
            "day": "2024-05-31T00:00:00.000Z",
        }
    ]
    bad = {row["_line"]: row["_reason"] for row in read_ndjson(folder / "bad.ndjson")}
    assert "expected a datetime with an offset, or zone=" in bad[2]
    assert bad[3].startswith("column text: holds a value that is neither")
    assert bad[4] == "column count: holds NaN, which is no value"
    assert bad[5].startswith("holds a value that is neither")


class Named(io.BytesIO):
    name = "f.docx"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (io.StringIO("a,b\n"), "open it in binary mode"),
        (7, "a source is a path, a binary file, an iterable of mappings, or a frame, not a int"),
        (b"a,b\n", "not a bytes"),
        ({"a": 1}, "not a dict"),
        ([{"PATIENT": "x"}, ("a", "b")], "row 2 of the source is a tuple, not a mapping"),
        (Named(b"a,b\n"), r"is to end in one of \.csv"),
    ],
)
async def test_what_is_no_source_is_refused(welkin: Welkin, source: Any, problem: str) -> None:
    with pytest.raises(files.FileError, match=problem):
        await files.import_records(welkin, source, **WHAT)


async def test_an_iterable_that_raises_raises_and_leaves_nothing(server: Sandbox, welkin: Welkin) -> None:
    def broken() -> Any:
        yield from medications(600)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await files.import_records(welkin, broken(), **WHAT)
    assert bodies(server) == []


async def test_a_private_file_is_the_owners_alone(
    server: Sandbox, welkin: Welkin, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_patients(server)
    folders: list[tuple[str, int]] = []
    make: Any = tempfile.mkdtemp

    def noted(*args: Any, **kwargs: Any) -> str:
        name = str(make(*args, **kwargs))
        folders.append((name, Path(name).stat().st_mode & 0o777))
        return name

    monkeypatch.setattr("tempfile.mkdtemp", noted)
    await files.import_records(welkin, iter(medications(3)), **WHAT)
    assert folders
    assert all(mode == 0o700 for _, mode in folders)
    assert not any(Path(name).exists() for name, _ in folders)


async def test_a_patient_of_a_mapping_by_guid(server: Sandbox, welkin: Welkin) -> None:
    add_patients(server)
    rows = [{"who": UUID(GUID % 1), "medication_name": "a"}]
    report = await files.import_records(welkin, rows, cdt="medication", patient=files.PatientColumn("who", "EGUID"))
    assert report.outcome == "complete", str(report)


async def test_no_key_of_a_row_stops_a_run(server: Sandbox, welkin: Welkin, folder: Path) -> None:
    people: list[dict[str, Any]] = [
        {"firstName": f"F{number}", "lastName": "L", "code": code}
        for number, code in enumerate(("good", "\ud800", GUID % 1))
    ]
    people.append({"firstName": "F3", "lastName": "L", "code": "other", "externalGuid": "no guid"})
    marks = {"_line": 1, "_status": "", "_reason": "", "_key": "handed on", "_origin": ""}
    people.append({"firstName": "F4", "lastName": "L", "code": "x", "externalGuid": "nor this", **marks})
    mapping = {name: name for name in ("firstName", "lastName", "externalGuid")}
    report = await files.import_patients(welkin, people, key="code", mapping=mapping, rejects="bad.ndjson")
    assert (report.done, report.rows, report.error) == (2, 5, None), str(report)
    assert [row["_line"] for row in read_ndjson(folder / "bad.ndjson")] == [2, 4, 5]
    (patient,) = add_patients(server, 1)
    rows = [{"who": patient, "medication_name": "a", "code": code} for code in ("\ud800", "k", "\ud800")]
    report = await files.import_records(
        welkin, rows, cdt="medication", patient="who", key="code", key_field="external_guid"
    )
    assert (report.done, report.rows, report.error) == (1, 3, None), str(report)
