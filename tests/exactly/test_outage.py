"""When a server is thought down, and who tries whether it is back."""

import asyncio
from collections import Counter

import pytest

from welkin_async import ConnectError, PermissionDeniedError, ServerError
from welkin_async.bulk import CdtRow, Status, stream_cdt_records
from welkin_async.bulk.engine.circuit_breaker import CircuitBreaker, CircuitState, ServerGuard
from welkin_async.errors import RequestLine
from welkin_async.sandbox import Fault, FaultKind, Sandbox

from .helpers import connect, rows_for


def test_so_many_requests_in_a_row_without_an_answer_make_an_outage() -> None:
    breaker = CircuitBreaker(threshold=3)
    assert [breaker.silent() for _ in range(4)] == [False, False, True, False]
    assert breaker.state is CircuitState.OPEN


def test_an_answer_between_them_starts_the_count_anew() -> None:
    breaker = CircuitBreaker(threshold=2)
    breaker.silent()
    breaker.answered()
    assert not breaker.silent()
    assert breaker.state is CircuitState.CLOSED


def test_after_an_answered_read_one_row_decides() -> None:
    breaker = CircuitBreaker(threshold=1)
    states = []
    for step in (breaker.silent, breaker.try_one, breaker.silent, breaker.try_one, breaker.answered):
        step()
        states.append(breaker.state)
    assert states == [
        CircuitState.OPEN,
        CircuitState.HALF_OPEN,
        CircuitState.OPEN,
        CircuitState.HALF_OPEN,
        CircuitState.CLOSED,
    ]


class Read:
    """A read by script: True for an answer, a status for an error."""

    def __init__(self, *script: bool | int | None) -> None:
        self.script = list(script)

    async def __call__(self) -> None:
        found = self.script.pop(0)
        if found is True:
            return
        if found == 403:
            raise PermissionDeniedError("no", request=LINE, status=403)
        if found is None or found is False:
            raise ConnectError("no connection", request=LINE)
        raise ServerError("no", request=LINE, status=found)


LINE = RequestLine("GET", "/{tenant}", "formation_cdts.get")


async def test_a_server_is_down_where_a_read_goes_unanswered_too() -> None:
    outage = ServerGuard(Read(None, 500, 403, True, None), threshold=3)
    outage.answered()
    assert [await outage.down() for _ in range(5)] == [True, True, False, False, True]


async def test_where_nothing_was_ever_answered_it_is_not_the_server_that_is_down() -> None:
    outage = ServerGuard(Read(None, True, None), threshold=3)
    assert [await outage.down() for _ in range(3)] == [False, False, True]


async def test_where_rows_are_answered_it_is_the_read_that_is_not() -> None:
    outage = ServerGuard(Read(*[500] * 5), threshold=1)
    outage.answered()
    down = [await outage.down()]  # perhaps the row was answered before
    for _ in range(2):
        outage.answered()
        down.append(await outage.down())
    down.append(await outage.down())
    outage.answered()
    outage.breaker.silent()
    down.append(await outage.down())
    assert down == [True, False, False, True, True]


async def test_a_refusal_of_the_read_lets_a_row_go_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("welkin_async.bulk.engine.circuit_breaker._FIRST_PAUSE", 0.001)
    outage = ServerGuard(Read(None, 403), threshold=1)
    outage.answered()
    outage.silent()
    assert outage.held
    await outage.wait()
    assert outage.breaker.state is CircuitState.HALF_OPEN
    outage.answered()
    assert (outage.count, outage.held) == (1, False)
    await outage.aclose()


async def test_an_outage_that_is_not_over_counts_up_to_the_end() -> None:
    outage = ServerGuard(Read(*[None] * 5), threshold=1)
    outage.silent()
    await asyncio.sleep(0.01)
    await outage.aclose()
    assert outage.seconds >= 0.01


@pytest.mark.parametrize("ordered", [False, True])
async def test_a_row_that_goes_ahead_and_fails_leaves_the_others_waiting_for_the_next(ordered: bool) -> None:
    async with Sandbox() as server, connect(server) as welkin:
        rows = [CdtRow(row.patient_id, row.fields) for row in rows_for(server, 60, patients=60)]
        await welkin.patients.get(rows[0].patient_id)
        silent = Fault(FaultKind.RESET_BEFORE, "cdts.create", times=16)  # which says nothing of any patient
        server.faults.add(silent, Fault(FaultKind.STATUS, "cdts.create", status=502, times=4))
        stream = stream_cdt_records(welkin, "medication", rows, concurrency=8, ordered=ordered)
        async with asyncio.timeout(30), stream:
            outcomes = [outcome async for outcome in stream]
        counts = Counter(outcome.status for outcome in outcomes)
        assert counts == {Status.UNKNOWN: 20, Status.CREATED: 40}
