"""When a server is thought down, and who tries whether it is back."""

import asyncio

import pytest

from welkin_async import ConnectError, PermissionDeniedError, ServerError
from welkin_async.bulk.outage import Breaker, Outage, State
from welkin_async.errors import RequestLine


def test_so_many_requests_in_a_row_without_an_answer_make_an_outage() -> None:
    breaker = Breaker(threshold=3)
    assert [breaker.silent() for _ in range(4)] == [False, False, True, False]
    assert breaker.state is State.DOWN


def test_an_answer_between_them_starts_the_count_anew() -> None:
    breaker = Breaker(threshold=2)
    breaker.silent()
    breaker.answered()
    assert not breaker.silent()
    assert breaker.state is State.UP


def test_after_an_answered_read_one_row_decides() -> None:
    breaker = Breaker(threshold=1)
    states = []
    for step in (breaker.silent, breaker.try_one, breaker.silent, breaker.try_one, breaker.answered):
        step()
        states.append(breaker.state)
    assert states == [State.DOWN, State.TRIAL, State.DOWN, State.TRIAL, State.UP]


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
    outage = Outage(Read(None, 500, 403, True, None), threshold=3)
    outage.answered()
    assert [await outage.down() for _ in range(5)] == [True, True, False, False, True]


async def test_where_nothing_was_ever_answered_it_is_not_the_server_that_is_down() -> None:
    outage = Outage(Read(None, True, None), threshold=3)
    assert [await outage.down() for _ in range(3)] == [False, False, True]


async def test_where_rows_are_answered_it_is_the_read_that_is_not() -> None:
    outage = Outage(Read(*[500] * 5), threshold=1)
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
    monkeypatch.setattr("welkin_async.bulk.outage._FIRST_PAUSE", 0.001)
    outage = Outage(Read(None, 403), threshold=1)
    outage.answered()
    outage.silent()
    assert outage.held
    await outage.wait()
    assert outage.breaker.state is State.TRIAL
    outage.answered()
    assert (outage.count, outage.held) == (1, False)
    await outage.aclose()


async def test_an_outage_that_is_not_over_counts_up_to_the_end() -> None:
    outage = Outage(Read(*[None] * 5), threshold=1)
    outage.silent()
    await asyncio.sleep(0.01)
    await outage.aclose()
    assert outage.seconds >= 0.01
