from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from welkin_async import AuthenticationError, InvalidInputError, OutcomeUnknownError, SessionError, Welkin
from welkin_async.bulk import BulkStoppedError, CdtRow, Outcome, Status, create_cdt_records, stream_cdt_records
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import CDT, Pulled, Scripted, Step, bulk_tasks, connect, held, rows, same, scripted, take


class SourceError(Exception):
    """What a source raises in these tests."""


def failing(source: list[Any], at: int) -> Iterator[Any]:
    yield from source[:at]
    raise SourceError


async def failing_later(source: list[Any], at: int) -> AsyncIterator[Any]:
    for row in source[:at]:
        await asyncio.sleep(0)
        yield row
    raise SourceError


def make_failing(source: list[Any], at: int, asynchronous: bool) -> Any:
    return failing_later(source, at) if asynchronous else failing(source, at)


sync_and_async = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
both_orders = pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])


def every(outcomes: Any, seen: list[Outcome[Any, Any]], pulled: int) -> None:
    """Each row that was pulled has exactly one outcome: delivered, or unfinished."""
    found = [*seen, *outcomes.unfinished]
    assert sorted(outcome.index for outcome in found) == list(range(pulled))
    same(outcomes.report, found)
    assert bulk_tasks() == []


@sync_and_async
@both_orders
@pytest.mark.parametrize("at", [0, 1, 3, 37])
async def test_a_source_that_raises(
    server: Sandbox, welkin: Welkin, patient: str, asynchronous: bool, ordered: bool, at: int
) -> None:
    await welkin.patients.get(patient)
    seen: list[Outcome[Any, Any]] = []
    source = make_failing(rows(patient, 50), at, asynchronous)
    with pytest.raises(SourceError):
        async with (
            asyncio.timeout(5),
            stream_cdt_records(welkin, CDT, source, concurrency=4, ordered=ordered) as outcomes,
        ):
            await take(outcomes, seen)
    # Drained, delivered, raised again as it is.
    assert [outcome.index for outcome in sorted(seen, key=lambda each: each.index)] == list(range(at))
    assert {outcome.status for outcome in seen} <= {Status.CREATED}
    assert len(held(server)) == at
    every(outcomes, seen, at)


@sync_and_async
async def test_a_source_that_raises_while_rows_wait_to_be_sent(
    server: Sandbox, patient: str, asynchronous: bool
) -> None:
    """They were pulled, so they have outcomes, and whoever iterates is given them."""
    async with connect(server, rate=20.0) as welkin:
        await welkin.patients.get(patient)
        seen: list[Outcome[Any, Any]] = []
        source = make_failing(rows(patient, 50), 6, asynchronous)
        with pytest.raises(SourceError):
            async with asyncio.timeout(5), stream_cdt_records(welkin, CDT, source, concurrency=8) as outcomes:
                await take(outcomes, seen)
        assert sorted(outcome.index for outcome in seen) == list(range(6))
        assert held(server) == {outcome.row.key for outcome in seen if outcome.status is Status.CREATED}
        every(outcomes, seen, 6)


@sync_and_async
async def test_a_source_that_raises_on_a_cold_session(server: Sandbox, patient: str, asynchronous: bool) -> None:
    async with connect(server) as welkin:
        seen: list[Outcome[Any, Any]] = []
        source = make_failing(rows(patient, 50), 3, asynchronous)
        with pytest.raises(SourceError):
            async with (
                asyncio.timeout(5),
                stream_cdt_records(welkin, CDT, source, concurrency=8, check="off") as outcomes,
            ):
                await take(outcomes, seen)
        assert sorted(outcome.index for outcome in seen) == [0, 1, 2]
        every(outcomes, seen, 3)


@sync_and_async
async def test_a_source_that_raises_under_a_fold(
    server: Sandbox, welkin: Welkin, patient: str, asynchronous: bool
) -> None:
    await welkin.patients.get(patient)
    with pytest.raises(SourceError) as caught:
        await create_cdt_records(welkin, CDT, make_failing(rows(patient, 50), 20, asynchronous), concurrency=4)
    (note,) = caught.value.__notes__
    assert "20 rows" in note
    assert "20 created" in note
    assert len(held(server)) == 20


