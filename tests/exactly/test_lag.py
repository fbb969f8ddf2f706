"""Lists that run behind: what has landed and does not show yet is neither absent nor sent again."""

from __future__ import annotations

import asyncio
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
