"""Exports to a file: whole, without doubles, and taken up where they were ended."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Connect

from welkin_async import InvalidInputError, NotFoundError, PagingError, Welkin, bulk
from welkin_async.bulk.export.partial_file import ExportFile
from welkin_async.models.patients import Patient
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, Killed, add_record, leftovers, records

EXPORT = "exports.list"
Export = Callable[[Welkin, Path], Any]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def stop_after(pages: int) -> Callable[[bulk.ExportReport], None]:
    def told(report: bulk.ExportReport) -> None:
        if report.pages >= pages:
            raise Killed

    return told


async def test_an_export_holds_each_record_once_as_it_was_received(
    server: Sandbox, welkin: Welkin, tmp_path: Path
) -> None:
    records(server, 5, 21)
    path = tmp_path / "export.ndjson"
    report = await bulk.export_resource(welkin, "CDT_RECORD", path, page_size=10)
    held = server.store.cdt_records(CDT)
    assert sorted(lines(path), key=lambda each: each["id"]) == sorted(held, key=lambda each: each["id"])
    assert (report.records, report.bytes, report.resumed) == (105, path.stat().st_size, False)
    assert report.pages == server.stats.operations[EXPORT] == 12  # each page begins with the last record of the other
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert leftovers(path) == []

    more = records(server, 1, 3)
    later = await bulk.export_resource(welkin, "CDT_RECORD", tmp_path / "more.ndjson", report.cursor)
    assert later.records == 4
    assert {record for _, record in more} < {each["id"] for each in lines(tmp_path / "more.ndjson")}


@pytest.mark.parametrize("resource", ["PATIENT", "CDT_RECORD"])
async def test_an_export_that_is_cancelled_goes_on(
    server: Sandbox, connect: Connect, tmp_path: Path, resource: str
) -> None:
    records(server, 60, 2)
    path = tmp_path / "export.ndjson"
    server.faults.add(Fault(kind=FaultKind.STALL_AFTER, operation=EXPORT, after=4, delay=5.0))
    async with connect(server) as welkin:
        task = asyncio.create_task(bulk.export_resource(welkin, resource, path, page_size=9))
        while server.stats.performed[EXPORT] < 5:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not path.exists()
        assert {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in leftovers(path)} == {
            "export.ndjson.part": 0o600,
            "export.ndjson.part.lock": 0o600,
            "export.ndjson.resume": 0o600,
        }
        with open(tmp_path / "export.ndjson.part", "ab") as part:
            part.write(b'{"half')  # written, but not kept: as a kill in the middle leaves it
        asked = server.stats.operations[EXPORT]
        report = await bulk.export_resource(welkin, resource, path, page_size=9)
    count = 120 if resource == "CDT_RECORD" else 60
    assert report.resumed
    assert report.records == len(lines(path)) == count
    assert len({each["id"] for each in lines(path)}) == count
    assert report.pages > server.stats.operations[EXPORT] - asked
    assert leftovers(path) == []


async def by_cursor(welkin: Welkin, path: Path, **options: Any) -> bulk.ExportReport:
    return await bulk.export_cdt(welkin, CDT, None, path, page_size=12, **options)


async def by_patients(welkin: Welkin, path: Path, **options: Any) -> bulk.ExportReport:
    patients = welkin.patients.list(sort="createdAt,asc")
    return await bulk.export_cdt(welkin, CDT, patients, path, page_size=10, concurrency=3, **options)


@pytest.mark.parametrize("export", [by_cursor, by_patients])
@pytest.mark.parametrize("format", ["ndjson", "parquet"])
async def test_an_export_under_faults_is_taken_up_until_it_is_whole(
    server: Sandbox, connect: Connect, tmp_path: Path, export: Any, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("welkin_async.bulk.export.patient_walk._KEEP_EVERY", 0.0)
    made = records(server, 10, 16)
    for patient in server.store.patients:
        add_record(server, patient, {"systolic": 120}, "vitals")
    for operation in (EXPORT, "cdts.list"):
        server.faults.add(Fault(kind=FaultKind.RESET_BEFORE, operation=operation, times=None, every=7))
        server.faults.add(Fault(kind=FaultKind.TRUNCATED, operation=operation, times=None, every=9))
    path, runs = tmp_path / "export", 0
    async with connect(server, max_attempts=8) as welkin:
        while not path.exists():
            runs += 1
            so_far = json.loads((tmp_path / "export.resume").read_bytes())["mark"]["pages"] if runs > 1 else 0
            try:
                report = await export(welkin, path, format=format, on_progress=stop_after(so_far + 7))
            except Killed:
                continue
    assert runs > 2
    assert report.records == 160
    assert report.resumed
    if format == "ndjson":
        ids = [each["id"] for each in lines(path)]
    else:
        parquet = pytest.importorskip("pyarrow.parquet")
        table = parquet.read_table(path)
        ids = table["id"].to_pylist()
        names = {each["jsonBody"]["medication_name"] for each in table.to_pylist()}
        assert names == {f"Medication {number}" for number in range(16)}
    assert sorted(ids) == sorted(record for _, record in made)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert leftovers(path) == []


async def test_patients_are_written_in_their_order(server: Sandbox, welkin: Welkin, tmp_path: Path) -> None:
    made = records(server, 5, 23)
    patients: list[Any] = list(server.store.patients)
    patients[2] = Patient.from_wire(server.store.patients[patients[2]])
    told: list[bulk.ExportReport] = []
    report = await bulk.export_cdt(welkin, CDT, patients, tmp_path / "a", page_size=10, on_progress=told.append)
    assert [(each["patientId"], each["id"]) for each in lines(tmp_path / "a")] == made
    assert (report.records, report.pages, report.cursor) == (115, 15, None)
    assert told[-1].records == 115
    empty = await bulk.export_cdt(welkin, CDT, [], tmp_path / "b", format="parquet")
    assert empty.records == 0


async def test_a_list_counts_only_if_it_is_complete(
    server: Sandbox, welkin: Welkin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("welkin_async.bulk.export.patient_walk._PAUSE", 0.1)
    server.list_lag = 0.3  # totals count records that the pages do not show yet
    made = records(server, 2, 30)
    report = await bulk.export_cdt(welkin, CDT, list(server.store.patients), tmp_path / "a", page_size=40)
    assert [each["id"] for each in lines(tmp_path / "a")] == [record for _, record in made]
    assert report.records == 60
    assert server.stats.operations["cdts.list"] > 2
    server.list_lag = 60.0
    with pytest.raises(PagingError):
        await bulk.export_cdt(welkin, CDT, list(server.store.patients), tmp_path / "b", page_size=40)


async def test_what_is_not_there_is_an_error_that_keeps_what_is_written(
    server: Sandbox, welkin: Welkin, tmp_path: Path
) -> None:
    records(server, 3, 2)
    patients = [*server.store.patients, "5e1a7c3e-0000-4000-8000-000000000000"]
    path = tmp_path / "export"
    with pytest.raises(NotFoundError):
        await bulk.export_cdt(welkin, CDT, patients, path)
    assert len(lines(tmp_path / "export.part")) == 6
    with pytest.raises(bulk.ExportError, match="other patients"):
        await bulk.export_cdt(welkin, CDT, patients[1:], path)
    with pytest.raises(bulk.ExportError, match="something else"):
        await bulk.export_cdt(welkin, "vitals", patients, path)
    with pytest.raises(bulk.ExportError, match="something else"):
        await bulk.export_resource(welkin, "PATIENT", path)
    asked = server.stats.operations["cdts.list"]
    report = await bulk.export_cdt(welkin, CDT, patients[:3], path)
    assert (report.records, report.resumed) == (6, True)
    assert server.stats.operations["cdts.list"] == asked
    report = await bulk.export_cdt(welkin, CDT, patients[1:3], path)
    assert (report.records, report.resumed) == (4, False)


async def test_an_export_of_what_is_not_there_leaves_nothing(welkin: Welkin, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        await bulk.export_resource(welkin, "NOTHING", tmp_path / "export")
    with pytest.raises(NotFoundError):
        await bulk.export_cdt(welkin, CDT, ["5e1a7c3e-0000-4000-8000-000000000000"], tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


async def test_what_was_begun_can_be_forgotten(server: Sandbox, welkin: Welkin, tmp_path: Path) -> None:
    records(server, 1, 30)
    path = tmp_path / "export"
    with pytest.raises(Killed):
        await bulk.export_resource(welkin, "CDT_RECORD", path, page_size=10, on_progress=stop_after(1))
    report = await bulk.export_resource(welkin, "PATIENT", path, resume=False)
    assert (report.records, report.resumed) == (1, False)
    (tmp_path / "export.resume").write_text("{")
    with pytest.raises(bulk.ExportError, match="cannot be read"):
        await bulk.export_resource(welkin, "PATIENT", path)
    (tmp_path / "export.resume").unlink()
    with pytest.raises(Killed):
        await bulk.export_resource(welkin, "CDT_RECORD", path, page_size=10, on_progress=stop_after(2))
    (tmp_path / "export.part").write_bytes(b"")
    with pytest.raises(bulk.ExportError, match="missing"):
        await bulk.export_resource(welkin, "CDT_RECORD", path)
    assert [each["id"] for each in lines(path)] == list(server.store.patients)  # the one from before is still there


async def test_one_process_writes_an_export(server: Sandbox, welkin: Welkin, tmp_path: Path) -> None:
    records(server, 1, 3)
    path = tmp_path / "export"
    held = ExportFile(path, "this")
    held.open(resume=True)
    with pytest.raises(bulk.ExportError, match=f"process {multiprocessing.current_process().pid} is writing"):
        await bulk.export_resource(welkin, "CDT_RECORD", path)
    held.close()
    assert (await bulk.export_resource(welkin, "CDT_RECORD", path)).records == 3


async def test_a_cursor_that_does_not_move_is_an_error(server: Sandbox, welkin: Welkin, tmp_path: Path) -> None:
    answer = {"data": [{"id": "a"}], "cursor": {"start": None, "end": "x", "hasNext": True}}
    again = {"data": [{"id": "b"}], "cursor": {"start": "x", "end": "x", "hasNext": True}}
    for each in (answer, again, again):
        server.faults.add(Fault(kind=FaultKind.STATUS, status=200, body=json.dumps(each).encode(), operation=EXPORT))
    for _ in range(2):  # nor is it when the export is taken up
        with pytest.raises(PagingError, match="does not move"):
            await bulk.export_resource(welkin, "CDT_RECORD", tmp_path / "export")
    assert not server.faults.unmet()


async def test_a_record_that_changed_at_the_seam_is_not_lost(server: Sandbox, welkin: Welkin, tmp_path: Path) -> None:
    records(server, 1, 12)
    held = sorted(server.store.cdt_records(CDT), key=lambda each: (each["jsonBody"]["created_at"], each["id"]))

    def change(report: bulk.ExportReport) -> None:
        if report.pages == 1:
            held[9]["jsonBody"]["medication_dose"] = "changed"

    report = await bulk.export_resource(welkin, "CDT_RECORD", tmp_path / "export", page_size=10, on_progress=change)
    assert report.records == 13
    later = {each["id"]: each for each in lines(tmp_path / "export")}
    assert later[held[9]["id"]]["jsonBody"]["medication_dose"] == "changed"


async def test_an_export_that_does_not_name_its_cdts_is_refused(
    server: Sandbox, welkin: Welkin, tmp_path: Path
) -> None:
    answer = {"data": [{"id": "a", "jsonBody": {}}], "cursor": {"start": None, "end": "x", "hasNext": False}}
    server.faults.add(Fault(kind=FaultKind.STATUS, status=200, body=json.dumps(answer).encode(), operation=EXPORT))
    with pytest.raises(bulk.ExportError, match="which CDT"):
        await bulk.export_cdt(welkin, CDT, None, tmp_path / "export")


async def test_options_are_checked(welkin: Welkin, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError):
        await bulk.export_resource(welkin, "PATIENT", tmp_path / "a", format="xlsx")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError):
        await bulk.export_resource(welkin, "PATIENT", tmp_path / "a", page_size=0)
    with pytest.raises(InvalidInputError):
        await bulk.export_cdt(welkin, CDT, [], tmp_path / "a", concurrency=0)
    with pytest.raises(InvalidInputError):
        await bulk.export_cdt(welkin, CDT, [17], tmp_path / "a")  # type: ignore[list-item]
    assert not (tmp_path / "a").exists()


async def test_memory_does_not_grow_with_the_export(server: Sandbox, welkin: Welkin, tmp_path: Path) -> None:
    page = [{"id": f"{number:06}", "text": "x" * 500} for number in range(200)]

    async def peak(count: int) -> int:
        file = ExportFile(tmp_path / f"{count}", "this")
        file.open(resume=True)
        tracemalloc.start()
        for number in range(count):
            file.page([{**each, "id": f"{number}-{each['id']}"} for each in page], str(number))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        file.close()
        return most

    small, large = await peak(5), await peak(25)
    assert large < small * 1.5 + 500_000