@sync_and_async
async def test_a_source_that_is_cancelled_is_not_taken_for_its_end(asynchronous: bool) -> None:
    """A feed that awaits a task of its own which was cancelled; the rest of the rows would be lost in silence."""

    async def later() -> AsyncIterator[Step]:
        for index in range(10):
            if index == 5:
                feed = asyncio.create_task(asyncio.sleep(60))
                asyncio.get_running_loop().call_soon(feed.cancel)
                await feed
            yield Step("created")

    def now() -> Iterator[Step]:
        yield from [Step("created")] * 5
        raise asyncio.CancelledError

    seen: list[Outcome[Any, Any]] = []

    async def consume() -> None:
        async with scripted(later() if asynchronous else now(), concurrency=3) as outcomes:
            await take(outcomes, seen)

    task = asyncio.create_task(consume())
    await asyncio.wait((task,), timeout=5)
    assert task.done()
    assert len(seen) == 5
    assert task.cancelled() or task.exception() is not None, "the import ended as if the source had"


async def test_fail_fast(server: Sandbox, welkin: Welkin, patient: str) -> None:
    await welkin.patients.get(patient)
    source = Pulled([*rows(patient, 20), CdtRow(patient, {"medication_refills": "x"}), *rows(patient, 5000)[20:]])
    seen: list[Outcome[Any, Any]] = []
    with pytest.raises(BulkStoppedError) as caught:
        async with stream_cdt_records(welkin, CDT, source, concurrency=4, fail_fast=True, check="off") as outcomes:
            await take(outcomes, seen)
    assert caught.value.index == 20
    assert caught.value.error is seen[[each.index for each in seen].index(20)].error
    assert caught.value.report is outcomes.report
    assert source.count < 60
    every(outcomes, seen, source.count)
    assert len(held(server)) == outcomes.report.created
    with pytest.raises(BulkStoppedError):
        await create_cdt_records(welkin, CDT, [CdtRow(patient, {"medication_refills": "x"})], fail_fast=True)


@pytest.mark.parametrize("kind", ["refused", "rejected", "unknown", "unsent"])
@both_orders
async def test_fail_fast_at_the_first_row(kind: str, ordered: bool) -> None:
    source = Pulled([Step(kind)] * 50)
    seen: list[Outcome[Any, Any]] = []
    with pytest.raises(BulkStoppedError) as caught:
        async with asyncio.timeout(5), scripted(source, ordered=ordered, fail_fast=True) as outcomes:
            await take(outcomes, seen)
    assert caught.value.index == 0
    assert 0 in [outcome.index for outcome in seen]
    every(outcomes, seen, source.count)


async def test_leaving_early_is_no_failure() -> None:
    """Rows that were given up because the consumer left have not failed fast."""
    for kind in ("created", "unknown"):
        source = Pulled([Step("created"), *[Step(kind, before=500, out=1)] * 50])
        seen: list[Outcome[Any, Any]] = []
        async with asyncio.timeout(5), scripted(source, concurrency=4, fail_fast=True) as outcomes:
            async for outcome in outcomes:
                seen.append(outcome)
                break
        every(outcomes, seen, source.count)


