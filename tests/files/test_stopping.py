"""How a run ends before its time: it is asked to stop, cancelled, or stops itself; and how the same call goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from welkin_async import Welkin, files
from welkin_async.files.run.stopping import until_stopped
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .conftest import GUID, MAPPING, add_patients, bodies, medications, read_csv, write_csv

WHAT: dict[str, Any] = {
    "cdt": "medication",
    "patient": files.PatientColumn("PATIENT", type="EGUID"),
    "mapping": MAPPING,
    "concurrency": 4,
    "settle": 0.3,
    "final_settle": 0.3,
}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def path(server: Sandbox, folder: Path) -> Path:
    add_patients(server)
    return write_csv(folder / "in.csv", medications(400))


async def test_a_stop_waits_for_what_is_on_the_wire(server: Sandbox, welkin: Welkin, path: Path) -> None:
    server.latency = 0.05
    stop = asyncio.Event()
    running = asyncio.create_task(
        files.import_records(welkin, path, **WHAT, journal="j", rejects="bad.csv", review="look.csv", stop=stop)
    )
    await until(lambda: server.stats.operations["cdts.create"] >= 8)
    stop.set()
    report = await running
    assert (report.outcome, report.stopped, report.error, report.resume) == ("incomplete", True, None, Path("j"))
    assert report.done == len(bodies(server)) < 400
    assert (report.unknown, report.rejects, report.review) == (0, None, None)
    with pytest.raises(files.FileError, match="incomplete"):
        report.raise_for_outcome()
    server.latency = 0.0
    report = await files.import_records(welkin, path, **WHAT, journal="j", rejects="bad.csv", review="look.csv")
    assert (report.outcome, report.done, len(bodies(server))) == ("complete", 400, 400)


async def test_a_stop_before_the_first_row(server: Sandbox, welkin: Welkin, path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    for dry_run in (False, True):
        report = await files.import_records(welkin, path, **WHAT, stop=stop, dry_run=dry_run)
        assert (report.outcome, report.rows, report.resume) == ("incomplete", 0, None)
    assert bodies(server) == []


async def test_work_that_is_done_when_a_stop_comes_counts_as_done() -> None:
    stop, other = asyncio.Event(), asyncio.Event()

    async def work() -> int:
        stop.set()
        return 7

    assert await until_stopped(work(), stop, other) == 7
    assert await until_stopped(asyncio.sleep(10, 7), other, stop) is None
    with pytest.raises(LookupError):
        await until_stopped(broken(), other)


async def broken() -> None:
    raise LookupError


@pytest.mark.parametrize("scope", [False, True])
async def test_a_cancelled_run_leaves_what_was_on_the_wire_unknown_and_its_journal_closed(
    server: Sandbox, welkin: Welkin, path: Path, scope: bool
) -> None:
    server.faults.add(Fault(FaultKind.STALL_AFTER, operation="cdts.create", times=None, after=8, delay=20))
    cancel = anyio.CancelScope()

    async def run() -> None:
        with cancel:
            await files.import_records(welkin, path, **WHAT, journal="j", review="look.csv", rejects="bad.csv")

    running = asyncio.create_task(run())
    await until(lambda: len(bodies(server)) >= 12)
    if scope:
        cancel.cancel()
        await running
    else:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert [row["_status"] for row in read_csv(Path("look.csv"))] == ["unknown"] * 4
    assert not Path("bad.csv").exists()  # nobody may import what the next run sends
    server.faults.clear()
    report = await files.import_records(welkin, path, **WHAT, journal="j", review="look.csv", rejects="bad.csv")
    assert report.outcome == "complete", str(report)
    assert (report.done, len(bodies(server))) == (400, 400)
    assert not Path("look.csv").exists()


async def test_a_cancelled_run_without_a_journal_leaves_nothing(server: Sandbox, welkin: Welkin, path: Path) -> None:
    server.latency = 0.05
    running = asyncio.create_task(files.import_records(welkin, medications(100), **WHAT))
    await until(lambda: len(bodies(server)) >= 8)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert [each.name for each in path.parent.iterdir()] == ["in.csv"]


async def test_too_many_failures_stop_a_run(server: Sandbox, welkin: Welkin, path: Path) -> None:
    rows = medications(400)
    for row in rows[::4]:
        row["PATIENT"] = GUID % 9
    write_csv(path, rows)
    report = await files.import_records(welkin, path, **WHAT, journal="j", max_failures=20)
    assert (report.outcome, report.error_type, report.resume) == ("incomplete", "BulkStoppedError", Path("j"))
    assert "so many rows failed" in (report.error or "")


async def test_a_file_of_rows_that_cannot_be_written_stops_a_run(
    server: Sandbox, welkin: Welkin, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("welkin_async.files.outputs.reject_file.RejectFile.write", full)
    stop = asyncio.Event()
    report = await files.import_records(welkin, path, **WHAT, results="all.ndjson", stop=stop)
    assert (report.outcome, report.stopped, report.error_type) == ("incomplete", False, "OSError")
    assert not stop.is_set()  # it may be the event of other runs as well
    assert "No space left on device" in (report.error or "")
    assert len(bodies(server)) < 400
    assert any("is in no file: created" in note for note in report.notes)


async def test_a_run_is_refused_while_another_one_has_the_journal(server: Sandbox, welkin: Welkin, path: Path) -> None:
    server.latency = 0.05
    stop = asyncio.Event()
    running = asyncio.create_task(files.import_records(welkin, path, **WHAT, journal="j", stop=stop))
    await until(lambda: len(bodies(server)) >= 4)
    with pytest.raises(files.FileError, match="j: "):
        await files.import_records(welkin, path, **WHAT, journal="j")
    stop.set()
    await running
    with pytest.raises(files.FileError, match="of other options that decide"):
        await files.import_records(welkin, path, **{**WHAT, "mapping": {"CODE": "medication_name"}}, journal="j")
    with pytest.raises(files.FileError, match="of another file"):
        await files.import_records(welkin, write_csv(path, medications(3)), **WHAT, journal="j")
