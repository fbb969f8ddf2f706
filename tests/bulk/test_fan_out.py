from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest

from welkin_async import InvalidInputError, SessionError, Welkin
from welkin_async.bulk import CdtRow, Outcome, Progress, Status, create_cdt_records, stream_cdt_records
from welkin_async.errors import BadRequestError, NotFoundError
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, Pulled, Scripted, Step, connect, held, rows, same, scripted


@pytest.mark.parametrize("kind", ["list", "generator", "iterator", "async generator", "tuple"])
async def test_any_source(server: Sandbox, welkin: Welkin, patient: str, kind: str) -> None:
    wanted = rows(patient, 50)
    sources: dict[str, Any] = {
        "list": wanted,
        "tuple": tuple(wanted),
        "generator": (row for row in wanted),
        "iterator": iter(wanted),
        "async generator": Pulled(wanted).later(),
    }
    report = await create_cdt_records(welkin, CDT, sources[kind], concurrency=8)
    assert (report.created, report.rows, report.attempts, report.retried) == (50, 50, 50, 0)
    assert report.complete
    assert report.seconds > 0
    assert held(server) == {row.key for row in wanted}
    assert server.store.duplicates(CDT) == {}


@pytest.mark.parametrize("watched", [False, True])
async def test_counts_alone_are_those_of_the_outcomes(
    server: Sandbox, welkin: Welkin, patient: str, watched: bool
) -> None:
    """Rows created as they were sent, after a refusal, with a field the server drops, and not at all."""
    seen: list[Progress] = []
    options: dict[str, Any] = {"concurrency": 1, "check": "off", **({"on_progress": seen.append} if watched else {})}
    fields: list[dict[str, Any]] = [{"code": "x"}, {"code": "y"}, {"no_such_field": "z"}, {"medication_refills": "x"}]
    given = [CdtRow(patient, each) for each in fields]
    counts = []
    for alone in (True, False):
        server.faults.add(Fault(FaultKind.STATUS, "cdts.create", status=429, retry_after=0))
        if alone:
            report = await create_cdt_records(welkin, CDT, given, **options)
        else:
            async with stream_cdt_records(welkin, CDT, given, **options) as outcomes:
                assert len([outcome async for outcome in outcomes]) == 4
            report = outcomes.report
        assert server.faults.unmet() == []
        counts.append((report.created, report.altered, report.rejected, report.attempts, report.retried))
    assert counts[0] == counts[1] == (3, 1, 1, 5, 1)
    assert not watched or (seen[-1].created, seen[-1].attempts) == (3, 5)


async def nothing() -> AsyncIterator[CdtRow]:
    for row in rows("", 0):
        yield row


@pytest.mark.parametrize("source", [[], iter(()), nothing()], ids=["list", "iterator", "async"])
async def test_an_empty_source(server: Sandbox, welkin: Welkin, source: Any) -> None:
    async with stream_cdt_records(welkin, CDT, source) as outcomes:
        assert [outcome async for outcome in outcomes] == []
    assert (outcomes.report.rows, outcomes.unfinished) == (0, [])
    assert outcomes.report.complete
    assert server.stats.operations["cdts.create"] == 0


async def test_an_empty_source_for_counts(welkin: Welkin) -> None:
    report = await create_cdt_records(welkin, CDT, [])
    assert (report.rows, report.attempts) == (0, 0)


@pytest.mark.parametrize("source", [5, None, CdtRow("p", {})], ids=repr)
async def test_what_is_no_source_is_refused(server: Sandbox, welkin: Welkin, source: Any) -> None:
    with pytest.raises(InvalidInputError, match="rows"):
        await create_cdt_records(welkin, CDT, source)
    with pytest.raises(InvalidInputError, match="rows"):
        stream_cdt_records(welkin, CDT, source)
    with pytest.raises(InvalidInputError, match="concurrency"):
        stream_cdt_records(welkin, CDT, [], concurrency=0)


async def test_unordered_and_ordered(server: Sandbox, welkin: Welkin, patient: str) -> None:
    wanted = rows(patient, 60)
    for ordered in (False, True):
        server.faults.add(Fault(FaultKind.STALL_BEFORE, "cdts.create", delay=0.15))
        async with stream_cdt_records(welkin, CDT, wanted, concurrency=6, ordered=ordered) as outcomes:
            indexes = [outcome.index async for outcome in outcomes]
        assert sorted(indexes) == list(range(60))
        assert (indexes == list(range(60))) is ordered
        assert server.faults.unmet() == []


