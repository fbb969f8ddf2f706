"""Frames: from pandas, polars, Arrow and DuckDB, with what each of them writes for nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import os
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from welkin_async import Welkin
from welkin_async.files import FileError, PatientColumn, import_records, update_records, upsert_records, verify_records
from welkin_async.files.readers.frames import frame_of
from welkin_async.files.readers.values import plain_row
from welkin_async.sandbox import Sandbox, SandboxProcess

from .conftest import bodies, read_ndjson


def library(name: str) -> Any:
    """A library that is there wherever the group of them is installed."""
    return importlib.import_module(name) if os.environ.get("FRAMES_REQUIRED") else pytest.importorskip(name)


arrow, pandas, polars, duckdb, numpy = map(library, ("pyarrow", "pandas", "polars", "duckdb", "numpy"))
MRN = PatientColumn("mrn", type="MRN")
MAPPING = {"name": "medication_name", "since": "medication_start_date", "refills": "medication_refills"}
GIVEN: dict[str, Any] = {"cdt": "medication", "patient": MRN, "mapping": MAPPING, "settle": 0.0}
UTC = dt.UTC


@pytest.fixture
def who(server: Sandbox) -> list[str]:
    return [str(server.store.add_patient(mrn=f"M-{number}")["id"]) for number in range(3)]


def columns(count: int) -> dict[str, list[Any]]:
    """Columns as any library takes them; every fifth has no date, every seventh no number."""
    begin = dt.datetime(2024, 5, 31, 14, 30, tzinfo=UTC)
    return {
        "mrn": [f"M-{number % 3}" for number in range(count)],
        "name": [f"Drug {number}" for number in range(count)],
        "since": [None if number % 5 == 0 else begin + dt.timedelta(days=number) for number in range(count)],
        "refills": [None if number % 7 == 0 else number % 4 for number in range(count)],
        "id": [f"k-{number}" for number in range(count)],
        "unused": [object() if number else None for number in range(count)],
    }


def expected(count: int) -> list[tuple[Any, ...]]:
    found = columns(count)
    return sorted(
        (name, since and f"{since:%Y-%m-%dT%H:%M:%S}.000Z", refills)
        for name, since, refills in zip(found["name"], found["since"], found["refills"], strict=True)
    )


def sent(server: Sandbox) -> list[tuple[Any, ...]]:
    fields = ("medication_name", "medication_start_date", "medication_refills")
    return sorted(tuple(each.get(field) for field in fields) for each in bodies(server))


def used(count: int) -> dict[str, list[Any]]:
    return {name: values for name, values in columns(count).items() if name != "unused"}


FRAMES = {
    "pandas": lambda count: pandas.DataFrame(columns(count)),
    "pandas nullable": lambda count: pandas.DataFrame(columns(count)).astype(
        {"refills": "Int64", "name": "string", "mrn": "category"}
    ),
    "pandas objects": lambda count: pandas.DataFrame(columns(count), dtype=object),
    "polars": lambda count: polars.DataFrame(columns(count), strict=False),
    "table": lambda count: arrow.table(used(count)),
    "batch": lambda count: arrow.RecordBatch.from_pydict(used(count)),
}
ONCE = {
    "lazy": lambda count: polars.DataFrame(used(count)).lazy().filter(polars.col("mrn") != ""),
    "reader": lambda count: arrow.table(used(count)).to_reader(max_chunksize=1000),
    "duckdb": lambda count: duckdb.from_arrow(arrow.table(used(count))).filter("mrn <> ''"),
}


@pytest.mark.parametrize("kind", FRAMES)
async def test_a_frame_is_imported_once_however_often_it_is_given(
    server: Sandbox, welkin: Welkin, who: list[str], kind: str
) -> None:
    made = FRAMES[kind](40)
    report = await import_records(welkin, made, **GIVEN)
    report.raise_for_outcome()
    assert (report.done, sent(server)) == (40, expected(40))
    again = await import_records(welkin, FRAMES[kind](40), **GIVEN)
    assert (again.outcome, again.unchanged, len(bodies(server))) == ("complete", 40, 40)


@pytest.mark.parametrize("kind", ONCE)
async def test_what_is_read_once_needs_a_column_of_keys(
    server: Sandbox, welkin: Welkin, who: list[str], kind: str
) -> None:
    with pytest.raises(FileError, match="key="):
        await import_records(welkin, ONCE[kind](40), **GIVEN)
    assert bodies(server) == []
    report = await import_records(welkin, ONCE[kind](40), key="id", **GIVEN)
    report.raise_for_outcome()
    assert (report.done, sent(server)) == (40, expected(40))
    assert sorted(each["external_id"] for each in bodies(server)) == sorted(columns(40)["id"])
    compared = await verify_records(welkin, ONCE[kind](40), key="id", **GIVEN)
    assert (compared.present, compared.rows) == (40, 40)
    unkeyed = await import_records(welkin, ONCE[kind](2), key_field=None, existing="trust", **GIVEN)
    assert (unkeyed.done, len(bodies(server))) == (2, 42)


async def test_the_same_values_have_the_same_keys_whatever_holds_them(
    server: Sandbox, welkin: Welkin, who: list[str]
) -> None:
    for kind in ("polars", "table", "pandas nullable"):
        report = await import_records(welkin, FRAMES[kind](10), **GIVEN)
        assert report.outcome == "complete"
    assert len(bodies(server)) == 10


async def test_pandas_writes_nothing_in_many_ways(server: Sandbox, welkin: Welkin, who: list[str]) -> None:
    nothing = (None, float("nan"), pandas.NaT, pandas.NA, numpy.float64("nan"), numpy.datetime64("NaT"), Decimal("NaN"))
    frame = pandas.DataFrame(
        {"mrn": "M-0", "name": [f"{number}" for number in range(7)], "x": pandas.Series(nothing, dtype=object)}
    )
    report = await import_records(
        welkin, frame, cdt="medication", patient=MRN, mapping={"name": "medication_name", "x": "medication_refills"}
    )
    assert report.outcome == "complete"
    assert [each.get("medication_refills") for each in bodies(server)] == [None] * 7


MOMENT = dt.datetime(2024, 5, 31, 14, 30, tzinfo=UTC)
MEANT = {
    "int": (numpy.int64(7), 7),
    "bool": (numpy.bool_(True), True),
    "float": (numpy.float32(0.5), 0.5),
    "text": (numpy.str_("a"), "a"),
    "time stamp": (pandas.Timestamp(MOMENT), MOMENT),
    "datetime64": (numpy.datetime64("2024-05-31T14:30:00"), MOMENT.replace(tzinfo=None)),
    "decimal": (Decimal("1.50"), "1.50"),
    "uuid": (UUID(int=7), str(UUID(int=7))),
    "date": (dt.date(2024, 5, 31), "2024-05-31"),
    "array": (numpy.array([1, 2]), [1, 2]),
    "nested": ({"a": [numpy.int8(1), float("nan")]}, {"a": [1, None]}),
    "large": (10**30, 10**30),
}


@pytest.mark.parametrize("kind", MEANT)
def test_objects_become_what_they_mean(kind: str) -> None:
    value, meant = MEANT[kind]
    frame = frame_of(pandas.DataFrame({"x": pandas.Series([value], dtype=object)}))
    assert frame is not None
    ((row,),) = frame.rows()
    plain, problems = plain_row(row)
    assert (plain["x"], problems) == (meant, [])


UNFIT = {
    "period": lambda: pandas.Series(pandas.period_range("2020-01", "2020-01", freq="M")),
    "interval": lambda: pandas.Series(pandas.interval_range(0, 1)),
    "duration": lambda: pandas.Series(pandas.to_timedelta([1], unit="s")),
    "nanoseconds": lambda: pandas.Series([1_700_000_000_123_456_789]).astype("datetime64[ns]"),
    "a nanosecond": lambda: pandas.Series([pandas.Timestamp(1_700_000_000_123_456_789)], dtype=object),
    "bytes": lambda: pandas.Series([b"secret"]),
    "infinite": lambda: pandas.Series([float("inf")]),
}


@pytest.mark.parametrize("kind", UNFIT)
async def test_what_json_cannot_say_refuses_its_row(
    server: Sandbox, welkin: Welkin, who: list[str], tmp_path: Path, kind: str
) -> None:
    frame = pandas.DataFrame({"mrn": ["M-0"], "x": UNFIT[kind]()})
    rejects = tmp_path / "rejects.ndjson"
    report = await import_records(
        welkin, frame, cdt="medication", patient=MRN, mapping={"x": "medication_name"}, zone=UTC, rejects=rejects
    )
    assert (report.rejected, bodies(server)) == (1, [])
    assert [reason.partition(": holds ")[0] for reason in report.reasons] == ["column x"]
    assert read_ndjson(rejects)[0]["mrn"] == "M-0"


@pytest.mark.parametrize("kind", ["polars", "table", "reader"])
async def test_a_nan_of_polars_or_arrow_refuses_its_row_unless_it_is_called_null(
    server: Sandbox, welkin: Welkin, who: list[str], kind: str
) -> None:
    values = {"mrn": ["M-0", "M-1", "M-2"], "id": ["a", "b", "c"], "refills": [1.0, float("nan"), None]}

    def made() -> Any:
        if kind == "polars":
            return polars.DataFrame(values)
        return arrow.table(values) if kind == "table" else arrow.table(values).to_reader()

    given: dict[str, Any] = {"cdt": "medication", "patient": MRN, "key": "id", "mapping": {"refills": "dispenses"}}
    report = await import_records(welkin, made(), **given, dry_run=True)
    assert (report.rejected, report.reasons) == (1, {"column refills: holds NaN, which is no value": 1})
    report = await import_records(welkin, made(), **given, nan="null")
    assert (report.outcome, report.done) == ("complete", 3)
    assert sorted(str(each.get("dispenses")) for each in bodies(server)) == ["1", "None", "None"]
    with pytest.raises(FileError, match="nan= is"):
        await import_records(welkin, made(), **{**given, "nan": "keep"})


async def test_columns_of_polars_that_arrow_has_not_are_read_one_by_one(
    server: Sandbox, welkin: Welkin, who: list[str]
) -> None:
    frame = polars.DataFrame(
        [
            polars.Series("mrn", ["M-0", "M-1", "M-2"], dtype=polars.Categorical),
            polars.Series("name", ["a", numpy.str_("b"), 3], dtype=polars.Object),
            polars.Series("refills", [1, None, 3], dtype=polars.Int128),
            polars.Series("notes", [{"a": [1]}, {"a": []}, None]),
        ]
    )
    mapping = {"name": "medication_name", "refills": "medication_refills", "notes.a[0]": "dispenses"}
    report = await import_records(welkin, frame, cdt="medication", patient=MRN, mapping=mapping)
    assert report.outcome == "complete", report.reasons
    found = [tuple(each.get(name) for name in mapping.values()) for each in bodies(server)]
    assert sorted(found, key=str) == [("3", 3, None), ("a", 1, 1), ("b", None, None)]


async def test_a_frame_updates_and_upserts(server: Sandbox, welkin: Welkin, who: list[str]) -> None:
    frame = pandas.DataFrame({"mrn": ["M-0", "M-1"], "id": ["a", "b"], "medication_name": ["one", "two"]})
    given: dict[str, Any] = {"cdt": "medication", "patient": MRN}
    await upsert_records(welkin, frame, key="id", settle=0.0, **given)
    frame["medication_name"] = ["one", "three"]
    report = await upsert_records(welkin, frame, key="id", settle=0.0, **given)
    assert (report.outcome, len(bodies(server))) == ("complete", 2), report
    made = {each["jsonBody"]["external_id"]: each["id"] for each in server.store.cdt_records("medication")}
    ids = [made["a"], made["b"]]
    changes = arrow.table({"mrn": ["M-0", "M-1"], "record": ids, "medication_refills": [1, 2]}).to_reader()
    changed = await update_records(welkin, changes, record="record", **given)
    assert (changed.done, sorted(each["medication_refills"] for each in bodies(server))) == (2, [1, 2])


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (lambda: pandas.DataFrame([[1, 2]], columns=["mrn", "mrn"]), "column mrn: the frame has it twice"),
        (lambda: pandas.DataFrame([[1, 2]]), "whose name is no text"),
        (lambda: pandas.DataFrame({"MRN": ["M-0"], "name": ["x"]}), "column mrn: the file has no such column .perhaps"),
        (lambda: polars.DataFrame({"mrn": ["M-0"]}), "column name: the file has no such column"),
        (
            lambda: duckdb.sql("select 'M-0' mrn, 'id' id, cast('secret' as integer) as name"),
            r"the frame cannot be read \(ConversionException\)",
        ),
    ],
)
async def test_a_frame_that_does_not_fit_sends_nothing_and_is_not_quoted(
    server: Sandbox, welkin: Welkin, who: list[str], frame: Any, problem: str
) -> None:
    with pytest.raises(FileError, match=problem) as caught:
        await import_records(
            welkin,
            frame(),
            cdt="medication",
            patient=MRN,
            key=None,
            key_field=None,
            mapping={"name": "medication_name"},
        )
    assert "secret" not in str(caught.value)
    assert bodies(server) == []


async def test_the_extra_is_asked_for_by_name(welkin: Welkin, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = polars.DataFrame({"mrn": ["M-0"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FileError, match=r"pip install 'welkin-async\[parquet\]'"):
        await import_records(welkin, frame, cdt="medication", patient=MRN)


def test_of_a_frame_only_the_columns_that_are_used_are_read_a_batch_at_a_time() -> None:
    class Stream:
        def __init__(self) -> None:
            self.read = 0

        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            def batches() -> Any:
                for number in range(4):
                    self.read += 1
                    yield arrow.RecordBatch.from_pydict({"a": list(range(3000)), "b": [str(number)] * 3000})

            schema = arrow.schema([("a", arrow.int64()), ("b", arrow.string())])
            return arrow.RecordBatchReader.from_batches(schema, batches()).__arrow_c_stream__(requested_schema)

    stream = Stream()
    frame = frame_of(stream)
    assert frame is not None
    frame.select(["b"])
    rows = frame.rows()
    assert [len(next(rows)) for _ in range(3)] == [1024, 1024, 952]
    assert stream.read <= 2
    assert {tuple(row) for batch in rows for row in batch} == {("b",)}
    assert frame_of([{"a": 1}]) is None
    assert frame_of("path.csv") is None


@pytest.mark.slow
async def test_what_the_documentation_shows_can_be_done(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "frames.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    body = snippet.partition("def main() -> None:\n")[2].partition("\n\n\n")[0]
    assert len(body.splitlines()) == 5
    count = 500
    frame = polars.DataFrame(
        {"mrn": [f"M-{each % 20}" for each in range(count)], "name": [f"Drug {each}" for each in range(count)]}
    )
    frame.with_columns(dose=polars.lit("1 mg")).write_csv(folder / "medications.csv")
    async with SandboxProcess() as server:
        for name, value in server.environ().items():
            monkeypatch.setenv(name, value)
        async with Welkin.from_env() as welkin:
            for number in range(20):
                await welkin.patients.create(first_name="A", last_name="B", mrn=f"M-{number}")
        for _ in range(2):
            await asyncio.to_thread(exec, compile(snippet, "frames.md", "exec"), {"__name__": "__main__"})
        assert (await server.records("medication"))["total"] == count
