"""Ends of an import with rows parked: nobody waits for what cannot come, and no row is left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from welkin_async import SessionError, bulk
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, FAST, connect, keys_held, keys_of, rows_for

pytestmark = pytest.mark.slow


@pytest.fixture
async def server() -> AsyncIterator[Sandbox]:
    async with Sandbox() as server:
        yield server


class SourceError(Exception):
    pass


@pytest.mark.parametrize("ordered", [False, True])
async def test_a_consumer_that_leaves_while_parked_rows_are_given_up_holds_nothing_up(
    server: Sandbox, ordered: bool
) -> None:
    rows = rows_for(server, 5)
    server.faults.add(Fault(FaultKind.RESET_BEFORE, operation="cdts.create", times=None))

    async def source() -> AsyncIterator[bulk.CdtRow]:
        for row in rows[:3]:
            yield row
        while server.faults.report()[0].met < 3:
            await asyncio.sleep(0.01)
        raise SourceError

    options: dict[str, Any] = {**FAST, "concurrency": 1, "final_settle": 30.0, "ordered": ordered}
    seen = []
    async with connect(server, timeout=0.5) as welkin, asyncio.timeout(5):
        with pytest.raises(SourceError):
            async with bulk.stream_cdt_records(welkin, CDT, source(), **options) as stream:
                async for outcome in stream:
                    seen.append(outcome)
                    await asyncio.sleep(0.1)
                    break
    found = [*seen, *stream.unfinished]
    assert sorted(outcome.index for outcome in found) == list(range(3))
    assert {outcome.status for outcome in found} == {bulk.Status.UNKNOWN}


async def test_a_source_that_waits_for_a_row_to_be_settled_is_not_waited_for(server: Sandbox) -> None:
    """As one behind a queue does that wants to hear of each row before it hands out more."""
    rows = rows_for(server, 6)
    server.faults.add(Fault(FaultKind.RESET_BEFORE, operation="cdts.create", after=1, every=2, times=None))
    settled = asyncio.Semaphore(2)

    async def source() -> AsyncIterator[bulk.CdtRow]:
        for row in rows:
            await settled.acquire()
            yield row

    options = {**FAST, "concurrency": 4}
    async with (
        connect(server) as welkin,
        asyncio.timeout(15),
        bulk.stream_cdt_records(welkin, CDT, source(), **options) as stream,
    ):
        async for _ in stream:
            settled.release()
    assert stream.report.created == 6
    assert keys_held(server) == keys_of(rows)


async def test_a_session_that_is_closed_in_an_outage_ends_the_import(server: Sandbox) -> None:
    rows = rows_for(server, 300)
    welkin = connect(server, timeout=0.5)
    seen = []
    with pytest.raises(SessionError):
        async with welkin, asyncio.timeout(20), bulk.stream_cdt_records(welkin, CDT, rows, **FAST) as stream:
            async for outcome in stream:
                seen.append(outcome)
                if len(seen) == 100:
                    server.outage(60.0)
                    asyncio.get_running_loop().call_later(2.0, lambda: asyncio.ensure_future(welkin.aclose()))
    found = [*seen, *stream.unfinished]
    assert sorted(outcome.index for outcome in found) == list(range(stream.report.rows))


async def test_a_token_that_cannot_be_had_for_a_while_fails_no_row(
    server: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever status says so; a token call that is throttled is no answer about a row."""
    monkeypatch.setattr("welkin_async.http.auth.tokens._LONGEST_MEMORY", 0.05)
    rows = rows_for(server, 200)
    server.faults.add(Fault(FaultKind.STATUS, status=429, operation="auth.create_token", after=1, times=3))
    server.latency = 0.002

    async def source() -> AsyncIterator[bulk.CdtRow]:
        for number, row in enumerate(rows):
            if number == 100:
                server.expire_tokens()
            yield row

    async with connect(server, max_attempts=1) as welkin, asyncio.timeout(60):
        report = await bulk.create_cdt_records(welkin, CDT, source(), **{**FAST, "concurrency": 8})
    assert not server.faults.unmet()
    assert (report.created, report.failed) == (200, 0)
    assert keys_held(server) == keys_of(rows)


async def test_of_two_records_with_its_key_a_row_is_its_own(server: Sandbox) -> None:
    """The other one is older, and stays what it is: a double that is named."""
    (patient,) = server.store.add_patients(1)
    rows = [bulk.CdtRow(patient, {"medication_name": f"M{number}"}, f"k{number}") for number in range(12)]
    server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", after=6))
    async with connect(server) as welkin:
        await welkin.patient(patient).cdts(CDT).create({"medication_name": "Other", "external_id": "k5"})
        async with bulk.stream_cdt_records(welkin, CDT, rows, **{**FAST, "concurrency": 1}, existing="trust") as stream:
            found = {outcome.index: outcome async for outcome in stream}
    assert found[5].status is bulk.Status.CREATED
    assert found[5].adopted
    assert found[5].record is not None
    assert found[5].record.fields["medication_name"] == "M5"
    (double,) = stream.doubles
    assert (double.key, double.reported) == ("k5", found[5].record.id)