async def test_the_fields_of_an_outcome(server: Sandbox, welkin: Welkin, patient: str) -> None:
    good, wrong, nobody = (
        CdtRow(patient, {"code": "x"}, "a"),
        CdtRow(patient, {"medication_refills": "x"}, "b"),
        CdtRow("n", {}),
    )
    server.faults.add(Fault(FaultKind.STATUS, "cdts.create", status=429, retry_after=0))
    async with stream_cdt_records(
        welkin, CDT, [good, wrong, nobody, CdtRow("..", {}), CdtRow(patient, {"code": {1}})],
        concurrency=1, ordered=True, check="off",
    ) as outcomes:  # fmt: skip
        found = [outcome async for outcome in outcomes]
    first, second, third, fourth, fifth = found
    assert (first.index, first.row, first.status, first.error, first.attempts) == (0, good, Status.CREATED, None, 2)
    assert first.record is not None
    assert (first.record["code"], first.row.key) == ("x", "a")
    assert (second.status, second.record, second.attempts, second.row.key) == (Status.REJECTED, None, 1, "b")
    assert isinstance(second.error, BadRequestError)
    assert (third.status, type(third.error)) == (Status.REJECTED, NotFoundError)
    assert [each.status for each in (fourth, fifth)] == [Status.FAILED] * 2
    assert [each.attempts for each in (fourth, fifth)] == [0, 0]
    assert isinstance(fourth.error, InvalidInputError)
    assert isinstance(fifth.error, InvalidInputError)
    assert fifth.error.path == ("code",)
    assert repr(first) == "<Outcome of row 0: created>"
    same(outcomes.report, found)
    assert (outcomes.report.retried, outcomes.report.complete) == (1, False)
    assert server.faults.unmet() == []


@pytest.mark.parametrize("concurrency", [1, 7, 40])
async def test_concurrency_is_reached_and_never_exceeded(
    server: Sandbox, welkin: Welkin, patient: str, concurrency: int
) -> None:
    await welkin.patients.get(patient)
    server.latency = 0.15  # longer than a busy machine takes to send as many
    server.stats.reset()
    report = await create_cdt_records(welkin, CDT, rows(patient, 4 * concurrency), concurrency=concurrency)
    assert report.created == 4 * concurrency
    assert server.stats.peak == concurrency


async def test_a_slow_consumer_stops_the_pulling(welkin: Welkin, patient: str) -> None:
    source = Pulled(rows(patient, 500))
    concurrency = 5
    async with stream_cdt_records(welkin, CDT, source, concurrency=concurrency) as outcomes:
        taken = 0
        async for _ in outcomes:
            taken += 1
            if taken in (1, 100, 200):
                await asyncio.sleep(0.1)
                # What lies ready, and one row that each worker holds.
                assert source.count - taken <= 2 * concurrency
    assert taken == source.count == 500


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_back_pressure(asynchronous: bool) -> None:
    source = Pulled([Step("created") for _ in range(400)])
    most = 0
    stream = scripted(source.later() if asynchronous else source, concurrency=4)
    async with stream as outcomes:
        taken = 0
        async for _ in outcomes:
            taken += 1
            for _ in range(20):
                await asyncio.sleep(0)
            most = max(most, source.count - taken)
    assert 4 <= most <= 8


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_ordered_outcomes_run_ahead_by_a_window(asynchronous: bool) -> None:
    steps = [Step("created", out=3000 if index == 10 else 1) for index in range(400)]
    source = Pulled(steps)
    async with scripted(source.later() if asynchronous else source, concurrency=4, ordered=True) as outcomes:
        indexes, most = [], 0
        async for outcome in outcomes:
            indexes.append(outcome.index)
            most = max(most, source.count - len(indexes))
    assert indexes == list(range(400))
    # It did run ahead of the slow row, up to the window and no further.
    assert 8 * 4 - 4 <= most <= 8 * 4


async def test_no_request_is_begun_while_nobody_listens() -> None:
    action = Scripted()
    async with scripted([Step("created") for _ in range(100)], concurrency=3, action=action) as outcomes:
        await asyncio.sleep(0.02)
        assert action.sent <= 6
        async for _ in outcomes:
            pass
    assert (action.landed, action.peak) == (100, 3)


async def test_progress(server: Sandbox, welkin: Welkin, patient: str) -> None:
    server.latency = 0.05
    snapshots: list[Progress] = []
    wanted = [*rows(patient, 118), CdtRow("..", {}), CdtRow("nobody", {})]
    report = await create_cdt_records(welkin, CDT, wanted, concurrency=8, on_progress=snapshots.append)
    last = snapshots[-1]
    assert len(snapshots) >= 3
    assert [(each.total, each.rows) for each in snapshots] == [(120, each.rows) for each in snapshots]
    for name in ("created", "rejected", "failed", "unknown", "attempts", "retried", "seconds", "rows"):
        values = [getattr(each, name) for each in snapshots]
        assert values == sorted(values)
        assert getattr(last, name) == getattr(report, name)
    assert (last.created, last.rejected, last.failed, last.rows) == (118, 1, 1, 120)
    assert sum(1 for each in snapshots if each.rows == 120) <= 2


