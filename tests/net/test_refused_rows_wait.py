"""Rows that the server refuses wait by themselves; one bad row, or one bad patient, holds nobody up."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from welkin_async import NotSentError, OutcomeUnknownError, RateLimitedError
from welkin_async.bulk import CdtChange, CdtRow, Outcome, Progress, Status, stream_cdt_records, stream_cdt_updates
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import RawServer, Reaction, Seen, connect, http, record

pytestmark = pytest.mark.timing

CDT = "medication"
PATIENTS = 20


def rows(patient: str, count: int) -> list[CdtRow]:
    return [CdtRow(patient, {"external_id": f"e{index}"}) for index in range(count)]


def patients_rows(count: int) -> list[CdtRow]:
    return [CdtRow(f"p{index % PATIENTS}", {"external_id": f"e{index}"}) for index in range(count)]


def refusing(refuse: Callable[[str, str], bytes | None]) -> Callable[[Seen], Reaction]:
    """A server that refuses creates by their patient and their body."""

    def behave(seen: Seen) -> Reaction:
        if seen.method == "GET":
            return record()
        patient = seen.target.split("/patients/")[1].split("/")[0]
        return refuse(patient, seen.body.decode()) or record()

    return behave


async def timed(
    server: RawServer, given: list[CdtRow], bad: Callable[[CdtRow], bool], **options: Any
) -> tuple[float, list[Outcome[Any, Any]]]:
    """Import, and return when the last of the good rows was done, and the outcomes of the bad ones."""
    started, last, outcomes = time.monotonic(), 0.0, []
    settings: dict[str, Any] = {"concurrency": 16, "check": "off", **options}
    async with (
        connect(server) as welkin,
        stream_cdt_records(welkin, CDT, given, **settings) as stream,
    ):
        async for outcome in stream:
            if bad(outcome.row):
                outcomes.append(outcome)
            else:
                assert outcome.status is Status.CREATED
                last = time.monotonic() - started
    return last, outcomes


async def undisturbed(count: int) -> float:
    async with RawServer(refusing(lambda *_: None)) as server:
        return (await timed(server, patients_rows(count), lambda row: False))[0]


@pytest.mark.parametrize("retry_after", [None, "0"])
async def test_a_row_that_is_always_refused_holds_nobody_up_and_is_given_up(retry_after: str | None) -> None:
    headers = {} if retry_after is None else {"Retry_After": retry_after}
    usual = await undisturbed(2000)  # longer than the row's patience
    async with RawServer(refusing(lambda _, body: http(429, **headers) if '"e3"' in body else None)) as server:
        seconds, (bad,) = await timed(
            server, patients_rows(2000), lambda row: row.fields["external_id"] == "e3", row_patience=0.3
        )
        assert seconds <= 1.2 * usual + 2.0
        assert bad.status is Status.FAILED
        assert isinstance(bad.error, RateLimitedError)
        assert bad.error.safe_to_repeat
        assert "while it accepted other rows" in str(bad.error)
        assert 3 <= bad.attempts <= 20
        assert len(server.seen) - 2000 + 1 <= bad.attempts + 1  # the read before the first row


@pytest.mark.parametrize("block", [False, True])
@pytest.mark.parametrize("status", [429, 503, 500])
async def test_a_patient_whose_rows_are_refused_holds_nobody_elses_up(status: int, block: bool) -> None:
    """Whether its rows are spread among the others', or come one after the other."""
    usual, given = await undisturbed(2000), patients_rows(2000)
    if block:
        given.sort(key=lambda row: row.patient_id)
    async with RawServer(refusing(lambda patient, _: http(status) if patient == "p7" else None)) as server:
        seconds, bad = await timed(server, given, lambda row: row.patient_id == "p7", row_patience=1.0)
        assert seconds <= 1.2 * usual + 2.0
        assert len(bad) == 100
        found = Counter(str(outcome.status) for outcome in bad)
        sent = sum(outcome.attempts for outcome in bad)
        if status == 429:
            assert found == {"failed": 100}
        else:  # what was sent may have been carried out; what was held back was not
            assert found["failed"] + found["unknown"] == 100
            assert found["unknown"] <= sent
            assert found["failed"] >= 60
            held_back = next(outcome for outcome in bad if outcome.status is Status.FAILED)
            assert isinstance(held_back.error, NotSentError)
            assert "patient" in str(held_back.error)
        assert sent <= (60 if block else 40)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_patient_that_is_refused_says_nothing_about_the_rate(status: int) -> None:
    """Also where nobody else's rows are out when its trial rows are refused: there is no room for more of its rows."""
    given = patients_rows(2000)
    options: dict[str, Any] = {"concurrency": 4, "check": "off", "row_patience": 2.0}
    async with (
        RawServer(refusing(lambda patient, _: http(status) if patient == "p7" else None)) as server,
        connect(server) as welkin,
        stream_cdt_records(welkin, CDT, given, **options) as stream,
    ):
        good = 0
        async for outcome in stream:
            good += outcome.status is Status.CREATED
            assert (welkin.stats.pace, welkin.stats.paused_for) == (None, 0.0)
        assert good == 1900


