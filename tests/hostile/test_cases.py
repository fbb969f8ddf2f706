"""What real servers, proxies and process ends do, one test for each kind."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import anyio
import pytest
from conftest import Connect

from welkin_async import InvalidInputError, ServerError, Welkin, bulk
from welkin_async.bulk import CdtRow, Outcome, Report, Status
from welkin_async.bulk.actions.create_cdt import CreateCdt
from welkin_async.sandbox import Alteration, Fault, FaultKind, Sandbox

from .hostile_server import CDT, Hostility, ServerLoop
from .judge import MARK, Truth, mark_of
from .trial import End, Trial

KEYED: dict[str, Any] = {"key_field": "external_id", "settle": 0.3, "final_settle": 0.5}


def rows_for(server: Sandbox, count: int, patients: int = 3) -> list[CdtRow]:
    ids = server.store.add_patients(patients)
    return [CdtRow(ids[number % patients], {MARK: f"row {number}"}, f"row-{number}") for number in range(count)]


async def take(outcomes: bulk.OutcomeStream[Any, Any], seen: list[Outcome[Any, Any]]) -> None:
    """Take outcomes until the end; an error loses none of those before it."""
    async for outcome in outcomes:
        seen.append(outcome)  # noqa: PERF401 - a comprehension would lose them


@pytest.mark.parametrize(
    "change", [Alteration(max_length=36, after=1), Alteration(lower_case=True, after=1), Alteration(max_length=36)]
)
def test_keys_that_the_server_changes_after_the_first_one(change: Alteration) -> None:
    """The proof is made with a key that is kept; nothing is sent again once another is not."""
    faults = (Fault(FaultKind.RESET_AFTER, "cdts.create", after=7, every=20, times=None),)
    hostility = Hostility(faults=faults, alteration=change)
    trial = Trial(hostility=hostility, keys="mixed", rows=200, concurrency=8, journal=False)
    with ServerLoop() as servers:
        result = trial.run(servers)
    assert result.findings == []
    assert result.counts["records"] == 200
    assert result.counts["altered"] > 0


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("status", [500, 201])
@pytest.mark.parametrize("seed", range(3))
def test_an_answer_too_many_while_others_are_refused(keyed: bool, status: int, seed: int) -> None:
    """Each later answer on the connection would be the one of the request before."""
    faults = (
        Fault(FaultKind.STRAY, "cdts.create", after=25 + 7 * seed, every=40, times=None, status=status, delay=0.001),
        Fault(FaultKind.STATUS, "cdts.create", after=2, every=10, times=None, status=400),
    )
    trial = Trial(seed=seed, hostility=Hostility(faults=faults), keyed=keyed, rows=200, concurrency=2, journal=False)
    with ServerLoop() as servers:
        result = trial.run(servers)
    assert result.findings == []
    assert result.counts["rejected"] > 0
    assert result.counts["created"] > 100


async def test_reads_after_an_answer_too_many(server: Sandbox, welkin: Welkin) -> None:
    patients = server.store.add_patients(100)
    ids = [(await welkin.patient(id).cdts(CDT).create({MARK: id})).id for id in patients]
    for status in (500, 200, 404):
        server.faults.add(Fault(FaultKind.STRAY, "cdts.get", status=status, every=9, times=None, delay=0.001))
    wrong = errors = 0

    async def read(first: int) -> None:
        nonlocal wrong, errors
        for patient, id in list(zip(patients, ids, strict=True))[first::3]:
            await asyncio.sleep(0.002)
            try:
                record = await welkin.patient(patient).cdts(CDT).get(id)
            except Exception:
                errors += 1
            else:
                wrong += record.id != id or record.patient_id != patient or record.fields[MARK] != patient

    await asyncio.gather(*map(read, range(3)))
    assert wrong == 0
    assert errors < 20
    assert sum(report.met for report in server.faults.report()) >= 10


async def test_a_deletion_that_a_gateway_answers(server: Sandbox, welkin: Welkin) -> None:
    """A deployment: 502, then the gateway's own 404 page, and nothing is deleted."""
    (patient,) = server.store.add_patients(1)
    cdts = welkin.patient(patient).cdts(CDT)
    ids = [(await cdts.create({MARK: str(number)})).id for number in range(11)]
    server.faults.add(Fault(FaultKind.GATEWAY, "cdts.delete", times=None))
    report = await bulk.delete_cdt_records(welkin, CDT, [bulk.CdtRef(patient, id) for id in ids[:10]])
    assert (report.deleted, report.complete) == (0, False)
    with pytest.raises(ServerError):
        await cdts.delete(ids[10])
    assert len(server.store.cdt_records(CDT)) == 11


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_between_an_answer_and_its_outcome(
    tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch, keyed: bool, end: type[BaseException]
) -> None:
    """As a signal handler raises it, anywhere: the row is there, and no run says that it was not sent."""
    real, struck = CreateCdt.read, list[bool]()

    def read(self: CreateCdt, prepared: Any, answer: Any, /) -> Any:
        if prepared.fields[MARK] == "row 30" and not struck:
            struck.append(True)
            raise end
        return real(self, prepared, answer)

    monkeypatch.setattr(CreateCdt, "read", read)
    journal = tmp_path / "journal"
    options = {**KEYED, "key_field": "external_id" if keyed else None, "concurrency": 8, "journal": journal}

    async def run(server: Sandbox, rows: list[CdtRow], outcomes: list[Outcome[Any, Any]]) -> Report:
        async with connect(server) as welkin:
            stream = bulk.stream_cdt_records(welkin, CDT, rows, **options)
            try:
                async with stream:
                    await take(stream, outcomes)
            finally:
                outcomes += stream.unfinished
        return stream.report

    async def started() -> tuple[Sandbox, list[CdtRow]]:
        server = Sandbox()
        await server.start()
        return server, rows_for(server, 100)

    with ServerLoop() as servers:
        server, rows = servers.call(started())
        first: list[Outcome[Any, Any]] = []
        with pytest.raises(end):
            asyncio.run(run(server, rows, first))
        assert [str(outcome.status) for outcome in first if outcome.index == 30] in ([], ["unknown"])
        with contextlib.closing(sqlite3.connect(journal)) as opened:
            noted = dict(opened.execute("SELECT position, status FROM outcomes"))
        assert noted.get(30) not in ("failed", "unsent")
        second: list[Outcome[Any, Any]] = []
        report = asyncio.run(run(server, rows, second))
        servers.call(server.close())
    (last,) = [outcome for outcome in second if outcome.index == 30]
    held = Truth(server.store.cdt_records(CDT))
    assert len(held["row 30"]) == 1
    assert str(last.status) == ("created" if keyed else "unknown")
    assert (report.failed, report.rejected, report.doubled) == (0, 0, 0)
    assert all(len(held[mark_of(row)]) == 1 for row in rows) or not keyed
    assert report.complete is keyed


