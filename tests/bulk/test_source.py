"""The row source: one task asks an async iterable, workers wait for what it brings, and may be called away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from welkin_async.bulk.source import CalledAway, RowSource

from .helpers import turns


class Slow:
    """Brings a row when it is let; counts how often it was asked at once, by which tasks, and after its end."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.gate = asyncio.Semaphore(0)
        self.asked = self.most = self.after = 0
        self.tasks: set[Any] = set()

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        self.tasks.add(asyncio.current_task())
        self.asked += 1
        self.most = max(self.most, self.asked)
        try:
            await self.gate.acquire()
        finally:
            self.asked -= 1
        if self.left == 0:
            self.after += 1
            raise StopAsyncIteration
        self.left -= 1
        return self.left


def source_of(rows: Any) -> RowSource[tuple[int, Any]]:
    return RowSource(rows, lambda index, row: (index, row))


async def test_workers_are_served_in_the_order_they_came_by_one_task() -> None:
    slow = Slow(3)
    source = source_of(slow)
    pulls = [asyncio.create_task(source.pull()) for _ in range(6)]
    await turns(3)
    for _ in range(4):
        slow.gate.release()
    assert await asyncio.gather(*pulls) == [(0, 2), (1, 1), (2, 0), None, None, None]
    assert (slow.most, slow.after, len(slow.tasks)) == (1, 1, 1)
    assert (source.pulled, source.asked, source.exhausted) == (3, 3, True)


async def test_no_row_is_pulled_that_no_worker_waits_for() -> None:
    slow = Slow(3)
    for _ in range(3):
        slow.gate.release()
    source = source_of(slow)
    assert await source.pull() == (0, 2)
    await turns(10)
    assert source.pulled == 1
    assert await source.aclose() == []


async def test_one_that_waits_is_called_away_and_no_row_goes_with_it() -> None:
    slow = Slow(3)
    source = source_of(slow)
    source.call_away()  # none waits
    pulls = [asyncio.create_task(source.pull()) for _ in range(3)]
    await turns(3)
    source.call_away()
    await turns(3)
    assert [pull.done() for pull in pulls] == [False, False, True]
    assert isinstance(pulls[2].exception(), CalledAway)
    assert source.asked == 2
    slow.gate.release()
    assert await pulls[0] == (0, 2)
    slow.gate.release()
    assert await pulls[1] == (1, 1)
    await source.aclose()


async def test_a_row_that_was_pulled_for_a_worker_that_is_cancelled_goes_to_the_next() -> None:
    slow = Slow(2)
    source = source_of(slow)
    pulls = [asyncio.create_task(source.pull()) for _ in range(3)]
    await turns(3)
    pulls[0].cancel()  # while it waits
    slow.gate.release()
    while not source.pulled:
        await asyncio.sleep(0)
    pulls[1].cancel()  # in the moment it is given the row
    await turns(5)
    assert [pull.cancelled() for pull in pulls] == [True, True, False]
    assert await source.pull() == (0, 1)
    slow.gate.release()
    assert await pulls[2] == (1, 0)
    await source.aclose()


async def test_a_row_that_no_worker_takes_is_left() -> None:
    slow = Slow(2)
    source = source_of(slow)
    pull = asyncio.create_task(source.pull())
    await turns(3)
    slow.gate.release()
    while not source.pulled:
        await asyncio.sleep(0)
    pull.cancel()
    await turns(3)
    assert await source.aclose() == [(0, 1)]
    assert await source.pull() is None


@pytest.mark.parametrize("kind", ["timeout", "move on", "task group"])
async def test_a_scope_that_the_source_has_open_at_its_yield_is_the_sources_own(kind: str) -> None:
    async def rows() -> AsyncIterator[int]:
        if kind == "timeout":
            async with asyncio.timeout(0.05):
                for number in range(1000):
                    yield number
        elif kind == "move on":
            with anyio.move_on_after(0.05):
                for number in range(1000):
                    yield number
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(asyncio.sleep, 0.01)
                for number in range(1000):
                    yield number

    source = source_of(rows())
    pulled: list[int] = []

    async def worker() -> None:
        while (row := await source.pull()) is not None:
            pulled.append(row[1])
            await asyncio.sleep(0.01)

    found = await asyncio.gather(*(worker() for _ in range(3)), return_exceptions=True)
    assert not any(isinstance(each, asyncio.CancelledError) for each in found)
    assert sum(isinstance(each, TimeoutError) for each in found) == (kind == "timeout")
    assert pulled == list(range(source.pulled))
    assert (source.pulled == 1000) is (kind == "task group")
    await source.aclose()
