"""Lists that run behind: what has landed and does not show yet is neither absent nor sent again."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from welkin_async import bulk
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, FAST, connect, forget, keys_held, keys_of, rows_for

pytestmark = pytest.mark.slow


async def test_a_later_run_knows_by_how_much_look_ups_lag(tmp_path: Path) -> None:
    """Its first rows are those that an earlier run may have sent, and nothing is created before that could tell."""
    options = {**FAST, "final_settle": 5.0, "journal": tmp_path / "journal"}
    async with Sandbox(visibility_delay=1.0) as server, connect(server) as welkin:
        rows = rows_for(server, 10, patients=1)

        async def source() -> AsyncIterator[bulk.CdtRow]:
            for row in rows[:9]:
                yield row
            await asyncio.sleep(1.1)
            yield rows[9]  # lands just before the end, and is in no list when the next run begins

        assert (await bulk.create_cdt_records(welkin, CDT, source(), **options)).created == 10
        forget(tmp_path / "journal", 9)
        second = await bulk.create_cdt_records(welkin, CDT, rows, **options)
        assert keys_held(server) == keys_of(rows)
    assert (second.adopted, second.skipped, second.doubled) == (1, 9, 0)


async def test_a_proof_that_fails_as_nothing_is_found_tells_a_later_run_of_the_lag(tmp_path: Path) -> None:
    """The first run stops while its rows are in no list yet; to the second they are not absent for that."""
    options = {**FAST, "concurrency": 8, "final_settle": 1.0, "journal": tmp_path / "journal"}
    async with Sandbox(visibility_delay=2.5) as server, connect(server) as welkin:
        rows = rows_for(server, 20, patients=2)
        server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", after=1, times=6))
        with pytest.raises(bulk.ProofError, match="do not find it"):
            await bulk.create_cdt_records(welkin, CDT, rows, **options)
        assert lag_noted(tmp_path / "journal") >= 1.0
        for _ in range(5):  # where that is longer than it waits for the proof it stops again
            with contextlib.suppress(bulk.ProofError):
                await bulk.create_cdt_records(welkin, CDT, rows, **options)
                break
        assert keys_held(server) == keys_of(rows)


async def test_a_row_that_is_found_does_not_hide_that_look_ups_lag() -> None:
    """What is reset after it has landed shows up late: it is neither absent nor sent again, however it is armed."""
    async with Sandbox(visibility_delay=1.0) as server, connect(server) as welkin:
        rows = rows_for(server, 60, patients=3)
        server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", every=2, times=None))
        options = {**FAST, "concurrency": 4, "final_settle": 5.0}
        report = await bulk.create_cdt_records(welkin, CDT, rows, **options)
        assert keys_held(server) == keys_of(rows)
    assert (report.created, report.doubled) == (60, 0)
    assert report.adopted == 30


async def test_rows_that_were_all_cut_off_before_anything_was_created_are_not_sent_twice() -> None:
    async with Sandbox(visibility_delay=1.0) as server, connect(server) as welkin:
        rows = rows_for(server, 12, patients=2)
        server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", times=12))
        options = {**FAST, "concurrency": 2, "final_settle": 5.0}
        report = await bulk.create_cdt_records(welkin, CDT, rows, **options)
        assert keys_held(server) == keys_of(rows)
    assert (report.adopted, report.doubled) == (12, 0)


def lag_noted(journal: Path) -> float:
    """The seconds by which look-ups lag, as a journal has it for later runs."""
    with contextlib.closing(sqlite3.connect(journal)) as opened:
        noted = opened.execute("SELECT value FROM meta WHERE name = 'lag'").fetchone()
    return 0.0 if noted is None else float(noted[0])


async def test_that_an_import_looks_again_late_is_no_lag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row lands late, and the next round comes late as well, because another row is out all the time."""
    monkeypatch.setattr("welkin_async.bulk.reconciliation.reconciler._LONGEST", 0.1)
    async with Sandbox() as server, connect(server) as welkin:
        rows = rows_for(server, 13, patients=2)
        server.faults.add(
            Fault(FaultKind.RESET_LATE, operation="cdts.create", after=10, delay=0.8),
            Fault(FaultKind.STALL_AFTER, operation="cdts.create", after=10, delay=2.5),
            Fault(FaultKind.RESET_BEFORE, operation="cdts.create", after=10),
        )

        async def source() -> AsyncIterator[bulk.CdtRow]:
            for row in rows[:11]:
                yield row
            await asyncio.sleep(0.5)  # it is looked for, and not there yet
            for row in rows[11:]:
                yield row

        options = {**FAST, "concurrency": 1, "settle": 1.0, "journal": tmp_path / "journal"}
        report = await bulk.create_cdt_records(welkin, CDT, source(), **options)
        assert keys_held(server) == keys_of(rows)
    assert (report.created, report.adopted, report.doubled) == (13, 1, 0)
    assert lag_noted(tmp_path / "journal") < 1.0