async def with_timeout(rows: Iterable[CdtRow], pulled: list[CdtRow]) -> AsyncIterator[CdtRow]:
    async with asyncio.timeout(0.15):
        for row in rows:
            await asyncio.sleep(0.001)
            pulled.append(row)
            yield row


async def with_cancel_scope(rows: Iterable[CdtRow], pulled: list[CdtRow]) -> AsyncIterator[CdtRow]:
    with anyio.move_on_after(0.15):
        for row in rows:
            await asyncio.sleep(0.001)
            pulled.append(row)
            yield row


async def with_task_group(rows: Iterable[CdtRow], pulled: list[CdtRow]) -> AsyncIterator[CdtRow]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, 0.1)
        for row in rows:
            await asyncio.sleep(0.001)
            pulled.append(row)
            yield row


async def with_nothing(rows: Iterable[CdtRow], pulled: list[CdtRow]) -> AsyncIterator[CdtRow]:
    for row in rows:
        await asyncio.sleep(0.001)
        pulled.append(row)
        yield row


class Wrapped:
    """An iterator around another, which no exception can be thrown into."""

    def __init__(self, source: AsyncIterator[CdtRow]) -> None:
        self._source = source

    def __aiter__(self) -> AsyncIterator[CdtRow]:
        return self

    async def __anext__(self) -> CdtRow:
        return await anext(self._source)


@pytest.mark.parametrize("source", [with_timeout, with_cancel_scope, with_task_group, with_nothing])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("wrap", [aiter, Wrapped])
async def test_a_source_with_a_scope_of_its_own(
    server: Sandbox,
    welkin: Welkin,
    tmp_path: Path,
    source: Callable[[Iterable[CdtRow], list[CdtRow]], AsyncIterator[CdtRow]],
    ordered: bool,
    wrap: Callable[[Any], Any],
) -> None:
    """It cancels nobody but the task that pulls it: every row pulled has its outcome (PEP 789)."""
    # Most of the time no worker asks for a row, nor is one read ahead, and the source stands at its `yield`.
    server.latency, given = 0.05, {**KEYED, "existing": "trust"}
    rows, pulled = rows_for(server, 150), list[CdtRow]()
    outcomes: list[Outcome[Any, Any]] = []
    stream = bulk.stream_cdt_records(
        welkin, CDT, wrap(source(rows, pulled)), concurrency=8, ordered=ordered, journal=tmp_path / "journal", **given
    )
    with contextlib.suppress(TimeoutError):
        async with stream:
            await take(stream, outcomes)
    outcomes += stream.unfinished
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(pulled)))
    raises = source is with_timeout  # which ends the import, so that a row may have been pulled in vain
    assert {outcome.status for outcome in outcomes} <= {Status.CREATED, *([Status.FAILED] if raises else [])}
    assert len(server.store.cdt_records(CDT)) == stream.report.created
    assert stream.report.complete == (not raises)


@pytest.mark.parametrize("key_field", ["external_id", "external_guid"])
async def test_a_key_that_cannot_be_sent_fails_its_row_alone(server: Sandbox, welkin: Welkin, key_field: str) -> None:
    rows = rows_for(server, 3)
    rows[1] = CdtRow(rows[1].patient_id, rows[1].fields, "\ud800")
    async with bulk.stream_cdt_records(welkin, CDT, rows, ordered=True, **{**KEYED, "key_field": key_field}) as stream:
        outcomes = [outcome async for outcome in stream]
    assert [str(outcome.status) for outcome in outcomes] == ["created", "failed", "created"]
    assert isinstance(outcomes[1].error, InvalidInputError)


def test_rows_that_were_read_ahead_have_their_outcome_when_the_loop_ends() -> None:
    """The proof has failed, and while the rows that wait are accounted for every task is cancelled."""
    trial = Trial(hostility=Hostility(echoes_key=True), rows=20, ends=("shutdown", "exit"), moment=0.2)
    with ServerLoop() as servers:
        assert trial.run(servers).findings == []


def test_runs_that_end_in_every_way_by_turns() -> None:
    hostility = Hostility(faults=(Fault(FaultKind.RESET_AFTER, "cdts.create", probability=0.05, times=None),))
    with ServerLoop() as servers:
        for end in (End.CLOSE, End.SHUTDOWN, End.EXIT, End.KILL, End.SOURCE):
            trial = Trial(hostility=hostility, rows=60, concurrency=8, ends=(end, end), moment=0.2)
            result = trial.run(servers)
            assert result.findings == []
            assert result.counts["records"] == 60