class Broken(Mapping[str, Any]):
    """Fields with a bug: reading them raises."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __iter__(self) -> Iterator[str]:
        if self.where == "iter":
            raise ZeroDivisionError
        return iter(("code",))

    def __len__(self) -> int:
        return 1

    def __getitem__(self, name: str) -> Any:
        raise ZeroDivisionError


@pytest.mark.parametrize("where", ["iter", "getitem"])
@pytest.mark.parametrize("check", ["strict", "off"])
@both_orders
async def test_a_bug_in_a_mapping_stops_the_import(
    server: Sandbox, welkin: Welkin, patient: str, where: str, check: Any, ordered: bool
) -> None:
    await welkin.patients.get(patient)
    wanted = rows(patient, 400)
    wanted[30] = CdtRow(patient, Broken(where))
    source = Pulled(wanted)
    seen: list[Outcome[Any, Any]] = []
    with pytest.raises(ZeroDivisionError):
        async with (
            asyncio.timeout(5),
            stream_cdt_records(welkin, CDT, source, concurrency=4, ordered=ordered, check=check) as outcomes,
        ):
            await take(outcomes, seen)
    assert source.count < 100
    every(outcomes, seen, source.count)
    (broken,) = [each for each in [*seen, *outcomes.unfinished] if each.index == 30]
    assert (broken.status, broken.attempts) == (Status.FAILED, 0)
    assert held(server) == {each.row.key for each in seen if each.status is Status.CREATED}
    with pytest.raises(ZeroDivisionError):
        await create_cdt_records(welkin, CDT, [CdtRow(patient, Broken(where))], check=check)


async def test_rows_of_a_wrong_type(server: Sandbox, welkin: Welkin, patient: str) -> None:
    wrong: list[Any] = [None, 5, "text", {"patient_id": patient}, (patient, {}), object()]
    good = rows(patient, 20)
    async with stream_cdt_records(welkin, CDT, [*good[:10], *wrong, *good[10:]], ordered=True) as outcomes:
        seen = [outcome async for outcome in outcomes]
    bad = seen[10:16]
    assert {outcome.status for outcome in bad} == {Status.FAILED}
    assert all(isinstance(outcome.error, InvalidInputError) for outcome in bad)
    assert [outcome.row for outcome in bad] == wrong
    assert outcomes.report.created == len(held(server)) == 20


@pytest.mark.parametrize("fields", [None, ["a"], "text", 5, {1: "x"}, {"code": b"x"}], ids=repr)
@pytest.mark.parametrize("check", ["strict", "off"])
async def test_fields_that_cannot_be_sent_fail_their_row_alone(
    server: Sandbox, welkin: Welkin, patient: str, fields: Any, check: Any
) -> None:
    wanted = [CdtRow(patient, {"code": "a"}), CdtRow(patient, fields), CdtRow(patient, {"code": "b"})]
    async with stream_cdt_records(welkin, CDT, wanted, ordered=True, check=check) as outcomes:
        seen = [outcome async for outcome in outcomes]
    assert [outcome.status for outcome in seen] == [Status.CREATED, Status.FAILED, Status.CREATED]
    assert isinstance(seen[1].error, InvalidInputError)
    assert server.stats.operations["cdts.create"] == 2


async def leave(how: str, outcomes: Any, seen: list[Outcome[Any, Any]]) -> None:
    async for outcome in outcomes:
        seen.append(outcome)
        if len(seen) == 10:
            if how == "raise":
                raise SourceError
            return


@both_orders
@pytest.mark.parametrize("how", ["return", "raise"])
async def test_a_consumer_that_leaves_early(
    server: Sandbox, welkin: Welkin, patient: str, how: str, ordered: bool
) -> None:
    await welkin.patients.get(patient)
    server.latency = 0.01
    source = Pulled(rows(patient, 5000))
    seen: list[Outcome[Any, Any]] = []
    caught: BaseException | None = None
    try:
        async with stream_cdt_records(welkin, CDT, source, concurrency=8, ordered=ordered) as outcomes:
            await leave(how, outcomes, seen)
    except BaseException as error:
        caught = error
    assert type(caught) is (SourceError if how == "raise" else type(None))
    assert caught is None or (caught.__cause__, caught.__context__) == (None, None)
    assert source.count < 200
    every(outcomes, seen, source.count)
    # What was on the wire was waited for.
    assert {outcome.status for outcome in outcomes.unfinished} <= {Status.CREATED, Status.FAILED}
    assert outcomes.report.created == len(held(server))
    assert outcomes.report.seconds > 0
    assert len(outcomes.unfinished) <= (8 * 8 if ordered else 2 * 8)


async def test_leaving_a_function_from_within(server: Sandbox, welkin: Welkin, patient: str) -> None:
    async def first() -> tuple[Outcome[CdtRow, Any], Any]:
        async with stream_cdt_records(welkin, CDT, rows(patient, 200), concurrency=4) as outcomes:
            async for outcome in outcomes:
                return outcome, outcomes
        raise AssertionError

    outcome, outcomes = await first()
    assert outcome.status is Status.CREATED
    assert outcomes.report.created == len(held(server)) == 1 + len(outcomes.unfinished)


async def test_a_group_of_the_bodys_own_stays_as_it_is(welkin: Welkin, patient: str) -> None:
    group = ExceptionGroup("own", [SourceError()])
    with pytest.raises(ExceptionGroup) as caught:
        async with stream_cdt_records(welkin, CDT, rows(patient, 50)) as outcomes:
            async for _ in outcomes:
                raise group
    assert caught.value is group


async def test_leaving_waits_for_one_attempt_at_most(server: Sandbox, patient: str) -> None:
    """A create whose answer never comes is unknown when its attempt times out, and not sent again."""
    async with connect(server, timeout=0.2) as welkin:
        await welkin.patients.get(patient)
        server.faults.add(Fault(FaultKind.STALL_AFTER, "cdts.create", delay=10.0, times=4, after=1))
        seen: list[Outcome[Any, Any]] = []
        started = asyncio.get_running_loop().time()
        async with stream_cdt_records(welkin, CDT, rows(patient, 100), concurrency=4) as outcomes:
            async for outcome in outcomes:
                seen.append(outcome)
                break
        assert asyncio.get_running_loop().time() - started < 5.0
        statuses = [outcome.status for outcome in outcomes.unfinished]
        assert statuses.count(Status.UNKNOWN) >= 3
        assert server.stats.operations["cdts.create"] + server.stats.in_flight <= 8
        every(outcomes, seen, outcomes.report.rows)


@pytest.mark.timing
async def test_cancelled_from_outside(server: Sandbox, welkin: Welkin, patient: str) -> None:
    await welkin.patients.get(patient)
    server.latency = 0.5
    source = Pulled(rows(patient, 500))
    streams: list[Any] = []
    seen: list[Outcome[Any, Any]] = []

    async def consume() -> None:
        async with stream_cdt_records(welkin, CDT, source, concurrency=6, check="off") as outcomes:
            streams.append(outcomes)
            await take(outcomes, seen)

    task = asyncio.create_task(consume())
    while len(seen) < 6 or server.stats.in_flight < 6:
        await asyncio.sleep(0.005)
    task.cancel()
    started = asyncio.get_running_loop().time()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.get_running_loop().time() - started < 0.3
    (outcomes,) = streams
    every(outcomes, seen, source.count)
    unknown = [outcome for outcome in outcomes.unfinished if outcome.status is Status.UNKNOWN]
    assert len(unknown) >= 6
    assert all(isinstance(outcome.error, OutcomeUnknownError) for outcome in unknown)
    await asyncio.sleep(0.7)
    assert held(server) == {outcome.row.key for outcome in [*seen, *unknown]}


async def test_cancelled_while_rows_wait_to_be_sent(server: Sandbox, patient: str) -> None:
    async with connect(server, rate=10.0) as welkin:
        await welkin.patients.get(patient)
        seen: list[Outcome[Any, Any]] = []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.25):
                async with stream_cdt_records(welkin, CDT, rows(patient, 100), concurrency=10, check="off") as outcomes:
                    await take(outcomes, seen)
        statuses = [outcome.status for outcome in outcomes.unfinished]
        # An outcome whose answer came as the time ran out was not taken any more; it keeps what the server said.
        assert set(statuses) <= {Status.CREATED, Status.FAILED, Status.UNKNOWN}
        assert statuses.count(Status.FAILED) >= 8
        assert all(outcome.attempts == 0 for outcome in outcomes.unfinished if outcome.status is Status.FAILED)
        every(outcomes, seen, outcomes.report.rows)
        created = len(seen) + statuses.count(Status.CREATED)
        assert created <= len(held(server)) <= created + statuses.count(Status.UNKNOWN)


async def test_cancelled_while_leaving() -> None:
    """A second cancellation, or one that comes while the import drains, leaves no task and no row behind."""
    action = Scripted()
    source = Pulled([Step("created"), *[Step("created", out=10**6)] * 50])
    seen: list[Outcome[Any, Any]] = []
    streams: list[Any] = []

    async def consume() -> None:
        async with scripted(source, concurrency=4, action=action) as outcomes:
            streams.append(outcomes)
            async for outcome in outcomes:
                seen.append(outcome)
                break

    task = asyncio.create_task(consume())
    while not seen:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    every(streams[0], seen, source.count)
    assert action.out == 0
    assert {outcome.status for outcome in streams[0].unfinished} == {Status.UNKNOWN}


async def test_a_fold_that_is_cancelled(server: Sandbox, welkin: Welkin, patient: str) -> None:
    await welkin.patients.get(patient)
    server.latency = 0.05
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.12):
            await create_cdt_records(welkin, CDT, rows(patient, 1000), concurrency=5, check="off")
    assert bulk_tasks() == []
    assert welkin.transport.limiter.in_flight == 0
    await asyncio.sleep(0.06)
    assert server.stats.operations["cdts.create"] <= 15


@both_orders
async def test_a_session_that_is_closed_in_the_middle(server: Sandbox, patient: str, ordered: bool) -> None:
    welkin = await connect(server).open()
    await welkin.patients.get(patient)
    server.latency = 0.03
    source = Pulled(rows(patient, 1000))
    seen: list[Outcome[Any, Any]] = []
    with pytest.raises(SessionError, match="closed"):
        async with (
            asyncio.timeout(5),
            stream_cdt_records(welkin, CDT, source, concurrency=6, ordered=ordered, check="off") as outcomes,
        ):
            async for outcome in outcomes:
                seen.append(outcome)
                if len(seen) == 12:
                    await welkin.aclose()
    every(outcomes, seen, source.count)
    await asyncio.sleep(0.05)
    known = {each.row.key for each in [*seen, *outcomes.unfinished] if each.status is Status.CREATED}
    unknown = {each.row.key for each in [*seen, *outcomes.unfinished] if each.status is Status.UNKNOWN}
    assert known <= held(server) <= known | unknown
    assert server.store.duplicates(CDT) == {}


async def test_a_session_that_is_closed_while_all_rows_wait_at_the_gate(server: Sandbox, patient: str) -> None:
    welkin = await connect(server).open()
    await welkin.patients.get(patient)
    server.faults.add(Fault(FaultKind.STATUS, "cdts.create", status=429, retry_after=60, times=None))
    importing = asyncio.create_task(create_cdt_records(welkin, CDT, rows(patient, 100), concurrency=4, check="off"))
    while not welkin.stats.paused_for:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    await welkin.aclose()
    try:
        with pytest.raises(SessionError):
            async with asyncio.timeout(1):
                await importing
    finally:
        importing.cancel()
        await asyncio.gather(importing, return_exceptions=True)
    assert held(server) == set()


async def test_refused_tokens_stop_a_stream(server: Sandbox, welkin: Welkin, patient: str) -> None:
    server.refuse_tokens = True
    source = Pulled(rows(patient, 5000))
    seen: list[Outcome[Any, Any]] = []
    with pytest.raises(AuthenticationError):
        async with (
            asyncio.timeout(5),
            stream_cdt_records(welkin, CDT, source, concurrency=4, check="off") as outcomes,
        ):
            await take(outcomes, seen)
    assert source.count <= 8
    assert {outcome.status for outcome in seen} == {Status.FAILED}
    every(outcomes, seen, source.count)
    assert server.stats.token_requests == 1


@both_orders
async def test_a_comparison_that_fails_loses_no_row(ordered: bool) -> None:
    """The row it was about is on the server; the caller must hear of it all the same."""

    def fails(row: Step) -> tuple[str, ...]:
        if row.out == 7:
            raise SourceError
        return ()

    source = Pulled([Step("created", out=7 if index == 20 else 1) for index in range(500)])
    seen: list[Outcome[Any, Any]] = []
    with pytest.raises(SourceError):
        async with asyncio.timeout(5), scripted(source, ordered=ordered, action=Scripted(fails)) as outcomes:
            await take(outcomes, seen)
    every(outcomes, seen, source.count)
    (about,) = [each for each in [*seen, *outcomes.unfinished] if each.index == 20]
    assert about.status in (Status.CREATED, Status.UNKNOWN)


@both_orders
async def test_a_callback_that_fails_loses_no_row(ordered: bool) -> None:
    calls = 0

    def fails(_: object) -> None:
        nonlocal calls
        calls += 1
        raise SourceError

    source = Pulled([Step("created", out=1)] * 100_000)
    seen: list[Outcome[Any, Any]] = []
    with pytest.raises(SourceError):
        async with asyncio.timeout(10), scripted(source, ordered=ordered, on_progress=fails) as outcomes:
            await take(outcomes, seen)
    assert calls
    every(outcomes, seen, source.count)


async def test_a_callback_that_fails_at_the_end_is_heard() -> None:
    def fails(_: object) -> None:
        raise SourceError

    lost: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    seen: list[Outcome[Any, Any]] = []
    with pytest.raises(SourceError):
        async with asyncio.timeout(5), scripted([Step("created")] * 5, on_progress=fails) as outcomes:
            await take(outcomes, seen)
    every(outcomes, seen, 5)
    assert lost == []
