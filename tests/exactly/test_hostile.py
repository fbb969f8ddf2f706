"""Servers, proxies and ends that are worse than faults: nothing is reported that the server does not hold."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

from welkin_async import SessionError, bulk
from welkin_async.bulk import Outcome, Status
from welkin_async.bulk.actions.create_cdt import CreateCdt
from welkin_async.sandbox import Alteration, Fault, FaultKind, Sandbox

from .helpers import CDT, FAST, connect, keys_held, keys_of, rows_for

pytestmark = pytest.mark.slow

NAMES = {"medication_name": "text", "medication_refills": "integer"}


@pytest.fixture
async def server() -> AsyncIterator[Sandbox]:
    async with Sandbox() as server:
        yield server


def cut(server: Sandbox, every: int = 20, times: int | None = None) -> None:
    """Let creates land and their connections break."""
    server.faults.add(Fault(FaultKind.RESET_AFTER, operation="cdts.create", after=2, every=every, times=times))


def statuses_of(journal: Path) -> dict[int, str]:
    with contextlib.closing(sqlite3.connect(journal)) as opened:
        return dict(opened.execute("SELECT position, status FROM outcomes"))


async def outcomes_of(server: Sandbox, rows: Any, **options: Any) -> tuple[list[Outcome[Any, Any]], Any]:
    async with connect(server) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, rows, **{**FAST, "concurrency": 8, **options})
        async with stream:
            outcomes = [outcome async for outcome in stream]
    return sorted(outcomes, key=lambda outcome: outcome.index), stream


def names_held(server: Sandbox) -> Counter[str]:
    return Counter(record["jsonBody"]["medication_name"] for record in server.store.cdt_records(CDT))


def true_to(server: Sandbox, outcomes: list[Outcome[Any, Any]]) -> None:
    """Assert that each outcome is what the server holds; rows are known by their name."""
    held = names_held(server)
    for outcome in outcomes:
        there = held[outcome.row.fields["medication_name"]]
        if outcome.status is Status.CREATED:
            assert there == 1, f"row {outcome.index} is reported created and there {there} times"
        elif outcome.status in (Status.REJECTED, Status.FAILED):
            assert there == 0, f"row {outcome.index} is reported {outcome.status} and there"
        else:
            assert there <= 1


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize(
    ("alteration", "key"),
    [(Alteration(12, after=1), "hospital-a/ward-17/{}"), (Alteration(lower_case=True, after=1), "AB-{}")],
    ids=["cut", "lower case"],
)
async def test_a_server_that_changes_keys_once_it_has_kept_one(
    server: Sandbox, tmp_path: Path, alteration: Alteration, key: str, concurrency: int
) -> None:
    server.store.define_cdt(CDT, NAMES, alterations={"external_id": alteration})
    rows = rows_for(server, 60, patients=3)
    for number, row in enumerate(rows):
        row.key = "row-0" if number == 0 else key.format(number)
    cut(server)
    options: dict[str, Any] = {"concurrency": concurrency, "journal": tmp_path / "journal", "source": "s"}
    outcomes, stream = await outcomes_of(server, rows, **options)
    true_to(server, outcomes)
    assert set(names_held(server).values()) == {1}
    assert {outcome.status for outcome in outcomes} == {Status.CREATED, Status.UNKNOWN}
    assert all(outcome.altered == ("external_id",) for outcome in outcomes[1:] if outcome.status is Status.CREATED)
    assert not stream.report.complete
    # No later run sends what it does not find either.
    again, _ = await outcomes_of(server, rows, **options)
    assert {outcome.status for outcome in again} == {Status.SKIPPED, Status.UNKNOWN}
    assert set(names_held(server).values()) == {1}


@pytest.mark.parametrize("key_field", ["external_id", None])
@pytest.mark.parametrize("status", [500, 404, 201])
async def test_a_server_that_answers_once_too_often(server: Sandbox, key_field: Any, status: int) -> None:
    rows = rows_for(server, 200, patients=3)
    for row in rows[3::10]:
        row.fields = {**row.fields, "medication_refills": "not a number"}
    server.faults.add(
        *(Fault(FaultKind.STRAY, operation="cdts.create", after=at, status=status) for at in (25, 60, 110))
    )
    outcomes, stream = await outcomes_of(server, rows, key_field=key_field, check="off", concurrency=2)
    assert server.faults.unmet() == []
    true_to(server, outcomes)
    if key_field is not None:
        assert Counter(str(outcome.status) for outcome in outcomes) == {"created": 180, "rejected": 20}
    assert stream.report.doubled == 0


async def test_an_answer_that_only_queues_the_work_creates_nothing(server: Sandbox) -> None:
    rows = rows_for(server, 40)
    server.faults.add(Fault(FaultKind.QUEUED, operation="cdts.create", after=10, every=5, times=None, work_done=False))
    outcomes, _ = await outcomes_of(server, rows, key_field=None)
    true_to(server, outcomes)
    assert {outcome.status for outcome in outcomes} == {Status.CREATED, Status.UNKNOWN}


async def test_a_gateways_page_does_not_say_that_a_record_is_deleted(server: Sandbox) -> None:
    (patient,) = server.store.add_patients(1)
    async with connect(server) as welkin:
        made = [await welkin.patient(patient).cdts(CDT).create({"medication_name": f"{n}"}) for n in range(10)]
        server.faults.add(Fault(FaultKind.GATEWAY, operation="cdts.delete", times=None))
        refs = [bulk.CdtRef(patient, each.id) for each in made]
        report = await bulk.delete_cdt_records(welkin, CDT, refs)
    assert (report.deleted, report.complete) == (0, False)
    assert len(server.store.cdt_records(CDT)) == 10


@pytest.mark.parametrize("key_field", ["external_id", None])
@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
async def test_an_end_between_answer_and_outcome_leaves_the_row_unknown(
    server: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key_field: Any, end: type[BaseException]
) -> None:
    rows = rows_for(server, 60, patients=3)
    read = CreateCdt.read
    met: list[str] = []

    def interrupted(self: CreateCdt, prepared: Any, answer: Any) -> Any:
        if answer.data["jsonBody"]["medication_name"] == "Medication 30" and not met:
            met.append("")
            raise end
        return read(self, prepared, answer)

    monkeypatch.setattr(CreateCdt, "read", interrupted)
    journal = tmp_path / "journal"
    options: dict[str, Any] = {**FAST, "key_field": key_field, "journal": journal, "source": "s", "concurrency": 8}
    async with connect(server) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, rows, **options)
        seen: dict[int, Any] = {}
        with pytest.raises(end):
            async with stream:
                async for outcome in stream:
                    seen[outcome.index] = outcome
        seen |= {outcome.index: outcome for outcome in stream.unfinished}
        assert seen[30].status is Status.UNKNOWN
        assert statuses_of(journal)[30] == "unknown"
        report = await bulk.create_cdt_records(welkin, CDT, rows, **options)
    assert set(names_held(server).values()) == {1}
    assert len(names_held(server)) == 60
    assert report.unknown == (key_field is None)


@pytest.mark.parametrize("kind", ["timeout", "move on", "task group"])
async def test_a_scope_of_the_source_costs_no_row_its_outcome(server: Sandbox, tmp_path: Path, kind: str) -> None:
    server.latency = 0.005
    rows = rows_for(server, 400)
    pulled = 0

    async def source() -> AsyncIterator[bulk.CdtRow]:
        nonlocal pulled
        async with contextlib.AsyncExitStack() as scope:
            if kind == "timeout":
                await scope.enter_async_context(asyncio.timeout(0.1))
            elif kind == "move on":
                scope.enter_context(anyio.move_on_after(0.1))
            else:
                (await scope.enter_async_context(anyio.create_task_group())).start_soon(asyncio.sleep, 0.05)
            for row in rows:
                pulled += 1
                yield row

    seen: list[Any] = []
    async with connect(server) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, source(), **{**FAST, "concurrency": 8})
        with pytest.raises(TimeoutError) if kind == "timeout" else contextlib.nullcontext():
            async with stream:
                async for outcome in stream:
                    seen.append(outcome)  # noqa: PERF401 - a comprehension would lose them
    assert sorted(outcome.index for outcome in [*seen, *stream.unfinished]) == list(range(pulled))
    assert {outcome.status for outcome in seen} == {Status.CREATED}
    assert (pulled == 400) is (kind == "task group")
    assert stream.report.complete is (kind != "timeout")


@pytest.mark.parametrize(("skew", "every"), [(-1200.0, 4), (-480.0, 1), (1200.0, 4), (-7200.0, 2)])
async def test_clocks_of_the_server_that_are_wrong(server: Sandbox, skew: float, every: int) -> None:
    server.skew, server.skew_every = skew, every
    rows = rows_for(server, 120, patients=3)
    cut(server, every=9)
    outcomes, stream = await outcomes_of(server, rows)
    assert {outcome.status for outcome in outcomes} == {Status.CREATED}
    assert keys_held(server) == keys_of(rows)
    assert (stream.report.complete, stream.report.adopted > 5) == (True, True)


@pytest.mark.parametrize("patients", [3, 60])
async def test_look_ups_whose_lag_grows(server: Sandbox, patients: int) -> None:
    server.visibility_delay, server.delay_growth, server.latency = 0.05, 0.8, 0.02
    rows = rows_for(server, 60, patients)
    cut(server, every=6)
    outcomes, stream = await outcomes_of(server, rows, concurrency=2, settle=0.2, final_settle=6.0)
    assert {outcome.status for outcome in outcomes} == {Status.CREATED}
    assert keys_held(server) == keys_of(rows)
    assert stream.report.doubled == 0


async def test_look_ups_whose_lag_outgrows_all_patience_leave_rows_unknown(server: Sandbox) -> None:
    rows = rows_for(server, 40, patients=4)

    async def source() -> AsyncIterator[bulk.CdtRow]:
        for number, row in enumerate(rows):
            if number == 1:
                await asyncio.sleep(0.3)
                server.visibility_delay = 30.0
            yield row

    cut(server, every=8)
    outcomes, stream = await outcomes_of(server, source(), concurrency=2)
    assert set(names_held(server).values()) == {1}
    true_to(server, outcomes)
    assert not stream.report.complete


@pytest.mark.parametrize("unique", [[], ["external_id"]], ids=["", "unique keys"])
async def test_a_503_that_comes_after_the_work(server: Sandbox, unique: list[str]) -> None:
    server.store.define_cdt(CDT, NAMES, unique=unique)
    rows = rows_for(server, 60, patients=3)
    server.faults.add(
        Fault(
            FaultKind.STATUS,
            operation="cdts.create",
            status=503,
            retry_after=0,
            work_done=True,
            after=5,
            every=6,
            times=None,
        )
    )
    outcomes, stream = await outcomes_of(server, rows)
    assert {outcome.status for outcome in outcomes} == {Status.CREATED}
    assert keys_held(server) == keys_of(rows)
    assert stream.report.complete


async def test_a_503_on_a_create_without_keys_is_unknown_and_never_repeated(server: Sandbox) -> None:
    rows = rows_for(server, 30)
    server.faults.add(
        Fault(FaultKind.STATUS, operation="cdts.create", status=503, retry_after=0, work_done=True, every=5, times=None)
    )
    outcomes, _ = await outcomes_of(server, rows, key_field=None)
    assert Counter(str(outcome.status) for outcome in outcomes) == {"created": 24, "unknown": 6}
    assert set(names_held(server).values()) == {1}
    assert server.stats.operations["cdts.create"] == 30


async def test_of_two_rows_with_one_key_the_second_adopts_nothing(server: Sandbox) -> None:
    (patient,) = server.store.add_patients(1)
    rows = [bulk.CdtRow(patient, {"medication_name": name}, key) for name, key in (("a", "k"), ("b", "k"), ("c", "l"))]
    outcomes, stream = await outcomes_of(server, rows, concurrency=1)
    assert [str(outcome.status) for outcome in outcomes] == ["created", "failed", "created"]
    assert "another row has the same key" in str(outcomes[1].error)
    assert not stream.report.complete


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_source_may_use_one_row_for_all(server: Sandbox, asynchronous: bool) -> None:
    patients = server.store.add_patients(7)
    fields: dict[str, Any] = {}
    row = bulk.CdtRow("", fields)

    def reused() -> Iterator[bulk.CdtRow]:
        for number in range(70):
            row.patient_id, row.key = patients[number % 7], f"k{number}"
            fields["medication_name"] = f"{patients[number % 7]} {number}"
            yield row

    async def later() -> AsyncIterator[bulk.CdtRow]:
        for each in reused():
            yield each

    server.latency = 0.002
    cut(server, every=10)
    _, stream = await outcomes_of(server, later() if asynchronous else reused())
    held = server.store.cdt_records(CDT)
    assert (stream.report.created, stream.report.altered, len(held)) == (70, 0, 70)
    assert all(each["jsonBody"]["medication_name"].startswith(each["patientId"]) for each in held)
    assert len({each["jsonBody"]["external_id"] for each in held}) == 70


async def test_an_answer_whose_body_is_a_list_costs_one_row_at_most(server: Sandbox) -> None:
    rows = rows_for(server, 30, patients=1)
    patient = rows[0].patient_id
    body = f'{{"id": "{uuid4()}", "patientId": "{patient}", "cdtName": "{CDT}", "jsonBody": []}}'.encode()
    server.faults.add(Fault(FaultKind.STATUS, operation="cdts.create", status=201, body=body, after=10))
    outcomes, _ = await outcomes_of(server, rows)
    true_to(server, outcomes)
    assert {outcome.status for outcome in outcomes} == {Status.CREATED}


async def test_a_total_that_counts_what_is_deleted_keeps_no_row_unknown(server: Sandbox) -> None:
    rows = rows_for(server, 30, patients=1)
    server.count_deleted = True
    async with connect(server) as welkin:
        cdts = welkin.patient(rows[0].patient_id).cdts(CDT)
        await cdts.delete((await cdts.create({"medication_name": "gone"})).id)
    cut(server, every=7)
    server.faults.add(Fault(FaultKind.RESET_BEFORE, operation="cdts.create", after=12))
    outcomes, stream = await outcomes_of(server, rows)
    assert {outcome.status for outcome in outcomes} == {Status.CREATED}
    assert keys_held(server) == keys_of(rows)
    assert stream.report.complete


async def test_a_patient_that_was_sent_twice_is_never_called_complete(server: Sandbox, tmp_path: Path) -> None:
    """A look-up by key shows one patient; another may be hidden behind it. A later run does not know more."""
    rows = [bulk.PatientRow({"firstName": "A", "lastName": f"B{number}"}, f"k{number}") for number in range(12)]
    server.faults.add(Fault(FaultKind.RESET_LATE, operation="patients.create", after=4, delay=1.2))
    async with connect(server) as welkin:
        for _ in range(2):
            report = await bulk.create_patients(
                welkin,
                rows,
                key_field="external_guid",
                settle=0.2,
                final_settle=1.5,
                concurrency=2,
                journal=tmp_path / "journal",
            )
            assert len(server.store.patients) == 13
            assert (report.doubled or report.unswept, report.complete) == (1, False)


async def test_a_source_that_raises_leaves_the_report_incomplete(server: Sandbox) -> None:
    rows = rows_for(server, 20)

    def source() -> Iterator[bulk.CdtRow]:
        yield from rows[:10]
        raise ZeroDivisionError

    async with connect(server) as welkin:
        stream = bulk.stream_cdt_records(welkin, CDT, source(), **FAST)
        with pytest.raises(ZeroDivisionError):
            async with stream:
                async for _ in stream:
                    pass
    assert (stream.report.rows, stream.report.ended, stream.report.complete) == (10, False, False)


@pytest.mark.parametrize("how", ["cancel all", "close"])
async def test_rows_that_wait_when_all_ends_are_unsent(server: Sandbox, tmp_path: Path, how: str) -> None:
    """As when an import runs as a background task and the loop ends, or the session is closed while rows wait."""
    rows = rows_for(server, 60)
    journal = tmp_path / "journal"
    options: dict[str, Any] = {**FAST, "concurrency": 16, "journal": journal, "source": "s"}
    welkin = await connect(server, rate=40.0).open()
    before = asyncio.all_tasks()
    importing = asyncio.create_task(bulk.create_cdt_records(welkin, CDT, rows, **options))
    while len(server.store.cdt_records(CDT)) < 8:
        await asyncio.sleep(0.005)
    if how == "cancel all":
        for task in asyncio.all_tasks() - before:
            task.cancel()
    else:
        await welkin.aclose()
    with pytest.raises((asyncio.CancelledError, SessionError)):
        await importing
    await welkin.aclose()
    assert set(statuses_of(journal).values()) <= {"unsent", "unknown"}
    async with connect(server) as welkin:
        report = await bulk.create_cdt_records(welkin, CDT, rows, **options)
    assert report.complete
    assert keys_held(server) == keys_of(rows)


@pytest.mark.parametrize("change", ["reversed", "one removed", "one added", "shuffled in halves"])
async def test_own_keys_tell_a_journal_which_row_is_which(server: Sandbox, tmp_path: Path, change: str) -> None:
    rows = rows_for(server, 60)
    options: dict[str, Any] = {"journal": tmp_path / "journal", "source": "s", "concurrency": 4}
    server.faults.add(Fault(FaultKind.STATUS, operation="cdts.create", status=422, after=10, every=6, times=None))

    def killed() -> Iterator[bulk.CdtRow]:
        yield from rows[:40]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await outcomes_of(server, killed(), **options)
    server.faults.clear()
    added = bulk.CdtRow(rows[0].patient_id, {"medication_name": "added"}, key="added")
    changed = {
        "reversed": rows[::-1],
        "one removed": rows[1:],
        "one added": [added, *rows],
        "shuffled in halves": [*rows[30:], *rows[:30]],
    }[change]
    outcomes, stream = await outcomes_of(server, changed, **options, resume="retry")
    assert {outcome.status for outcome in outcomes} == {Status.CREATED, Status.SKIPPED}
    assert stream.report.complete
    wanted = {str(row.key) for row in [*rows, *changed]}
    assert set(keys_held(server)) >= {str(row.key) for row in changed}
    assert len(keys_held(server)) == len(set(keys_held(server)))
    assert set(keys_held(server)) <= wanted
