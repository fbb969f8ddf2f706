"""How long a parked row waits: as long as nothing can be known of it, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from welkin_async import AuthenticationError, SessionError, bulk
from welkin_async.bulk.keys.cdt_keys import CdtKeys
from welkin_async.errors import PagingError
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, FAST, connect, forget, keys_held, keys_of, outage_after, rows_for

pytestmark = pytest.mark.slow


@pytest.fixture
async def server() -> AsyncIterator[Sandbox]:
    async with Sandbox() as server:
        yield server


def lose(server: Sandbox, after: int = 10, times: int = 3) -> None:
    """Let some creates be reset before they are carried out, so that their rows are parked."""
    server.faults.add(Fault(FaultKind.RESET_BEFORE, operation="cdts.create", after=after, times=times))


async def test_an_outage_that_is_longer_than_all_patience_leaves_no_row_unknown(server: Sandbox) -> None:
    rows = rows_for(server, 2000)
    async with connect(server, timeout=1.0) as welkin:
        after = asyncio.create_task(outage_after(server, 300, 3.0))
        report = await bulk.create_cdt_records(welkin, CDT, rows, **FAST)
        await after
    assert (report.created, report.unknown) == (2000, 0)
    assert report.paused > 1.0
    assert report.lookups > 0
    assert keys_held(server) == keys_of(rows)


async def test_an_outage_when_all_rows_are_out_or_parked_is_waited_for_as_well(server: Sandbox) -> None:
    rows = rows_for(server, 40)
    lose(server, after=36, times=4)

    async def source() -> AsyncIterator[bulk.CdtRow]:
        for row in rows:
            yield row
        server.outage(3.0)

    async with connect(server, timeout=1.0) as welkin:
        report = await bulk.create_cdt_records(welkin, CDT, source(), **{**FAST, "concurrency": 4})
    assert (report.created, report.unknown) == (40, 0)
    assert keys_held(server) == keys_of(rows)


async def test_an_outage_in_the_middle_of_the_proof_does_not_fail_it(server: Sandbox) -> None:
    rows = rows_for(server, 50)
    server.visibility_delay = 0.5

    async def source() -> AsyncIterator[bulk.CdtRow]:
        yield rows[0]
        while not server.stats.performed["cdts.list"]:
            await asyncio.sleep(0.001)
        server.outage(2.5)
        for row in rows[1:]:
            yield row

    async with connect(server, timeout=1.0) as welkin:
        report = await bulk.create_cdt_records(welkin, CDT, source(), **FAST)
    assert report.created == 50
    assert keys_held(server) == keys_of(rows)


async def test_an_outage_before_the_last_sweep_is_waited_for(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not one try: the server may come back between the last attempt of a listing and the read that tells it is down.
    monkeypatch.setattr("welkin_async.bulk.reconciliation.duplicate_scan._TRIES", 2)
    rows = rows_for(server, 20)
    server.faults.add(Fault(FaultKind.RESET_LATE, operation="cdts.create", after=10, delay=1.0))

    async def source() -> AsyncIterator[bulk.CdtRow]:
        for row in rows:
            yield row
        while len(server.store.cdt_records(CDT)) < 21:
            await asyncio.sleep(0.01)
        server.outage(4.0)

    async with connect(server, timeout=1.0, max_attempts=2) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, source(), **FAST)
        async with stream:
            outcomes = [outcome async for outcome in stream]
    assert {outcome.status for outcome in outcomes} == {bulk.Status.CREATED}
    assert stream.report.doubled == len(stream.doubles) == 1


async def test_a_closed_gate_costs_a_parked_row_none_of_its_patience(server: Sandbox) -> None:
    rows = rows_for(server, 60)
    lose(server, after=30)
    server.faults.add(
        Fault(FaultKind.STATUS, status=429, retry_after=1, operation="cdts.list", after=3, every=2, times=3)
    )
    async with connect(server) as welkin:
        report = await bulk.create_cdt_records(welkin, CDT, rows, **FAST)
    assert not server.faults.unmet()
    assert (report.created, report.unknown) == (60, 0)
    assert keys_held(server) == keys_of(rows)


@pytest.mark.parametrize("status", [403, 500])
async def test_a_look_up_that_is_never_answered_though_the_server_is_there_ends_as_unknown(
    server: Sandbox, status: int
) -> None:
    rows = rows_for(server, 60)
    lose(server, after=30)
    server.faults.add(Fault(FaultKind.STATUS, status=status, operation="cdts.list", after=2, times=None))
    async with connect(server, max_attempts=2) as welkin, asyncio.timeout(20):
        with pytest.raises(bulk.BulkStoppedError) as stopped:
            await bulk.create_cdt_records(welkin, CDT, rows, max_failures=2, existing="trust", **FAST)
    assert stopped.value.report.unknown == 3
    assert len(keys_held(server)) == 57


async def test_a_list_that_never_stands_still_ends_as_unknown(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, listing = rows_for(server, 30), CdtKeys.listing
    looked = 0

    async def moving(self: CdtKeys, patient: str, since: float) -> Any:
        nonlocal looked
        looked += 1
        if looked == 1:
            return await listing(self, patient, since)
        raise PagingError("a page was repeated")

    monkeypatch.setattr(CdtKeys, "listing", moving)
    lose(server)
    async with connect(server) as welkin, asyncio.timeout(20):
        with pytest.raises(bulk.BulkStoppedError) as stopped:
            await bulk.create_cdt_records(welkin, CDT, rows, max_failures=2, existing="trust", **FAST)
    assert (stopped.value.report.created, stopped.value.report.unknown) == (27, 3)
    assert looked > 3


async def parked_for_good(server: Sandbox, welkin: Any, rows: list[bulk.CdtRow], then: Any) -> Any:
    """Import while look-ups find nothing out, and do something when all the rest is done; return stream and error."""
    lose(server, after=len(rows) - 3)
    server.faults.add(Fault(FaultKind.STATUS, status=429, retry_after=0, operation="cdts.list", after=1, times=None))
    stream = bulk.stream_cdt_records(welkin, CDT, rows, existing="trust", **FAST)
    outcomes: list[Any] = []
    caught: BaseException | None = None
    try:
        async with asyncio.timeout(20), stream:
            async for outcome in stream:
                outcomes.append(outcome)
                if len(outcomes) == len(rows) - 3:
                    server.faults.clear()
                    await then()
    except Exception as error:
        caught = error
    return stream, [*outcomes, *stream.unfinished], caught


async def test_a_token_that_is_refused_to_look_ups_ends_the_import(server: Sandbox) -> None:
    rows = rows_for(server, 30)

    async def refuse() -> None:
        server.refuse_tokens = True

    async with connect(server) as welkin:
        stream, outcomes, error = await parked_for_good(server, welkin, rows, refuse)
    assert isinstance(error, AuthenticationError)
    assert (stream.report.created, stream.report.unknown) == (27, 3)
    assert sorted(outcome.index for outcome in outcomes) == list(range(30))


async def test_a_session_that_is_closed_meanwhile_ends_the_import(server: Sandbox) -> None:
    rows = rows_for(server, 30)
    welkin = connect(server)
    async with welkin:
        stream, outcomes, error = await parked_for_good(server, welkin, rows, welkin.aclose)
    assert isinstance(error, SessionError)
    assert (stream.report.created, stream.report.unknown) == (27, 3)
    assert sorted(outcome.index for outcome in outcomes) == list(range(30))


async def test_a_bug_in_a_look_up_ends_the_import_and_loses_no_row(
    server: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_for(server, 30)

    async def broken(*given: Any) -> Any:
        raise ZeroDivisionError

    async def break_it() -> None:
        monkeypatch.setattr(CdtKeys, "listing", broken)

    async with connect(server) as welkin:
        stream, outcomes, error = await parked_for_good(server, welkin, rows, break_it)
    assert isinstance(error, ZeroDivisionError)
    assert (stream.report.created, stream.report.unknown) == (27, 3)
    assert sorted(outcome.index for outcome in outcomes) == list(range(30))


async def test_a_server_that_is_gone_for_good_can_be_left(server: Sandbox) -> None:
    rows = rows_for(server, 600)
    seen = []
    async with (
        connect(server, timeout=0.5) as welkin,
        asyncio.timeout(20),
        bulk.stream_cdt_records(welkin, CDT, rows, **FAST) as stream,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.0):
                async for outcome in stream:
                    seen.append(outcome)
                    if len(seen) == 100:
                        server.outage(60.0)
    found = [*seen, *stream.unfinished]
    assert sorted(outcome.index for outcome in found) == list(range(stream.report.rows))
    assert stream.report.rows < 600
    assert stream.report.unknown > 0
    assert stream.report.paused > 1.0


async def test_a_run_that_is_cancelled_in_the_last_sweep_ends_at_once(server: Sandbox) -> None:
    rows = rows_for(server, 20)
    lose(server)
    loop = asyncio.get_running_loop()
    async with connect(server) as welkin:
        importing = asyncio.create_task(bulk.create_cdt_records(welkin, CDT, rows, **{**FAST, "final_settle": 30.0}))
        while len(keys_held(server)) < 20:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        server.faults.add(Fault(FaultKind.STATUS, status=429, retry_after=60, operation="cdts.list", times=None))
        began = loop.time()
        importing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await importing
    assert loop.time() - began < 2.0


async def test_rows_of_a_run_that_was_killed_are_sent_though_the_first_look_ups_met_an_outage(
    server: Sandbox, tmp_path: Path
) -> None:
    """So many that none can be created before them; a row that the earlier run created proves keys a little later."""
    rows = rows_for(server, 300)
    options: dict[str, Any] = {**FAST, "concurrency": 4, "journal": tmp_path / "journal"}
    async with connect(server) as welkin:
        report = await bulk.create_cdt_records(welkin, CDT, rows[:100], **options)
        assert report.created == 100
        for record in server.store.cdt_records(CDT):
            if int(record["jsonBody"]["external_id"].removeprefix("row-")) >= 40:
                await welkin.patient(record["patientId"]).cdts(CDT).delete(record["id"])
    forget(tmp_path / "journal", 40)
    server.faults.add(
        Fault(FaultKind.RESET_BEFORE, operation="cdts.list", times=24)
    )  # three look-ups, all attempts, and more
    async with asyncio.timeout(20), connect(server) as welkin:
        report = await bulk.create_cdt_records(welkin, CDT, rows, **options)
    assert (report.created + report.skipped, report.unknown, report.complete) == (300, 0, True)
    assert keys_held(server) == keys_of(rows)
