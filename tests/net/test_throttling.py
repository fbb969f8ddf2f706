from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from welkin_async import RateLimitedError, Welkin, bulk
from welkin_async.bulk import CdtRow
from welkin_async.sandbox import FaultKind, Sandbox

from .helpers import RawServer, Reaction, connect, connections_of, http, on_wire, record, script

_log = logging.getLogger(__name__)

pytestmark = pytest.mark.timing


class Used(NamedTuple):
    share: float
    refused: float
    left_over: float

    @property
    def good(self) -> bool:
        # The last rows may have to wait out a Retry-After of one second.
        return self.share >= 0.9 and self.refused <= 0.05 and self.left_over <= 2.0


async def used_of(rate: float, count: int) -> Used:
    """Import at a limit: which share of it was used, which share refused, and what the last rows took beyond."""
    async with Sandbox(rate=rate) as server, connect(server) as welkin:
        patients = server.store.add_patients(10)
        pulled, created = 0.0, 0

        def rows() -> Iterator[CdtRow]:
            nonlocal pulled, created
            for index in range(count):
                yield CdtRow(patients[index % 10], {"external_id": str(index)})
            pulled, created = time.monotonic() - started, len(server.store.cdt_records("medication"))

        started = time.monotonic()
        report = await bulk.create_cdt_records(welkin, "medication", rows(), concurrency=64)
        seconds = time.monotonic() - started
        refused, sent = server.throttle.refused, on_wire(server, "cdts.create")
        assert report.created == len(server.store.cdt_records("medication")) == count
        assert server.store.duplicates("medication") == {}
        assert refused >= 1
        used = Used(created / pulled / rate, refused / sent, seconds - pulled)
        _log.info("%.2f s, %d sent: %s", seconds, sent, used)
        return used


@pytest.mark.slow
async def test_an_import_uses_what_the_server_allows() -> None:
    # A machine that stops for a moment may bring about a pause, which is a tenth of so short a run: the best counts.
    for _ in range(3):
        used = await used_of(200.0, 2000)
        if used.good:
            break
    assert used.good, used


@pytest.mark.slow
async def test_while_everybody_pauses_no_request_arrives(server: Sandbox, welkin: Welkin, patient: str) -> None:
    await welkin.patients.get(patient)
    script(server, FaultKind.STATUS, "patients.get", status=429, retry_after=1, after=100, times=20)
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
    assert connections_of(welkin)[0] == 0
    assert (server.stats.in_flight, welkin.transport.limiter.in_flight) == (0, 0)
    await asyncio.sleep(0.9)
    done = True
    await asyncio.gather(*workers)
    log = [entry for entry in server.stats.log if entry.operation == "patients.get"]
    refused = max(entry.arrived for entry in log if entry.status == 429)
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
        # The wait is that call's own: one refusal says nothing about others.
        assert (await welkin.with_options(max_wait=0).patients.get(patient)).id == patient
    assert server.faults.unmet() == []
    assert server.stats.total == 3


async def test_max_wait_bounds_the_pause_of_everybody_as_well(server: Sandbox, patient: str) -> None:
    script(server, FaultKind.STATUS, "cdts.create", status=429, retry_after=5, times=3)
    async with connect(server, max_wait=0.3) as welkin:
        for _ in range(3):
            with pytest.raises(RateLimitedError):
                await welkin.patient(patient).cdts("medication").create({})
        # Three in a row are no chance: others do not even ask.
        with pytest.raises(RateLimitedError) as caught:
            await welkin.patients.get(patient)
        assert caught.value.attempts == 0
        assert caught.value.retry_after is not None
        assert 4.5 < caught.value.retry_after < 5.6
        with pytest.raises(RateLimitedError):
            await welkin.with_options(max_wait=0).patients.get(patient)
        waiting = asyncio.create_task(welkin.with_options(max_wait=None).patients.get(patient))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert server.faults.unmet() == []
    assert server.stats.total == 4


@pytest.mark.slow
async def test_max_wait_is_kept_where_the_pause_is_guessed(server: Sandbox, patient: str) -> None:
    script(server, FaultKind.STATUS, status=429, times=None)
    async with connect(server, max_wait=1.0) as welkin:
        started = time.monotonic()
        with pytest.raises(RateLimitedError):
            await welkin.patients.get(patient)
        assert time.monotonic() - started < 1.2
        assert 1 <= on_wire(server, "patients.get") <= 6  # back-offs of its own, until three in a row pause everybody


@pytest.mark.slow
async def test_max_wait_bounds_the_servers_throttling_alone(swift: None) -> None:
    """Time lost to a stalled attempt is no throttling: a pause within the bound is waited out after it."""

    async def behave(_: object) -> Reaction:
        answers.append(1)
        if len(answers) == 1:
            await asyncio.sleep(0.7)
        return http(429, Retry_After="0.1") if len(answers) == 2 else record()

    answers: list[int] = []
    async with RawServer(behave) as server, connect(server, timeout=0.6, max_wait=0.5) as welkin:
        assert (await welkin.patients.get("x")).id == "x"
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
        assert connections_of(welkin)[1] <= 5
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
    script(server, FaultKind.STATUS, "cdts.create", status=429, retry_after=1)
    async with connect(server, max_wait=0.0) as welkin:
        report = await bulk.create_cdt_records(welkin, "medication", [CdtRow(patient, {})], concurrency=2)
        assert (report.created, report.attempts, report.retried) == (1, 2, 1)
    assert server.faults.unmet() == []


async def test_what_is_refused_is_counted_and_shown(server: Sandbox, welkin: Welkin, patient: str) -> None:
    before = welkin.stats
    assert (before.engine, before.in_flight, before.slots, before.pace) == (welkin.transport.engine_name, 0, 10, None)
    assert (before.accepted, before.refused, before.tokens_requested) == (0, 0, 0)
    script(server, FaultKind.STATUS, "patients.get", status=503, retry_after=0, after=1)
    await asyncio.gather(*(welkin.patients.get(patient) for _ in range(20)))
    after = welkin.stats
    assert (after.accepted, after.refused, after.tokens_requested, after.in_flight) == (20, 1, 1, 0)
    assert (after.pace, after.paused_for) == (None, 0.0)
    assert server.stats.total == 22
