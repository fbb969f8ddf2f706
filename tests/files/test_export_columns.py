"""Exports as columns: CSV, the fields of a CDT as columns of their types, and Arrow batches."""

from __future__ import annotations

import csv
import datetime as dt
import json
import stat
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from welkin_async import Welkin
from welkin_async.bulk.export.columns import RecordColumns
from welkin_async.bulk.export.csv_file import to_csv
from welkin_async.files import FileError, export_batches, export_records, import_records
from welkin_async.models.formations import CdtFormation
from welkin_async.sandbox import Fault, FaultKind, Sandbox

arrow: Any = pytest.importorskip("pyarrow")
TYPES = {
    "name": "text",
    "count": "integer",
    "since": "datetime",
    "on": "date",
    "yes": "checkbox",
    "unseen": "date",
    "createdAt": "text",
}


def formation() -> CdtFormation:
    fields: list[dict[str, Any]] = [
        {"name": name, "type": kind, "editable": True, "meta": {}} for name, kind in TYPES.items()
    ]
    fields.append({"name": "tags", "type": "select", "valueType": "INTEGER", "meta": {"multiple": True}})
    return CdtFormation.from_wire({"id": "f", "fields": fields})


RECORD: dict[str, Any] = {
    "id": "r-1",
    "createdAt": "2024-06-01T00:00:00.000Z",
    "jsonBody": {
        "name": "=x\n\ud800",
        "count": 7,
        "since": "2024-05-31T14:30:00.000Z",
        "on": "2024-05-31T00:00:00.000Z",
        "yes": True,
        "createdAt": "before",
        "tags": [1, None],
        "more": {"a": [1]},
    },
}


def table(*records: dict[str, Any]) -> Any:
    columns = RecordColumns(formation())
    for record in records:
        columns.see(record)
    schema = columns.schema(arrow)
    return arrow.Table.from_pylist([columns.put(record) for record in records], schema=schema)


def test_fields_are_columns_of_the_types_that_the_definition_says() -> None:
    found = table(RECORD, {"id": "r-2", "createdAt": None, "jsonBody": None})
    assert {field.name: str(field.type).replace("element", "item") for field in found.schema} == {
        "id": "string",
        "createdAt": "string",
        "jsonBody": "string",
        "name": "string",
        "count": "int64",
        "since": "timestamp[us, tz=UTC]",
        "on": "date32[day]",
        "yes": "bool",
        "unseen": "date32[day]",
        "jsonBody.createdAt": "string",
        "tags": "list<item: int64>",
        "more": "struct<a: list<item: int64>>",
    }
    row = found.to_pylist()[0]
    assert row["since"] == dt.datetime(2024, 5, 31, 14, 30, tzinfo=dt.UTC)
    assert (row["on"], row["tags"], row["name"]) == (dt.date(2024, 5, 31), [1, None], "=x\n\ufffd")
    assert found.to_pylist()[1]["count"] is None


@pytest.mark.parametrize("value", ["many", 7.5, 2**70, True, [7], {"a": 1}])
def test_a_value_of_another_type_is_not_lost(value: Any) -> None:
    found = table(RECORD, {"id": "r-2", "jsonBody": {"count": value}})["count"].to_pylist()
    expected = [7.0, 7.5] if value == 7.5 else ["7", json.dumps(value, separators=(",", ":"))]
    assert found == expected


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from([*TYPES, "tags", "more"]), _JSON, max_size=6), min_size=1, max_size=4))
def test_whatever_a_record_holds_there_is_a_column_for_it(bodies: list[dict[str, Any]]) -> None:
    found = table(*({"id": str(number), "jsonBody": body} for number, body in enumerate(bodies)))
    assert found["id"].to_pylist() == [str(number) for number in range(len(bodies))]
    for row, body in zip(found.to_pylist(), bodies, strict=True):
        for name, value in body.items():
            assert (row[name] is None) is (value is None)


