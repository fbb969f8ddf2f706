"""A server that fails in every way it can: each row has one outcome, and the outcome is true."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from welkin_async.bulk import Outcome, Status, create_cdt_records, stream_cdt_records
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, connect, held, rows, same

COUNT = 1200
FAULTS: dict[str, Fault] = {
    "reset before": Fault(FaultKind.RESET_BEFORE),
    "reset after": Fault(FaultKind.RESET_AFTER),
    "reset late": Fault(FaultKind.RESET_LATE, delay=0.05),
    "stall before": Fault(FaultKind.STALL_BEFORE, delay=0.9),
    "stall after": Fault(FaultKind.STALL_AFTER, delay=0.9),
    "truncated": Fault(FaultKind.TRUNCATED),
    "garbage": Fault(FaultKind.GARBAGE),
    "empty": Fault(FaultKind.EMPTY),
    "500": Fault(FaultKind.STATUS, status=500),
    "504 done": Fault(FaultKind.STATUS, status=504, work_done=True),
    "503": Fault(FaultKind.STATUS, status=503),
    "408": Fault(FaultKind.STATUS, status=408),
}


def scripted(fault: Fault, **more: Any) -> Fault:
    values = fault.as_json() | {"operation": "cdts.create", "times": None, **more}
    return Fault.from_json(values)


def refused(server: Sandbox) -> int:
    """How many creates were turned away, by a 401 or by throttling; reads are as well, now and then."""
    return sum(each.operation == "cdts.create" and each.status in (401, 429) for each in server.stats.log)


def without_fault(outcome: Outcome[Any, Any]) -> bool:
    """Tell whether a row is unknown though no fault met it.

    It timed out on a busy machine, maybe before it came as far as the server; or it was refused, and a fault that its
    connection met afterwards leaves it in doubt whether the refusal was its own: then it is not sent again.
    """
    said = str(outcome.error)
    return outcome.status is Status.UNKNOWN and ("in time" in said or "an answer too many" in said)


def unknown_are_named(server: Sandbox, seen: list[Outcome[Any, Any]]) -> None:
    """Assert that the rows whose outcome is unknown are those that met a fault.

    On a busy machine other rows meet a timeout, some meet both, and an answer after a stall may be read nevertheless.
    """
    met, stalls = 0, 0
    for report in server.faults.report():
        if report.fault.status != 429:
            met += report.met
            stalls += report.met if "stall" in report.fault.kind else 0
    unknown = [outcome for outcome in seen if outcome.status is Status.UNKNOWN]
    late = [outcome for outcome in unknown if without_fault(outcome)]
    assert len(unknown) - len(late) <= met - stalls <= len(unknown)
    assert {outcome.status for outcome in seen} == {Status.CREATED, Status.UNKNOWN}


async def run(server: Sandbox, count: int, timeout: float = 0.6) -> list[Outcome[Any, Any]]:
    """Import under the server's faults and check what must hold under any of them."""
    patients = server.store.add_patients(7)
    wanted = [row for patient, each in zip(patients, range(7), strict=True) for row in rows(patient, count)[each::7]]
    async with connect(server, timeout=timeout) as welkin:
        async with stream_cdt_records(welkin, CDT, wanted, concurrency=32) as outcomes:
            seen = [outcome async for outcome in outcomes]
        assert outcomes.unfinished == []
        assert sorted(outcome.index for outcome in seen) == list(range(count))
        same(outcomes.report, seen)
        await server.settle()
        while server.stats.in_flight:
            await asyncio.sleep(0.01)
    assert all(outcome.row is wanted[outcome.index] for outcome in seen)
    created = {outcome.row.key for outcome in seen if outcome.status is Status.CREATED}
    unknown = {outcome.row.key for outcome in seen if outcome.status is Status.UNKNOWN}
    # What is reported as created is there; what is there was reported as created, or named as unknown; nothing twice.
    assert created <= held(server) <= created | unknown
    assert server.store.duplicates(CDT) == {}
    assert len(server.store.cdt_records(CDT)) == len(held(server))
    # Beside those that were refused, one request for each row: nothing unknown was sent again.
    late = sum(map(without_fault, seen))
    assert count - late <= server.stats.operations["cdts.create"] - refused(server) <= count
    for outcome in seen:
        if outcome.status is Status.CREATED:
            assert outcome.record is not None
            assert outcome.record.external_id == outcome.row.key
    return list(seen)


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_alone(name: str) -> None:
    async with Sandbox() as server:
        server.faults.add(scripted(FAULTS[name], every=10))
        seen = await run(server, 150)
        assert [report.met for report in server.faults.report()] == [15]
        unknown_are_named(server, seen)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_tenth_of_all_requests_fails(seed: int) -> None:
    async with Sandbox(seed=seed) as server:
        for fault in FAULTS.values():
            server.faults.add(scripted(fault, probability=0.1 / len(FAULTS)))
        seen = await run(server, COUNT)
        reports = server.faults.report()
        assert all(report.met for report in reports)
        assert 0.05 * COUNT < sum(report.met for report in reports) < 0.15 * COUNT
        unknown_are_named(server, seen)


async def test_throttling_among_the_faults() -> None:
    async with Sandbox() as server:
        for number, fault in enumerate(FAULTS.values()):
            server.faults.add(scripted(fault, every=40, after=3 * number))
        server.faults.add(scripted(Fault(FaultKind.STATUS, status=503, retry_after=0), after=100, every=50))
        server.faults.add(scripted(Fault(FaultKind.STATUS, status=429, retry_after=0), after=290, times=1))
        seen = await run(server, 300)
        assert server.faults.unmet() == []
        assert all(report.met for report in server.faults.report())
        unknown_are_named(server, seen)


@pytest.mark.timing  # tokens end at moments of an import that goes on at its own speed
async def test_tokens_that_end_among_the_faults() -> None:
    """Without stalls: timeouts are long, or on a busy machine token calls would meet them too."""
    async with Sandbox() as server:
        for number, (name, fault) in enumerate(FAULTS.items()):
            if "stall" not in name:
                server.faults.add(scripted(fault, every=100, after=3 * number))
        server.latency = 0.005

        async def expire() -> None:
            for done in (200, 500, 800):
                # Far enough apart that the token in use has been good for something: a fresh one is not renewed.
                while server.stats.performed["cdts.create"] < done:
                    await asyncio.sleep(0.001)
                server.expire_tokens()

        expiring = asyncio.create_task(expire())
        seen = await run(server, 1200, timeout=30.0)
        await expiring
        assert server.stats.token_requests == 4
        unknown_are_named(server, seen)


async def test_with_keys_every_row_is_there_once() -> None:
    """What was unknown is looked for: nothing is lost, nothing is doubled, nothing is left unknown."""
    async with Sandbox(seed=3) as server:
        patient = server.store.add_patient()["id"]
        for fault in FAULTS.values():
            server.faults.add(scripted(fault, probability=0.1 / len(FAULTS)))
        async with connect(server, timeout=0.6) as welkin:
            report = await create_cdt_records(
                welkin, CDT, rows(patient, 400), concurrency=16, key_field="external_id", settle=0.6, final_settle=0.6
            )
        assert sum(each.met for each in server.faults.report()) > 10
        assert (report.created, report.rows, report.unknown, report.doubled) == (400, 400, 0, 0)
        assert report.adopted > 0
        assert held(server) == {f"e{index}" for index in range(400)}
        assert server.store.duplicates(CDT) == {}
