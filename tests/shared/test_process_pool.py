"""Imports by several processes of this machine: a file, all of its rows once, whoever dies."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from welkin_async import Welkin, bulk, files
from welkin_async.files.chunks.process_pool import ProcessPool
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.options import FileSettings, PatientColumn
from welkin_async.sandbox import Sandbox

pytestmark = pytest.mark.slow
CDT = "medication"


@pytest.fixture
def file(server: Sandbox, tmp_path: Path) -> Path:
    path = tmp_path / "medications.csv"
    patients = server.store.add_patients(20)
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["patient", "medication_name"])
        writer.writerows([patients[number % 20], f"Medication {number}"] for number in range(400))
    return path


def names(server: Sandbox) -> list[str]:
    return sorted(record["jsonBody"]["medication_name"] for record in server.store.cdt_records(CDT))


ALL = sorted(f"Medication {number}" for number in range(400))


async def test_two_processes_import_a_file_with_one_token_and_the_same_call_changes_nothing(
    server: Sandbox, connect: Any, file: Path
) -> None:
    async def run(welkin: Welkin) -> bulk.ChunkReport:
        seen: list[bulk.ChunkReport] = []
        report = await files.import_in_processes(
            welkin, file, cdt=CDT, patient="patient", rows=100, settle=0.1, final_settle=0.2, on_progress=seen.append
        )
        assert seen[-1].chunks == report.chunks
        return report

    async with connect(server) as welkin:
        report = await run(welkin)
        assert names(server) == ALL
        assert (report.created, report.chunks, report.finished, report.complete) == (400, 4, 4, True)
        assert server.stats.token_requests <= 2  # this session's, and one for all processes
        creates = server.stats.operations["cdts.create"]
        again = await run(welkin)
        assert (again.created, again.complete) == (400, True)
        assert server.stats.operations["cdts.create"] == creates


async def test_a_process_that_is_killed_is_replaced_and_nothing_is_lost_or_doubled(
    server: Sandbox, connect: Any, file: Path
) -> None:
    server.latency = 0.05
    async with connect(server, timeout=1.0) as welkin:
        job = RecordImport(
            settings=FileSettings(file=file, concurrency=4),
            cdt=CDT,
            patient=PatientColumn("patient"),
            settle=0.2,
            final_settle=0.3,
        )
        pool = ProcessPool(job, welkin, processes=2, rows=100, lease=5.0)
        running = asyncio.create_task(pool.run())
        while len(names(server)) < 60:
            await asyncio.sleep(0.01)
        os.kill(min(pool.pids), signal.SIGKILL)
        report = await running
    assert names(server) == ALL
    assert pool.restarts == 1
    assert (report.created, report.complete, report.takeovers) == (400, True, 1)
    assert report.adopted > 0


async def test_a_changed_file_is_refused_and_an_option_of_a_single_run_too(
    server: Sandbox, connect: Any, file: Path
) -> None:
    async with connect(server) as welkin:
        wrong: dict[str, Any] = {"journal": "x"}
        with pytest.raises(TypeError, match="journal"):
            await files.import_in_processes(welkin, file, cdt=CDT, patient="patient", **wrong)
        wrong = {"key_field": None}
        with pytest.raises(files.FileError, match="needs keys"):
            await files.import_in_processes(welkin, file, cdt=CDT, patient="patient", **wrong)
        with pytest.raises(files.WorkersFailedError, match="no CDT"):
            await files.import_in_processes(welkin, file, cdt="nothing", patient="patient", processes=1)
    assert names(server) == []
