"""A server that falls silent before it has answered a single row, and what is told while nothing moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from welkin_async import bulk
from welkin_async.bulk import Progress
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, FAST, connect, keys_held, keys_of, rows_for

LATE: dict[str, Any] = {**FAST, "final_settle": 1.0}


def out_from_the_first_row(server: Sandbox, rows: list[Any], seconds: float) -> Any:
    def source() -> Any:
        server.outage(seconds)
        yield from rows

    return source()


@pytest.mark.parametrize("check", ["strict", "off"])
async def test_an_outage_from_the_first_row_on_costs_no_row(server: Sandbox, check: Any) -> None:
    rows = rows_for(server, 200)
    async with connect(server, timeout=2.0) as welkin, asyncio.timeout(40):
        given = out_from_the_first_row(server, rows, 2.0)
        report = await bulk.create_cdt_records(welkin, CDT, given, check=check, **LATE)
    assert (report.created, report.complete) == (200, True)
    assert keys_held(server) == keys_of(rows)
    assert report.paused > 0.5


async def test_an_outage_from_the_first_patient_on_costs_no_row(server: Sandbox) -> None:
    rows = [bulk.PatientRow({"firstName": "Charlie", "lastName": f"T{number}"}, f"k{number}") for number in range(60)]
    options: dict[str, Any] = {**LATE, "key_field": "external_guid"}
    async with connect(server, timeout=2.0) as welkin, asyncio.timeout(40):
        report = await bulk.create_patients(welkin, out_from_the_first_row(server, rows, 2.0), **options)
    assert (report.created, report.doubled) == (60, 0)
    # A look-up shows one patient of a kind, so that no scan can tell whether one that was sent again is there twice.
    assert report.complete is (report.unswept == 0)


async def told(server: Sandbox, rows: list[bulk.CdtRow], **options: Any) -> list[Progress]:
    seen: list[Progress] = []
    async with connect(server, timeout=2.0) as welkin, asyncio.timeout(40):
        await bulk.create_cdt_records(welkin, CDT, rows, on_progress=seen.append, **{**LATE, **options})
    assert (seen[-1].parked, seen[-1].down_for, seen[-1].sweep_in) == (0, None, None)
    return seen


async def test_a_pause_is_told_while_it_lasts(server: Sandbox) -> None:
    rows = rows_for(server, 200)
    seen = await told(server, out_from_the_first_row(server, rows, 4.0), final_settle=0.1)
    pauses = [snapshot.down_for for snapshot in seen if snapshot.down_for is not None]
    assert len(pauses) >= 2
    assert pauses[1] > pauses[0] > 0.0


async def test_the_wait_before_the_last_sweep_is_told(server: Sandbox) -> None:
    rows = rows_for(server, 40)
    server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", after=30))
    seen = await told(server, rows, final_settle=3.5)
    waits = [snapshot.sweep_in for snapshot in seen if snapshot.sweep_in is not None]
    assert len(waits) >= 2
    assert 3.5 > waits[0] > waits[1] > 0.0


async def test_rows_that_are_looked_for_are_told(server: Sandbox) -> None:
    rows = rows_for(server, 40)
    server.faults.add(Fault(FaultKind.RESET_BEFORE, operation="cdts.create", after=30, times=3))
    seen = await told(server, rows, settle=1.5)
    assert max(snapshot.parked for snapshot in seen) == 3


async def test_a_stream_says_how_it_stands(server: Sandbox) -> None:
    rows = rows_for(server, 40)
    async with connect(server) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, rows, **FAST)
        assert (stream.progress.rows, stream.progress.total) == (0, 40)
        async with stream:
            async for _ in stream:
                assert stream.progress.parked == 0
        assert (stream.progress.created, stream.progress.seconds) == (40, stream.report.seconds)


async def ended(server: Sandbox, stop: Callable[[Any], Any], **options: Any) -> Any:
    rows = rows_for(server, 40)
    server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", after=30, times=3))
    async with connect(server) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, rows, **{**FAST, **options})
        async with stream:
            async for _ in stream:
                if stop(stream.report):
                    break
    return stream.report


async def test_keys_that_no_sweep_has_looked_at_are_counted(server: Sandbox) -> None:
    report = await ended(server, lambda report: report.created == 40, existing="trust")
    assert (report.created, report.adopted, report.unswept, report.complete) == (40, 3, 3, False)


async def test_keys_that_were_swept_are_not_counted(server: Sandbox) -> None:
    report = await ended(server, lambda report: False)
    assert (report.created, report.unswept, report.complete) == (40, 0, True)