@pytest.mark.parametrize(("status", "refused"), [(429, ("p7",)), (429, ("p7", "p8")), (503, ("p7",))])
async def test_where_rows_go_one_by_one_a_refused_patient_costs_its_patience_once(
    status: int, refused: tuple[str, ...]
) -> None:
    """All others are done long before; each of its rows in turn would take as long as the first."""
    given = [row for row in patients_rows(600) if row.patient_id in refused] + patients_rows(60)[20:]
    async with (
        asyncio.timeout(15.0),
        RawServer(refusing(lambda patient, _: http(status) if patient in refused else None)) as server,
    ):
        _, bad = await timed(
            server, given, lambda row: row.patient_id in refused, row_patience=1.0, ordered_by="patient"
        )
    assert len(bad) == 32 * len(refused)
    assert sum(outcome.attempts for outcome in bad) <= 30
    assert {outcome.status for outcome in bad if not outcome.attempts} == {Status.FAILED}


async def test_rows_that_are_all_that_is_left_end_where_nobody_is_accepted_any_more() -> None:
    given = [row for row in patients_rows(400) if row.patient_id in ("p1", "p2", "p3")]
    async with RawServer(refusing(lambda *_: http(429))) as server:
        _, bad = await timed(server, given, lambda _: True, row_patience=1.0)
        assert len(bad) == 60
        for outcome in bad:
            assert outcome.status is Status.FAILED
            assert isinstance(outcome.error, RateLimitedError if outcome.attempts else NotSentError)
            assert "accepted none" in str(outcome.error)
        assert len(server.seen) <= 60


async def test_a_refused_row_waits_while_its_worker_goes_on(server: Sandbox, patient: str) -> None:
    server.faults.add(Fault(FaultKind.STATUS, "cdts.create", status=429, retry_after=1))
    seen: list[Progress] = []
    async with (
        connect(server) as welkin,
        stream_cdt_records(welkin, CDT, rows(patient, 100), concurrency=1, on_progress=seen.append) as stream,
    ):
        indexes = [outcome.index async for outcome in stream]
    assert indexes == [*range(1, 100), 0]
    assert max(each.set_aside for each in seen) == 1
    assert seen[-1].set_aside == 0
    assert stream.report.set_aside == seen[-1].reasons == {"429": 1}
    assert stream.report.share_refused == pytest.approx(1 / 102, abs=0.002)
    assert stream.report.slots >= 10
    assert (stream.report.created, stream.report.retried) == (100, 1)


async def test_outcomes_in_order_wait_for_a_row_that_was_set_aside(server: Sandbox, patient: str) -> None:
    server.faults.add(Fault(FaultKind.STATUS, "cdts.create", status=429, retry_after=1, after=3))
    async with (
        connect(server) as welkin,
        stream_cdt_records(welkin, CDT, rows(patient, 200), concurrency=2, ordered=True) as stream,
    ):
        assert [outcome.index async for outcome in stream] == list(range(200))


async def test_an_asynchronous_source_that_brings_nothing_keeps_no_row_waiting(server: Sandbox, patient: str) -> None:
    server.faults.add(Fault(FaultKind.STATUS, "cdts.create", status=429, retry_after=1))
    done = asyncio.Event()

    async def slow() -> Any:
        yield rows(patient, 1)[0]
        await done.wait()

    async with connect(server) as welkin, stream_cdt_records(welkin, CDT, slow(), concurrency=1) as stream:
        async with asyncio.timeout(5):
            outcome = await anext(aiter(stream))
        done.set()
        assert (outcome.status, outcome.attempts) == (Status.CREATED, 2)


async def test_rows_that_are_set_aside_when_a_run_is_left_are_not_sent(server: Sandbox, patient: str) -> None:
    server.faults.add(Fault(FaultKind.STATUS, "cdts.create", status=429, retry_after=60))
    async with (
        connect(server) as welkin,
        stream_cdt_records(welkin, CDT, rows(patient, 20), concurrency=1) as stream,
    ):
        async for outcome in stream:
            if outcome.index == 19:
                break
    (left,) = stream.unfinished
    assert (left.index, left.status, left.attempts) == (0, Status.FAILED, 1)
    assert isinstance(left.error, NotSentError)


async def test_a_change_that_meets_503_again_and_again_is_unknown_in_the_end() -> None:
    def behave(seen: Seen) -> Reaction:
        return http(503, Retry_After="0.01") if seen.method != "GET" and "/bad" in seen.target else record()

    changes = [CdtChange("p", f"r{index}" if index else "bad", {"a": "b"}) for index in range(400)]
    async with (
        RawServer(behave) as server,
        connect(server) as welkin,
        stream_cdt_updates(welkin, CDT, changes, concurrency=4, check="off") as stream,
    ):
        outcomes = {outcome.index: outcome async for outcome in stream}
    assert {outcome.status for index, outcome in outcomes.items() if index} == {Status.UPDATED}
    assert outcomes[0].status is Status.UNKNOWN
    assert isinstance(outcomes[0].error, OutcomeUnknownError)
    assert outcomes[0].attempts == 20


async def test_a_row_that_only_waited_out_a_pause_is_not_given_up_at_its_first_refusal(
    server: Sandbox, patient: str
) -> None:
    server.faults.add(Fault(FaultKind.STATUS, "cdts.create", status=429, retry_after=1, times=8, after=10))
    async with connect(server) as welkin, stream_cdt_records(welkin, CDT, rows(patient, 40), concurrency=4) as stream:
        assert {outcome.status async for outcome in stream} == {Status.CREATED}
    assert stream.report.set_aside["pause"] > 0
