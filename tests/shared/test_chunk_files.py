"""Reject, review and results files of an import by several processes: those that one process writes."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from welkin_async import Welkin, bulk, files
from welkin_async.files.api import process_job
from welkin_async.files.chunks.chunk_importer import ChunkImporter
from welkin_async.files.chunks.parts import ChunkFiles, PartsFolder, PartWriter
from welkin_async.files.chunks.process_pool import ProcessPool
from welkin_async.files.jobs.open_file import open_file
from welkin_async.sandbox import Fault, FaultKind, Sandbox
from welkin_async.shared import coordination

from .test_command import PROJECT, command

CDT = "medication"
ROWS, PATIENTS = 240, 12
NAMES = ("rejects", "review", "results")
SETTLING: dict[str, Any] = {"settle": 0.1, "final_settle": 0.2}


def write_rows(path: Path, patients: list[str]) -> None:
    """Rows whose patients are mixed, so that no chunk has neighbours alone; one of eleven is refused, in three ways."""
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["patient", "medication_name", "medication_refills"])
        for number in range(ROWS):
            patient, refills = patients[number * 7 % PATIENTS], str(number)
            if number % 11 == 3:
                refills = f'many, "{number}"\nof them'  # a cell over two lines
            if number % 33 == 7:
                patient = "nobody"
            if number % 50 == 9:
                patient = ""
            writer.writerow([patient, f"Medication {number}", refills])


def rows_of(path: Path) -> list[dict[str, Any]]:
    """What a file of rows holds, but for what differs from run to run: record ids and request ids."""
    with path.open(newline="") as file:
        rows: list[Any] = list(csv.DictReader(file)) if path.suffix == ".csv" else [json.loads(line) for line in file]
    return [{name: value for name, value in row.items() if name not in ("_record_id", "_request_id")} for row in rows]


def by_line(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: int(row["_line"]))


def named(folder: Path) -> dict[str, Path]:
    return {"rejects": folder / "no.csv", "review": folder / "look.csv", "results": folder / "all.ndjson"}


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def by_one(welkin: Welkin, file: Path, folder: Path) -> files.FileReport:
    """Import a file by one process, for comparison."""
    folder.mkdir()
    report = await files.import_records(welkin, file, cdt=CDT, patient="patient", **SETTLING, **named(folder))  # type: ignore[arg-type]
    assert report.rejects is not None
    return report


def pool(welkin: Welkin, file: Path, folder: Path, **options: Any) -> ProcessPool:
    folder.mkdir(exist_ok=True)
    job = process_job(file, CDT, "patient", {**SETTLING, **named(folder), **options})
    return ProcessPool(job, welkin, processes=2, rows=40, lease=5.0)


@pytest.mark.slow
async def test_two_processes_write_the_files_of_one_and_a_killed_one_changes_nothing(
    connect: Any, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    folders = [tmp_path / "one", tmp_path / "two"]
    async with Sandbox(seed=1) as alone, connect(alone) as welkin:
        patients = alone.store.add_patients(PATIENTS)
        write_rows(file, patients)
        report = await by_one(welkin, file, folders[0])
    async with Sandbox(seed=1, latency=0.05) as server, connect(server, timeout=1.0) as welkin:
        assert server.store.add_patients(PATIENTS) == patients
        running = pool(welkin, file, folders[1], concurrency=4)
        importing = asyncio.create_task(running.run())
        while len(server.store.cdt_records(CDT)) < 60:
            await asyncio.sleep(0.01)
        assert (folders[1] / "no.csv.parts").stat().st_mode & 0o777 == 0o700
        os.kill(min(running.pids), signal.SIGKILL)
        merged = await importing
        assert running.restarts == 1
        assert merged.takeovers == 1
        for name in ("rejects", "results"):
            paths = [named(folder)[name] for folder in folders]
            before, after = (rows_of(path) for path in paths)
            if name == "results":  # how often a row was sent is another thing where a process was killed
                for row in (*before, *after):
                    del row["_attempts"]
            assert after == by_line(before)
            assert paths[1].stat().st_mode & 0o777 == 0o600
        assert (merged.created, merged.rejected + merged.failed) == (report.done, report.rejected)
        assert (merged.complete, merged.missing, merged.unwritten) == (False, 0, 0)
        assert left(folders[1]) == left(folders[0]) == {"no.csv", "all.ndjson"}
        assert running.paths == {"rejects": [folders[1] / "no.csv"], "results": [folders[1] / "all.ndjson"]}
        # The same call finds all done, and leaves the files as they are; a file that is gone is missed.
        text = (folders[1] / "no.csv").read_text()
        again = await pool(welkin, file, folders[1], concurrency=4).run()
        assert ((folders[1] / "no.csv").read_text(), again.unwritten) == (text, 0)
        (folders[1] / "no.csv").unlink()
        again = await pool(welkin, file, folders[1], concurrency=4).run()
        assert again.unwritten == report.rejected > 0


class Importing:
    """An import by chunks in this process: what a pool does, step by step."""

    def __init__(self, welkin: Welkin, file: Path, folder: Path, **options: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.welkin = welkin
        self.job = process_job(file, CDT, "patient", {**SETTLING, **named(folder), **options})
        self.shared = coordination(f"sqlite:///{file.parent}/ledger.db", 2.0)

    async def __aenter__(self) -> Importing:
        await self.shared.init()
        opened = await open_file(self.job.settings)
        opened.source.close()
        prepared = files.prepare_import(self.welkin, self.job.settings.file, cdt=CDT, patient="patient", rows=40)
        self.chunks, self.run = prepared.chunks, prepared.run
        await self.shared.ledger.open_run(self.run, prepared.identity)
        self.outputs = ChunkFiles(self.job, opened)
        try:
            await self.outputs.begin(self.run, self.shared.ledger)
        except BaseException:
            await self.__aexit__()
            raise
        self.work = attrs.evolve(prepared.work, job=self.job, parts=self.outputs.folder)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.outputs.close()
        await self.shared.aclose()

    async def carry_out(self, chunks: slice = slice(None)) -> bulk.ChunkReport:
        importer = await ChunkImporter.open(self.welkin, self.work, self.shared.ledger)
        return bulk.merge([await importer.carry_out(chunk) for chunk in self.chunks[chunks]])

    async def finish(self, report: bulk.ChunkReport) -> bulk.ChunkReport:
        return await self.outputs.finish(self.welkin, report)


@pytest.fixture
def file(server: Sandbox, tmp_path: Path) -> Path:
    write_rows(tmp_path / "rows.csv", server.store.add_patients(PATIENTS))
    return tmp_path / "rows.csv"


@pytest.mark.slow
async def test_a_chunk_that_is_begun_again_leaves_its_rows_once_and_those_in_doubt_no_longer(
    server: Sandbox, connect: Any, file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    async with connect(server, timeout=0.3) as welkin:
        # Three rows of the first chunk have no answer, and no look-up has one: they are in doubt.
        server.faults.add(Fault(FaultKind.STALL_AFTER, operation="cdts.create", times=None, every=8, delay=2.0))
        server.faults.add(Fault(FaultKind.STATUS, operation="cdts.list", times=None, after=4, status=500))
        async with Importing(welkin, file, folder, concurrency=4, row_patience=0.5) as first:
            report = await first.carry_out(slice(0, 1))
            assert (report.finished, report.unknown > 0) == (0, True)
            joined = await first.outputs.join(report)
            assert joined.unwritten == 0
        doubtful = rows_of(folder / "look.csv")
        assert len(doubtful) == report.unknown
        assert {row["_status"] for row in doubtful} == {"unknown"}
        refused = rows_of(folder / "no.csv")
        server.faults.clear()
        async with Importing(welkin, file, folder, concurrency=4) as second:
            report = await second.carry_out()
            assert (report.finished, report.takeovers) == (report.chunks, 1)
            assert (await second.finish(report)).unwritten == 0
    every = [int(row["_line"]) for row in rows_of(folder / "no.csv")]
    assert every == sorted(set(every))
    assert {int(row["_line"]) for row in refused} < set(every)
    assert len(every) == ROWS - report.created
    assert left(folder) == {"no.csv", "all.ndjson"}
    assert len(rows_of(folder / "all.ndjson")) == ROWS


async def test_what_a_worker_puts_away_late_under_an_older_fence_does_not_count(
    server: Sandbox, connect: Any, file: Path, tmp_path: Path
) -> None:
    async with connect(server) as welkin, Importing(welkin, file, tmp_path / "out") as importing:
        report = await importing.carry_out()
        assert importing.outputs.folder is not None
        opened = await open_file(importing.job.settings)
        opened.source.close()
        late = PartWriter(importing.outputs.folder, importing.job.settings, opened)
        await late.commit(importing.chunks[0].id, 0)
        killed = PartWriter(importing.outputs.folder, importing.job.settings, opened)  # that never got to its end
        report = await importing.finish(report)
        killed.discard()
    assert (report.finished, report.unwritten) == (report.chunks, 0)
    assert len(rows_of(tmp_path / "out" / "no.csv")) == ROWS - report.created


async def test_a_ledger_that_was_lost_leaves_no_rows_behind_that_another_has_brought_further(
    server: Sandbox, connect: Any, file: Path, tmp_path: Path
) -> None:
    async with connect(server) as welkin:
        async with Importing(welkin, file, tmp_path / "out") as first:
            await first.carry_out(slice(1, 2))
            assert first.outputs.folder is not None
            kept = first.outputs.folder.path
            (part,) = [path for path in kept.iterdir() if path.name.startswith(first.chunks[1].id)]
            shutil.copytree(part, kept / f"{first.chunks[0].id}.00000007")  # left under a higher fence of that ledger
            shutil.copytree(part, kept / f"{first.chunks[2].id}.00000000")
        async with Importing(welkin, file, tmp_path / "out") as second:
            report = await second.finish(await second.carry_out())
    assert (report.finished, report.rows, report.unwritten) == (report.chunks, ROWS, 0)
    assert len({row["_line"] for row in rows_of(tmp_path / "out" / "no.csv")}) == ROWS - report.created


async def test_results_that_are_asked_for_when_all_is_done_are_missed(
    server: Sandbox, connect: Any, file: Path, tmp_path: Path
) -> None:
    async with connect(server) as welkin:
        async with Importing(welkin, file, tmp_path / "out", results=None) as first:
            report = await first.finish(await first.carry_out())
            assert report.unwritten == 0
        async with Importing(welkin, file, tmp_path / "out") as second:
            assert (await second.finish(report)).unwritten == ROWS
    assert left(tmp_path / "out") == {"no.csv"}


async def test_rows_that_are_there_twice_are_in_the_review_file(
    server: Sandbox, connect: Any, file: Path, tmp_path: Path
) -> None:
    async with connect(server) as welkin, Importing(welkin, file, tmp_path / "out") as importing:
        report = await importing.carry_out()
        first = server.store.cdt_records(CDT)[0]
        patient, body = first["patientId"], first["jsonBody"]
        fields = {"medication_name": body["medication_name"], "external_id": body["external_id"]}
        again = await welkin.patient(patient).cdts(CDT).create(fields)
        report = await importing.finish(report)
    assert (report.doubled, report.missing, report.complete) == (1, 0, False)
    (row,) = rows_of(tmp_path / "out" / "look.csv")
    assert (row["medication_name"], row["_status"]) == (body["medication_name"], "doubled")
    assert row["_reason"] == "2 records have its key"
    assert again.id in (tmp_path / "out" / "look.csv").read_text()


async def test_files_of_another_import_are_left_alone(
    server: Sandbox, connect: Any, file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "no.csv").write_text("mended by hand\n")
    async with connect(server) as welkin:
        with pytest.raises(files.FileError, match="holds rows of an earlier import"):
            await Importing(welkin, file, folder).__aenter__()
        assert left(folder) == {"no.csv", "no.csv.parts.lock"}
        (folder / "no.csv").unlink()
        async with Importing(welkin, file, folder) as importing:
            with pytest.raises(files.FileError, match=f"in use by process {os.getpid()}"):
                await Importing(welkin, file, folder).__aenter__()
            await importing.carry_out(slice(0, 1))
        other = tmp_path / "other.csv"
        write_rows(other, server.store.add_patients(PATIENTS))
        with pytest.raises(files.FileError, match="holds rows of another import that is not done"):
            await Importing(welkin, other, folder).__aenter__()


async def test_a_worker_that_does_not_reach_the_folder_refuses_to_begin(
    server: Sandbox, connect: Any, file: Path, tmp_path: Path
) -> None:
    async with connect(server) as welkin, Importing(welkin, file, tmp_path / "out") as importing:
        work = importing.work
        assert work.parts is not None
        (tmp_path / "elsewhere").mkdir()
        for parts in (
            attrs.evolve(work.parts, mark="of another machine"),
            PartsFolder(path=tmp_path / "elsewhere", mark=work.parts.mark),
            PartsFolder(path=tmp_path / "nowhere", mark=work.parts.mark),
        ):
            importing.work = attrs.evolve(work, parts=parts)
            with pytest.raises(files.FileError, match="is not reached by all workers"):
                await importing.carry_out()
    assert server.store.cdt_records(CDT) == []


async def test_a_part_that_cannot_be_written_leaves_its_chunk_undone(
    server: Sandbox, connect: Any, file: Path, tmp_path: Path
) -> None:
    async with connect(server) as welkin, Importing(welkin, file, tmp_path / "out") as importing:
        assert importing.outputs.folder is not None
        path, put = importing.outputs.folder.path, PartWriter.put

        def put_late(writer: PartWriter, name: str) -> None:
            path.rename(tmp_path / "gone")
            put(writer, name)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PartWriter, "put", put_late)
            with pytest.raises(files.FileError, match="a file of rows cannot be written"):
                await importing.carry_out(slice(0, 1))
        assert [chunk async for chunk in importing.shared.ledger.finished(importing.run)] == []


async def test_any_engine_has_the_files_of_one_process(connect: Any, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    async with Sandbox(seed=1) as alone, connect(alone) as welkin:
        patients = alone.store.add_patients(PATIENTS)
        write_rows(file, patients)
        report = await by_one(welkin, file, tmp_path / "one")
    folder = tmp_path / "two"
    folder.mkdir()
    given: dict[str, Any] = {"cdt": CDT, "patient": "patient", **SETTLING, **named(folder)}
    shared = coordination(f"sqlite:///{tmp_path}/ledger.db", 2.0)
    await shared.init()
    async with Sandbox(seed=1) as server, connect(server) as welkin:
        assert server.store.add_patients(PATIENTS) == patients
        prepared = await asyncio.to_thread(files.prepare_import, welkin, file, rows=40, **given)
        await shared.ledger.open_run(prepared.run, prepared.identity)
        async with files.ImportFiles(prepared, shared.ledger) as outputs:
            parts, told = outputs.work.parts, {"digest": outputs.work.digest, "run": outputs.work.run}
            assert parts is not None
            # What a worker is told as text.
            work = files.file_work(file, **told, parts=files.PartsFolder(path=parts.path, mark=parts.mark), **given)
            assert work == outputs.work
            importer = await ChunkImporter.open(welkin, work, shared.ledger)
            for chunk in prepared.chunks[:-1]:
                await importer.carry_out(chunk)
            some = await outputs.finish(welkin)  # as where the engine has given up
            assert some.finished == some.chunks - 1 == len(prepared.chunks) - 1
            assert parts.path.is_dir()
            with pytest.raises(files.FileError, match="in use"):
                await files.ImportFiles(prepared, shared.ledger).__aenter__()
        async with files.ImportFiles(prepared, shared.ledger) as outputs:
            assert outputs.work.parts == parts
            importer = await ChunkImporter.open(welkin, outputs.work, shared.ledger)
            for chunk in prepared.chunks:
                await importer.carry_out(chunk)
            merged = await outputs.finish(welkin)
        assert (merged.created, merged.rejected + merged.failed) == (report.done, report.rejected)
        assert (merged.scanned, merged.unwritten) == (True, 0)
        for name in ("rejects", "results"):
            before, after = (rows_of(named(each)[name]) for each in (tmp_path / "one", folder))
            assert after == by_line(before)
        assert left(folder) == {"no.csv", "all.ndjson"}
    await shared.aclose()


async def test_a_file_that_was_changed_is_refused_before_its_chunks_are_handed_out(
    server: Sandbox, connect: Any, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    write_rows(file, server.store.add_patients(PATIENTS))
    shared = coordination(f"sqlite:///{tmp_path}/ledger.db", 2.0)
    await shared.init()
    async with connect(server) as welkin:
        rejects: dict[str, Any] = {"rejects": tmp_path / "no.csv"}
        prepared = await asyncio.to_thread(
            files.prepare_import, welkin, file, cdt=CDT, patient="patient", rows=40, **rejects
        )
        await shared.ledger.open_run(prepared.run, prepared.identity)
        with pytest.raises(files.FileError, match="nobody joins them"):
            await ChunkImporter.open(welkin, prepared.work, shared.ledger)
        outputs = files.ImportFiles(prepared, shared.ledger)
        with pytest.raises(files.FileError, match="enter the context first"):
            await outputs.finish(welkin)
        file.write_text(file.read_text() + "nobody,Late,1\n")
        with pytest.raises(files.FileError, match="has changed"):
            await outputs.__aenter__()
    assert not list(tmp_path.glob("*.parts"))
    await shared.aclose()


async def test_other_engines_are_told_that_nobody_writes_their_page(connect: Any, server: Sandbox, file: Path) -> None:
    wrong: dict[str, Any] = {"html": "page.html"}
    with pytest.raises(TypeError, match="html"):
        files.prepare_import(connect(server), file, cdt=CDT, patient="patient", **wrong)
    with pytest.raises(TypeError, match="html"):
        files.file_work(file, cdt=CDT, patient="patient", digest="", run="", **wrong)


@pytest.mark.slow
async def test_a_command_that_is_killed_goes_on_with_what_its_chunks_have_left(tmp_path: Path) -> None:
    given = (
        "import",
        "rows.csv",
        "--cdt",
        CDT,
        "--patient-column",
        "patient",
        "--settle",
        "0.1",
        "--final-settle",
        "0.2",
    )
    texts = []
    for options in ((), ("--processes", "2", "--concurrency", "2")):
        folder = tmp_path / f"of {len(options)}"
        folder.mkdir()
        async with Sandbox(seed=1, latency=0.03 if options else 0.0) as server:
            write_rows(folder / "rows.csv", server.store.add_patients(PATIENTS))
            if options:
                words = [sys.executable, "-m", "welkin_async.cli", *given, *options]
                variables = {**os.environ, "PYTHONPATH": str(PROJECT), **server.environ()}
                first = subprocess.Popen(words, cwd=folder, env=variables, stderr=subprocess.DEVNULL)
                while len(server.store.cdt_records(CDT)) < ROWS // 3:
                    await asyncio.sleep(0.02)
                first.kill()
                await asyncio.to_thread(first.wait)
            done = await asyncio.to_thread(command, folder, *given, *options, **server.environ())
            assert (done.returncode, len(server.store.cdt_records(CDT))) == (1, 205), done.stderr
        texts.append(by_line(rows_of(folder / "rows.rejects.csv")))
        assert not list(folder.glob("*.parts*"))
    assert texts[0] == texts[1]


@pytest.mark.slow
async def test_the_command_leaves_the_files_and_the_exit_code_of_one_process(tmp_path: Path) -> None:
    told = []
    given = ("import", "rows.csv", "--cdt", CDT, "--patient-column", "patient")
    for options in ((), ("--processes", "2")):
        folder = tmp_path / f"of {len(options)}"
        folder.mkdir()
        async with Sandbox(seed=1) as server:
            write_rows(folder / "rows.csv", server.store.add_patients(PATIENTS))
            settling = ("--settle", "0.1", "--final-settle", "0.2", "--results", "all.ndjson", "--csv-safe", "--json")
            done = await asyncio.to_thread(command, folder, *given, *options, *settling, **server.environ())
        written = {path.name for path in folder.iterdir()} - {"rows.csv.medication.ledger"}
        written -= {name for name in written if "journal" in name or "ledger" in name}
        texts = [by_line(rows_of(folder / name)) for name in ("rows.rejects.csv", "all.ndjson")]
        told.append((done.returncode, written, texts))
        paths = json.loads(done.stdout)["files"]
    assert told[0] == told[1]
    assert (told[0][0], told[0][1]) == (1, {"rows.csv", "rows.rejects.csv", "all.ndjson"})
    assert paths == {"rejects": ["rows.rejects.csv"], "results": ["all.ndjson"]}
    async with Sandbox(seed=1) as server:
        for options in ((), ("--processes", "1")):  # a CDT that is not there
            wrong = ("import", "rows.csv", "--cdt", "nothing", "--patient-column", "patient", "--rejects", "no.csv")
            done = await asyncio.to_thread(command, folder, *wrong, *options, **server.environ())
            assert (done.returncode, "no CDT nothing" in done.stderr) == (2, True)
    refused = await asyncio.to_thread(command, folder, *given, "--no-rejects")
    assert "--no-rejects goes with --processes or --ray" in refused.stderr
