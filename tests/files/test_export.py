"""Exports from Python: whole files, gone on with after any kind of end."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path

import pytest

from welkin_async import Welkin, files
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .conftest import GUID, add_patients, read_ndjson


@pytest.fixture
async def patients(server: Sandbox, welkin: Welkin) -> list[str]:
    made = add_patients(server)
    rows = [{"who": each, "medication_name": f"drug {number}"} for each in made for number in range(20)]
    await files.import_records(welkin, rows, cdt="medication", patient="who")
    return made


async def test_a_cdt_by_the_export_by_patients_and_by_all(
    server: Sandbox, welkin: Welkin, folder: Path, patients: list[str]
) -> None:
    seen: list[files.FileProgress] = []
    report = await files.export_records(welkin, "all.ndjson", cdt="medication", page_size=10, on_progress=seen.append)
    assert (report.outcome, report.rows, report.done) == ("complete", 60, 60)
    assert report.export is not None
    assert report.export.pages >= 6
    assert [each.rows for each in seen] == sorted(each.rows for each in seen)
    assert (len(seen) >= 6, seen[-1].rows, str(seen[-1])[:10]) == (True, 60, "60 records")
    assert pickle.loads(pickle.dumps(report)) == report
    assert report.to_dict()["records"] == 60
    guids = [GUID % 2, GUID % 0]
    report = await files.export_records(welkin, "two.ndjson", cdt="medication", patients=guids, patient_type="EGUID")
    assert report.rows == 40
    assert [each["patientId"] for each in read_ndjson(folder / "two.ndjson")] == [patients[2]] * 20 + [patients[0]] * 20
    report = await files.export_records(welkin, "each.ndjson", cdt="medication", patients="all")
    assert report.rows == 60
    report = await files.export_records(welkin, "patients.ndjson", resource="PATIENT")
    assert (report.rows, report.resource) == (3, "PATIENT")
    assert sorted(each.name for each in folder.iterdir()) == [
        *("all.ndjson", "each.ndjson", "patients.ndjson", "two.ndjson")
    ]


async def test_an_export_that_was_stopped_or_broke_goes_on(
    server: Sandbox, welkin: Welkin, folder: Path, patients: list[str]
) -> None:
    server.latency = 0.02
    stop = asyncio.Event()
    running = asyncio.create_task(files.export_records(welkin, "out.ndjson", cdt="medication", page_size=5, stop=stop))
    while server.stats.operations["exports.list"] < 4:
        await asyncio.sleep(0.01)
    stop.set()
    report = await running
    assert (report.outcome, report.stopped, report.resume) == ("incomplete", True, Path("out.ndjson.resume"))
    server.faults.add(Fault(FaultKind.STATUS, operation="exports.list", status=400, after=2, times=2))
    report = await files.export_records(welkin, "out.ndjson", cdt="medication", page_size=5)
    assert (report.outcome, report.stopped, report.error_type) == ("incomplete", False, "BadRequestError")
    report = await files.export_records(welkin, "out.ndjson", cdt="medication", page_size=5)
    assert (report.outcome, report.rows, report.resume) == ("complete", 60, None)
    assert report.export is not None
    assert report.export.resumed
    assert len({each["id"] for each in read_ndjson(folder / "out.ndjson")}) == 60


async def test_what_does_not_fit_is_said_before_anything_is_read(
    welkin: Welkin, folder: Path, patients: list[str]
) -> None:
    (folder / "mine.ndjson").write_text("mine\n")
    for path, options, problem in (
        ("a.ndjson", {}, "either cdt= or resource="),
        ("a.ndjson", {"cdt": "medication", "resource": "PATIENT"}, "either cdt= or resource="),
        ("a.xlsx", {"cdt": "medication"}, "is to end in"),
        ("no/a.ndjson", {"cdt": "medication"}, "not a folder"),
        ("a.ndjson", {"cdt": "nothing"}, "no CDT nothing"),
        ("a.ndjson", {"resource": "NOTHING"}, "no export NOTHING"),
        ("a.ndjson", {"resource": "PATIENT", "patients": "all"}, "patients= goes with cdt="),
        ("a.ndjson", {"cdt": "medication", "start": "x"}, "start= goes with resource="),
        ("a.ndjson", {"cdt": "medication", "patients": [patients[0], "x"], "patient_type": "EGUID"}, "number 2"),
        ("mine.ndjson", {"cdt": "medication"}, "have it replaced with restart=True"),
    ):
        with pytest.raises(files.FileError, match=problem):
            await files.export_records(welkin, path, **options)
    assert (folder / "mine.ndjson").read_text() == "mine\n"
    assert not (folder / "a.ndjson").exists()
    report = await files.export_records(welkin, "mine.ndjson", cdt="medication", restart=True)
    assert report.outcome == "complete"
