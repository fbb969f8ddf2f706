"""Imports by several processes of this machine: a file, all of its rows once, whoever dies."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from welkin_async import Welkin, bulk, files
from welkin_async.files.chunks.chunk_importer import answered
from welkin_async.files.chunks.process_pool import ProcessPool
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.options import FileSettings, PatientColumn
from welkin_async.sandbox import Sandbox
from welkin_async.shared.errors import StoreUnreachableError

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


async def test_the_ledger_of_a_file_is_beside_it_whatever_its_name_is(
    server: Sandbox, connect: Any, file: Path
) -> None:
    named = file.rename(file.with_name("rows #1? 50%25.csv"))
    other = file.with_name("rows ")
    other.write_text("somebody's")
    async with connect(server) as welkin:
        report = await files.import_in_processes(
            welkin, named, cdt=CDT, patient="patient", rows=400, settle=0.1, final_settle=0.2
        )
    assert report.complete
    assert other.read_text() == "somebody's"
    assert named.with_name(f"{named.name}.medication.ledger").exists()


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


COMMAND = """
import asyncio, sys
from welkin_async import Welkin, files

async def main():
    async with Welkin() as welkin:
        await files.import_in_processes(welkin, sys.argv[1], cdt="medication", patient="patient", rows=200, settle=0.1)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
async def test_workers_end_with_who_has_started_them_and_the_same_call_goes_on_at_once(
    server: Sandbox, connect: Any, file: Path, tmp_path: Path
) -> None:
    server.latency = 0.5
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    environment = {**os.environ, **server.environ(), "PYTHONPATH": os.pathsep.join(sys.path)}
    driver = await asyncio.create_subprocess_exec(sys.executable, script, file, env=environment)
    async with asyncio.timeout(60.0):
        while len(names(server)) < 20:
            await asyncio.sleep(0.05)
        driver.kill()
        await driver.wait()
        server.latency = 0.0
        before = server.stats.operations["cdts.create"]
        await asyncio.sleep(2.0)
        held = len(names(server))
        assert held < 400  # nobody goes on
        assert server.stats.operations["cdts.create"] - before <= 2 * 32
        async with connect(server, timeout=1.0) as welkin:
            began = time.monotonic()
            report = await files.import_in_processes(
                welkin, file, cdt=CDT, patient="patient", rows=200, settle=0.1, final_settle=0.2
            )
            assert time.monotonic() - began < 20.0  # no lease of 30 s is waited for
    assert names(server) == ALL
    assert (report.created, report.complete, report.takeovers) == (400, True, 2)


async def test_an_import_that_is_stopped_at_once_leaves_no_lease(server: Sandbox, connect: Any, file: Path) -> None:
    server.latency = 0.2
    settings = FileSettings(file=file, concurrency=4)
    job = RecordImport(settings=settings, cdt=CDT, patient=PatientColumn("patient"), settle=0.2, final_settle=0.3)
    async with connect(server, timeout=1.0) as welkin:
        running = asyncio.create_task(ProcessPool(job, welkin, processes=2, rows=200).run())
        while len(names(server)) < 20:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        server.latency = 0.0
        began = time.monotonic()
        report = await ProcessPool(job, welkin, processes=2, rows=200).run()
        assert time.monotonic() - began < 20.0
    assert names(server) == ALL
    assert (report.created, report.complete, report.takeovers) == (400, True, 2)


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


async def test_what_is_looked_for_is_bounded_and_doubles_are_not_removed(
    server: Sandbox, connect: Any, file: Path
) -> None:
    async with connect(server) as welkin:
        with pytest.raises(files.FileError, match=r"more than the 0\.05 that it may take\. Nothing was sent"):
            await files.import_in_processes(welkin, file, cdt=CDT, patient="patient", max_lookups=0.05)
        assert names(server) == []
        job = RecordImport(
            settings=FileSettings(file=file), cdt=CDT, patient=PatientColumn("patient"), remove_doubles=True
        )
        with pytest.raises(files.FileError, match="removes none"):
            ProcessPool(job, welkin)


async def test_a_store_that_is_away_at_the_final_scan_is_waited_for(
    server: Sandbox, connect: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = 2

    async def finish(*arguments: Any, **options: Any) -> bulk.ChunkReport:
        nonlocal away
        away -= 1
        if away >= 0:
            raise StoreUnreachableError("the store does not answer")
        return await bulk.finish_import(*arguments, **options)

    monkeypatch.setattr("welkin_async.files.chunks.parts.finish_import", finish)
    monkeypatch.setattr("welkin_async.files.chunks.process_pool.PAUSE", 0.01)
    async with connect(server) as welkin:
        report = await files.import_in_processes(
            welkin, file, cdt=CDT, patient="patient", processes=1, settle=0.1, final_settle=0.2
        )
    assert (report.created, report.complete) == (400, True)


async def test_a_final_scan_that_cannot_be_made_leaves_the_counts(
    server: Sandbox, connect: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def finish(*arguments: Any, **options: Any) -> bulk.ChunkReport:
        raise bulk.ProofError("the final scan could not list a patient's records completely")

    monkeypatch.setattr("welkin_async.files.chunks.parts.finish_import", finish)
    async with connect(server) as welkin:
        with pytest.raises(files.WorkersFailedError, match="the same call goes on") as failed:
            await files.import_in_processes(
                welkin, file, cdt=CDT, patient="patient", processes=1, settle=0.1, final_settle=0.2
            )
    assert (failed.value.report.created, failed.value.kind) == (400, "ProofError")
    assert not failed.value.report.complete


async def test_a_file_that_changes_is_to_be_put_back(server: Sandbox, connect: Any, file: Path) -> None:
    server.latency = 0.05
    held = file.read_bytes()
    async with connect(server) as welkin:

        async def run() -> bulk.ChunkReport:
            return await files.import_in_processes(
                welkin, file, cdt=CDT, patient="patient", rows=100, concurrency=2, settle=0.1, final_settle=0.2
            )

        running = asyncio.create_task(run())
        while not names(server):
            await asyncio.sleep(0.01)
        file.write_bytes(held + b"nobody,Medication 400\n")
        with pytest.raises(files.WorkersFailedError, match="put it back as it was; the same call goes on"):
            await running
        file.write_bytes(held)
        server.latency = 0.0
        assert (await run()).complete
    assert names(server) == ALL


async def test_a_workers_defect_is_an_answer_that_quotes_nothing() -> None:
    async def fail() -> None:
        raise KeyError("a value of a row")

    answer = await answered(fail())
    assert (answer.report, answer.error, answer.kind) == (None, "a defect of a worker: KeyError", "defect")