def test_csv_holds_the_text_that_came(tmp_path: Path) -> None:
    lines, path = tmp_path / "lines", tmp_path / "records.csv"
    lines.write_text("".join(json.dumps(each) + "\n" for each in (RECORD, {"id": "r-2", "extra": 0.5})))
    with path.open("wb") as made:
        to_csv(lines, made, Event(), RecordColumns(formation()))
    with path.open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert first["since"] == "2024-05-31T14:30:00.000Z"
    assert (first["name"], first["yes"], first["more"], first["unseen"]) == ("=x\n\ufffd", "true", '{"a":[1]}', "")
    assert (second["id"], second["extra"], second["name"]) == ("r-2", "0.5", "")
    stopped = Event()
    stopped.set()
    with (tmp_path / "other.csv").open("wb") as made:
        to_csv(lines, made, stopped)
    assert not (tmp_path / "other.csv").read_bytes()


async def filled(server: Sandbox, welkin: Welkin) -> list[str]:
    ids = [str(server.store.add_patient()["id"]) for _ in range(2)]
    rows = [
        {
            "who": ids[number % 2],
            "medication_name": f"Drug, {number}",
            "medication_refills": number,
            "medication_start_date": "2024-05-31T14:30:00Z",
        }
        for number in range(25)
    ]
    (await import_records(welkin, rows, cdt="medication", patient="who")).raise_for_outcome()
    return ids


@pytest.mark.parametrize("patients", ["all", None])
async def test_an_export_is_csv_or_typed_columns(server: Sandbox, welkin: Welkin, folder: Path, patients: Any) -> None:
    await filled(server, welkin)
    given: dict[str, Any] = {"cdt": "medication", "patients": patients}
    for flat in (False, True):
        report = await export_records(welkin, f"{flat}.csv", flat=flat, **given)
        assert (report.outcome, report.done) == ("complete", 25)
        assert stat.S_IMODE(Path(f"{flat}.csv").stat().st_mode) == 0o600
    with Path("True.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(int(row["medication_refills"]) for row in rows) == list(range(25))
    with Path("False.csv").open(newline="") as file:
        bodies = [json.loads(row["jsonBody"]) for row in csv.DictReader(file)]
    assert sorted(body["medication_name"] for body in bodies) == sorted(row["medication_name"] for row in rows)


async def test_batches_of_arrow_have_one_schema_and_leave_nothing(server: Sandbox, welkin: Welkin) -> None:
    ids = await filled(server, welkin)
    batches = [batch async for batch in export_batches(welkin, cdt="medication", patients=ids, flat=True, rows=10)]
    assert [batch.num_rows for batch in batches] == [10, 10, 5]
    found = arrow.Table.from_batches(batches)
    assert str(found.schema.field("medication_start_date").type) == "timestamp[us, tz=UTC]"
    assert sorted(found["medication_refills"].to_pylist()) == list(range(25))
    plain = [batch async for batch in export_batches(welkin, resource="PATIENT")]
    assert {row["id"] for batch in plain for row in batch.to_pylist()} == set(ids)
    stream = export_batches(welkin, cdt="medication", patients=ids)
    await anext(stream)
    await stream.aclose()  # left early: the fixture sees that nothing stays behind


async def test_batches_of_a_list_that_cannot_be_read_to_its_end_never_begin(server: Sandbox, welkin: Welkin) -> None:
    ids = await filled(server, welkin)
    server.faults.add(Fault(kind=FaultKind.STATUS, status=403, operation="cdts.list", times=None))
    with pytest.raises(FileError) as caught:
        _ = [batch async for batch in export_batches(welkin, cdt="medication", patients=ids)]
    assert caught.value.report is not None


@pytest.mark.parametrize(
    ("path", "what"),
    [("x.ndjson", {"cdt": "medication"}), ("x.csv", {"resource": "PATIENT"}), ("x.txt", {"cdt": "medication"})],
)
async def test_what_has_no_columns_is_not_flat(welkin: Welkin, folder: Path, path: str, what: dict[str, Any]) -> None:
    with pytest.raises(FileError, match=r"flat=|\.csv"):
        await export_records(welkin, path, flat=True, **what)
    assert list(folder.iterdir()) == []
