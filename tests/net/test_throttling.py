from __future__ import annotations

import asyncio
import logging
import time

import pytest

from welkin_async import RateLimitedError, Welkin, bulk
from welkin_async.bulk import CdtRow
from welkin_async.sandbox import FaultKind, Sandbox

from .helpers import RawServer, connect, http, in_turn, on_wire, record, script

_log = logging.getLogger(__name__)

pytestmark = pytest.mark.timing


@pytest.mark.slow
async def test_an_import_uses_what_the_server_allows() -> None:
    rate, count = 200.0, 2000
    async with Sandbox(rate=rate) as server, connect(server) as welkin:
        patients = server.store.add_patients(10)
        rows = [CdtRow(patients[index % 10], {"external_id": str(index)}) for index in range(count)]
        started = time.monotonic()
        report = await bulk.create_cdt_records(welkin, "medication", rows, concurrency=64)
        seconds = time.monotonic() - started
        refused, sent = server.throttle.refused, on_wire(server, "cdts.create")
        used, share = count / seconds / rate, refused / sent
        _log.info("%.2f s: %.1f %% of what is allowed, %.1f %% of %d refused", seconds, 100 * used, 100 * share, sent)
        assert report.created == len(server.store.cdt_records("medication")) == count
        assert server.store.duplicates("medication") == {}
        assert refused >= 1
        assert count / seconds >= 0.9 * rate
        assert refused <= 0.05 * sent


@pytest.mark.slow
async def test_while_the_gate_is_closed_no_request_arrives(server: Sandbox, welkin: Welkin, patient: str) -> None:
    await welkin.patients.get(patient)
    script(server, FaultKind.STATUS, "patients.get", status=429, retry_after=1, after=100)
    server.latency = 0.002
    done = False

    async def worker() -> None:
        while not done:
            await welkin.patients.get(patient)

    workers = [asyncio.create_task(worker()) for _ in range(20)]
    await asyncio.sleep(0.1)
    while server.faults.unmet():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    connector = welkin.transport._pool._session.connector
    assert connector is not None
    assert len(connector._acquired) == 0
    assert (server.stats.in_flight, welkin.transport.limiter.in_flight) == (0, 0)
    await asyncio.sleep(0.9)
    done = True
    await asyncio.gather(*workers)
    log = [entry for entry in server.stats.log if entry.operation == "patients.get"]
    (refused,) = (entry.arrived for entry in log if entry.status == 429)
    later = [entry.arrived - refused for entry in log if entry.arrived > refused + 0.05]
    assert later[0] >= 0.99
    # One probe goes ahead.
    assert later[1] >= later[0] + 0.002


async def test_max_wait(server: Sandbox, patient: str) -> None:
    script(server, FaultKind.STATUS, "cdts.create", status=429, retry_after=5)
    async with connect(server, max_wait=0.3) as welkin:
        started = time.monotonic()
        with pytest.raises(RateLimitedError) as caught:
            await welkin.patient(patient).cdts("medication").create({})
        assert time.monotonic() - started < 0.3
        assert caught.value.retry_after is not None
        assert 4.5 < caught.value.retry_after < 5.6
        assert (caught.value.attempts, caught.value.safe_to_repeat) == (1, True)
        # The pause is for the pool: others do not even ask.
        with pytest.raises(RateLimitedError) as caught:
            await welkin.patients.get(patient)
        assert caught.value.attempts == 0
        with pytest.raises(RateLimitedError):
            await welkin.with_options(max_wait=0).patients.get(patient)
        waiting = asyncio.create_task(welkin.with_options(max_wait=None).patients.get(patient))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert server.faults.unmet() == []
    assert server.stats.total == 2


@pytest.mark.slow
async def test_max_wait_is_kept_where_the_pause_is_guessed(server: Sandbox, patient: str) -> None:
    script(server, FaultKind.STATUS, status=429, times=None)
    async with connect(server, max_wait=1.0) as welkin:
        started = time.monotonic()
        with pytest.raises(RateLimitedError):
            await welkin.patients.get(patient)
        assert time.monotonic() - started < 1.2
        assert 1 <= on_wire(server, "patients.get") <= 3


@pytest.mark.slow
async def test_max_wait_bounds_the_servers_throttling_alone(swift: None) -> None:
    """Time lost to a stalled attempt is no throttling: a pause within the bound is waited out after it."""

    async def behave(_: object) -> bytes:
        answers.append(1)
        if len(answers) == 1:
            await asyncio.sleep(0.7)
        return http(429, Retry_After="0.1") if len(answers) == 2 else record()

    answers: list[int] = []
    async with RawServer(behave) as server, connect(server, timeout=0.6, max_wait=0.5) as welkin:
        assert (await welkin.patients.get("x")).id == "r1"
        assert len(server.seen) == 3


async def test_the_callers_own_rate(server: Sandbox, patient: str) -> None:
    rate, count = 100.0, 60
    async with connect(server, rate=rate, max_wait=0.0) as welkin:
        started = time.monotonic()
        await asyncio.gather(*(welkin.patients.get(patient) for _ in range(count)))
        seconds = time.monotonic() - started
    assert count / seconds <= rate * 1.15
    assert count / seconds >= rate * 0.8
    arrived = [entry.arrived for entry in server.stats.log if entry.operation == "patients.get"]
    # Not in bursts: no quarter of a second sees much more than its share, were the timers late.
    assert max(sum(1 for other in arrived if each <= other < each + 0.25) for each in arrived) <= 0.25 * rate + 20


async def test_the_callers_own_concurrency(server: Sandbox, patient: str) -> None:
    server.latency = 0.01
    async with connect(server, concurrency=5) as welkin:
        await welkin.patients.get(patient)
        await asyncio.gather(*(welkin.patients.get(patient) for _ in range(50)))
        connector = welkin.transport._pool._session.connector
        assert connector is not None
        assert sum(len(held) for held in connector._conns.values()) <= 5
    assert server.stats.peak == 5


async def test_waiters_that_give_up_hold_nobody_up(server: Sandbox, patient: str) -> None:
    server.latency = 0.02
    async with connect(server, concurrency=1) as welkin:
        await welkin.patients.get(patient)
        calls = [asyncio.create_task(welkin.patients.get(patient)) for _ in range(20)]
        await asyncio.sleep(0.03)
        for call in calls[::2]:
            call.cancel()
        found = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)
        assert all(isinstance(each, asyncio.CancelledError) for each in found[2::2])
        assert not any(isinstance(each, BaseException) for each in found[1::2])
        assert welkin.transport.limiter.in_flight == 0
    # The first two may have been on the wire when they were cancelled.
    assert 10 <= on_wire(server, "patients.get") - 1 <= 12


async def test_an_import_waits_out_what_a_call_would_not(server: Sandbox, patient: str) -> None:
    script(server, FaultKind.STATUS, "cdts.create", status=503, retry_after=1)
    async with connect(server, max_wait=0.0) as welkin:
        report = await bulk.create_cdt_records(welkin, "medication", [CdtRow(patient, {})], concurrency=2)
        assert (report.created, report.attempts, report.retried) == (1, 2, 1)
    assert server.faults.unmet() == []


async def test_an_overload_halves_what_is_out() -> None:
    async with RawServer(in_turn(record(), http(503, Retry_After="0"), record())) as server, connect(server) as welkin:
        await welkin.patients.get("x")
        await asyncio.gather(*(welkin.patients.get("x") for _ in range(20)))
        assert welkin.transport.limiter.throttles == 1
        assert len(server.seen) == 22
