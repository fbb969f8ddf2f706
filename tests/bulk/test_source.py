"""The turn at an async source: one worker asks, the others wait, and may be called away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from welkin_async.bulk.source import CalledAway, Source

from .helpers import turns


class Slow:
    """Brings a row when it is let; counts how often it was asked at the same time, and after its end."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.gate = asyncio.Semaphore(0)
        self.asked = self.most = self.after = 0

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
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


async def test_workers_take_turns_in_the_order_they_came() -> None:
    slow = Slow(3)
    source: Source[int] = Source(slow)
    pulls = [asyncio.create_task(source.pull()) for _ in range(6)]
    await turns(3)
    for _ in range(4):
        slow.gate.release()
    assert await asyncio.gather(*pulls) == [(0, 2), (1, 1), (2, 0), None, None, None]
    assert (slow.most, slow.after) == (1, 1)
    assert (source.pulled, source.asked, source.exhausted) == (3, 3, True)


async def test_one_that_waits_for_its_turn_is_called_away_and_no_row_goes_with_it() -> None:
    slow = Slow(3)
    source: Source[int] = Source(slow)
    source.call_away()  # nobody waits
    pulls = [asyncio.create_task(source.pull()) for _ in range(3)]
    await turns(3)
    source.call_away()
    await turns(3)
    assert [pull.done() for pull in pulls] == [False, False, True]
    assert isinstance(pulls[2].exception(), CalledAway)
    assert source.asked == 2
    source.call_away()
    source.call_away()  # the one that is asking stays
    slow.gate.release()
    assert await pulls[0] == (0, 2)
    with pytest.raises(CalledAway):
        await pulls[1]
    slow.gate.release()
    assert await source.pull() == (1, 1)


async def test_a_cancelled_worker_takes_nobodys_turn() -> None:
    slow = Slow(3)
    source: Source[int] = Source(slow)
    pulls = [asyncio.create_task(source.pull()) for _ in range(4)]
    await turns(3)
    pulls[1].cancel()  # while it waits
    slow.gate.release()
    while not pulls[0].done():
        await asyncio.sleep(0)
    pulls[2].cancel()  # in the moment it is given the turn
    await turns(5)
    assert pulls[1].cancelled()
    assert pulls[2].cancelled()
    assert await asyncio.wait_for(pulls[3], 1.0) is None  # a cancellation ends the source, as it ends the import