async def test_progress_of_a_stream_and_of_a_source_that_cannot_say(welkin: Welkin, patient: str) -> None:
    snapshots: list[Progress] = []
    async with stream_cdt_records(welkin, CDT, iter(rows(patient, 10)), on_progress=snapshots.append) as outcomes:
        assert len([outcome async for outcome in outcomes]) == 10
    assert {each.total for each in snapshots} == {None}
    assert snapshots[-1].created == 10
    snapshots.clear()
    async with stream_cdt_records(welkin, CDT, iter(rows(patient, 10)), on_progress=snapshots.append) as outcomes:
        async for _ in outcomes:
            break
    assert snapshots[-1].rows == outcomes.report.rows


async def test_a_session_that_is_not_open(server: Sandbox, patient: str) -> None:
    pulled = Pulled(rows(patient, 3))
    with pytest.raises(SessionError, match="not open"):
        await create_cdt_records(connect(server), CDT, pulled)
    with pytest.raises(SessionError, match="not open"):
        stream_cdt_records(connect(server), CDT, pulled)
    assert pulled.count == 0


async def test_a_stream_is_to_be_entered(welkin: Welkin, patient: str) -> None:
    outcomes = stream_cdt_records(welkin, CDT, rows(patient, 3))
    with pytest.raises(RuntimeError, match="async with"):
        async for _ in outcomes:
            pass


async def test_several_patients_and_odd_ids(server: Sandbox, welkin: Welkin) -> None:
    ids = server.store.add_patients(3)
    wanted: list[CdtRow] = []
    for index in range(90):
        patient: Any = ids[index % 3] if index % 2 else UUID(ids[index % 3])
        wanted.append(CdtRow(patient, {"external_id": str(index)}))
    report = await create_cdt_records(welkin, CDT, wanted, concurrency=9)
    assert report.created == 90
    assert server.store.cdt_counts(CDT) == dict.fromkeys(ids, 30)


async def test_two_imports_at_once(server: Sandbox, welkin: Welkin, patient: str) -> None:
    one, two = rows(patient, 100), [CdtRow(patient, {"external_id": f"f{index}"}) for index in range(100)]
    reports = await asyncio.gather(create_cdt_records(welkin, CDT, one), create_cdt_records(welkin, CDT, two))
    assert [report.created for report in reports] == [100, 100]
    assert len(held(server)) == 200


async def test_iterating_on_after_leaving_ends(welkin: Welkin, patient: str) -> None:
    async with stream_cdt_records(welkin, CDT, rows(patient, 30), concurrency=2) as outcomes:
        async for _ in outcomes:
            break
    async with asyncio.timeout(1):
        assert [outcome async for outcome in outcomes] == []
    async with stream_cdt_records(welkin, CDT, rows(patient, 30), concurrency=2) as outcomes:
        pass
    async with asyncio.timeout(1):
        assert [outcome async for outcome in outcomes] == []


async def test_waiting_for_an_outcome_with_a_timeout_loses_none() -> None:
    seen: list[Outcome[Step, Any]] = []
    async with scripted([Step("created", out=40) for _ in range(30)], concurrency=3) as outcomes:
        iterator = aiter(outcomes)
        while True:
            try:
                async with asyncio.timeout(0.0005):
                    seen.append(await anext(iterator))
            except TimeoutError:
                continue
            except StopAsyncIteration:
                break
    assert sorted(outcome.index for outcome in seen) == list(range(30))


async def test_a_source_is_pulled_by_one_at_a_time() -> None:
    busy = False

    async def source() -> AsyncIterator[Step]:
        nonlocal busy
        for _ in range(50):
            assert not busy
            busy = True
            await asyncio.sleep(0)
            busy = False
            yield Step("created")

    async with scripted(source(), concurrency=8, ordered=True) as outcomes:
        assert [outcome.index async for outcome in outcomes] == list(range(50))


def endless() -> Iterator[Step]:
    while True:
        yield Step("refused")


async def test_rows_that_are_never_sent_do_not_keep_the_loop_from_everything_else() -> None:
    """Nothing in such an import waits for the network; a caller's timeout must still end it."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), scripted(endless(), concurrency=3) as outcomes:
            async for _ in outcomes:
                pass
    assert outcomes.report.failed > 10