async def test_an_outage_before_a_record_shows_is_no_lag(tmp_path: Path) -> None:
    async with Sandbox(visibility_delay=0.4) as server, connect(server, timeout=1.0) as welkin:
        rows = rows_for(server, 12, patients=2)
        server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", after=10, every=1))

        async def source() -> AsyncIterator[bulk.CdtRow]:
            for row in rows:
                yield row
            while server.stats.performed["cdts.create"] < 12:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.3)  # its control record is looked for, and not shown yet
            server.outage(3.0)

        options = {**FAST, "concurrency": 1, "journal": tmp_path / "journal"}
        report = await bulk.create_cdt_records(welkin, CDT, source(), **options)
        assert keys_held(server) == keys_of(rows)
    assert (report.created, report.doubled) == (12, 0)
    assert lag_noted(tmp_path / "journal") < 2.0


async def test_that_another_listing_of_the_round_takes_long_is_no_lag(tmp_path: Path) -> None:
    """The control record, of another patient than the row in doubt, is listed at once and not after it."""
    async with Sandbox(visibility_delay=0.4) as server, connect(server) as welkin:
        rows = rows_for(server, 12, patients=2)
        server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", after=10))

        async def source() -> AsyncIterator[bulk.CdtRow]:
            for row in rows:
                yield row
            while server.stats.performed["cdts.create"] < 12:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.3)  # both were listed once, and not shown yet
            server.faults.add(Fault(FaultKind.STALL_BEFORE, operation="cdts.list", delay=2.5))

        options = {**FAST, "concurrency": 1, "journal": tmp_path / "journal"}
        report = await bulk.create_cdt_records(welkin, CDT, source(), **options)
        assert keys_held(server) == keys_of(rows)
    assert (report.created, report.doubled) == (12, 0)
    assert lag_noted(tmp_path / "journal") < 2.0


async def test_what_is_found_at_once_after_it_was_sent_again_is_no_lag(tmp_path: Path) -> None:
    """That it was missed before it was sent again says nothing of the second time."""
    async with Sandbox() as server, connect(server) as welkin:
        rows = rows_for(server, 12, patients=2)
        server.faults.add(
            Fault(FaultKind.RESET_BEFORE, operation="cdts.create", after=10),
            Fault(FaultKind.RESET_AFTER, operation="cdts.create", after=12),
        )
        options = {**FAST, "concurrency": 1, "journal": tmp_path / "journal"}
        report = await bulk.create_cdt_records(welkin, CDT, rows, **options)
        assert keys_held(server) == keys_of(rows)
    assert (report.created, report.doubled) == (12, 0)
    assert lag_noted(tmp_path / "journal") < 0.1


async def test_all_rows_that_a_kill_left_in_doubt_are_looked_for_at_once(tmp_path: Path) -> None:
    """A few at a time each batch would wait anew for what was sent last to show."""
    waiting = []
    options = {**FAST, "concurrency": 4, "final_settle": 5.0, "journal": tmp_path / "journal"}
    async with Sandbox() as server, connect(server) as welkin:
        rows = rows_for(server, 160, patients=5)
        assert (await bulk.create_cdt_records(welkin, CDT, rows[:150], **options)).created == 150
        for record in server.store.cdt_records(CDT):
            if int(record["jsonBody"]["external_id"].removeprefix("row-")) >= 20:
                await welkin.patient(record["patientId"]).cdts(CDT).delete(record["id"])
        forget(tmp_path / "journal", 20)
        server.visibility_delay = 0.5
        options["on_progress"] = lambda progress: waiting.append(progress.parked)
        report = await bulk.create_cdt_records(welkin, CDT, rows, **options)
        assert keys_held(server) == keys_of(rows)
    assert (report.created, report.skipped, report.doubled) == (140, 20, 0)
    assert max(waiting) > 100
