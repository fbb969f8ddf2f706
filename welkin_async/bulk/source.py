"""Where rows come from: an iterable or an async iterable, pulled by many workers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sized
from typing import Any, Generic, TypeVar

from welkin_async.errors import InvalidInputError

__all__ = ["CalledAway", "Source"]

RowT = TypeVar("RowT")


class CalledAway(Exception):  # noqa: N818 - not an error: a signal to a worker
    """A worker that waited for its turn at the source is wanted for something else."""


class Source(Generic[RowT]):
    """Hands out each row with its position, in order, to whoever asks.

    Args:
        rows: An iterable, read on the event loop, or an async iterable, asked by one worker at a time.

    Attributes:
        pulled: How many rows have been handed out.
        asked: How many have been asked for, those that workers still wait for included.
        total: How many there are, or None where the source cannot say.
        exhausted: Whether it has come to its end.
    """

    def __init__(self, rows: Iterable[RowT] | AsyncIterable[RowT]) -> None:
        self._sync, self._async = _iterators(rows)
        self._taken = False  # the turn at an async iterable, which may be asked by one at a time
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self.total = len(rows) if isinstance(rows, Sized) else None
        self.pulled = 0
        self.asked = 0
        self.exhausted = False

    def take(self) -> tuple[int, RowT] | None:
        """Return the next row and its position where none has to be waited for; None at the end, or for `pull`.

        Raises:
            Exception: whatever the source raises; it counts as ended then.
        """
        if self._sync is None or self.exhausted:
            return None
        try:
            row = next(self._sync)
        except BaseException as error:
            self.exhausted = True
            if isinstance(error, StopIteration):
                return None
            raise
        self.pulled = self.asked = self.pulled + 1
        return self.pulled - 1, row

    async def pull(self) -> tuple[int, RowT] | None:
        """Return the next row and its position, from 0; None at the end.

        Raises:
            CalledAway: this worker is wanted for something else; it has taken nothing.
            Exception: whatever the source raises; it counts as ended then.
        """
        if self.exhausted:
            return None
        self.asked += 1
        try:
            if self._sync is not None:
                row = next(self._sync)
            else:
                assert self._async is not None
                await self._turn()
                try:
                    if self.exhausted:  # it came to its end while this worker waited
                        raise StopAsyncIteration
                    row = await anext(self._async)
                    # Still within the turn, so that positions go in the order of the rows.
                    return self._counted(row)
                finally:
                    self._pass_on()
        except (StopIteration, StopAsyncIteration):
            self.exhausted = True
            self.asked -= 1
            return None
        except CalledAway:
            self.asked -= 1
            raise
        except BaseException:
            self.exhausted = True
            self.asked -= 1
            raise
        return self._counted(row)

    def call_away(self) -> None:
        """Let one worker that waits for its turn do something else; nothing where none waits.

        A source may be slow, or wait itself for what becomes of a row that is to be sent again.
        """
        while self._waiting:
            waiter = self._waiting.pop()
            if not waiter.done():
                waiter.set_result(False)
                return

    async def _turn(self) -> None:
        """Wait until nobody else asks."""
        if not self._taken:
            self._taken = True
            return
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            given = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self._pass_on()  # given the turn and cancelled in one moment
            raise
        if not given:
            raise CalledAway

    def _pass_on(self) -> None:
        """Give the turn to whoever has waited longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(True)
                return
        self._taken = False

    def _counted(self, row: RowT) -> tuple[int, RowT]:
        index = self.pulled
        self.pulled = index + 1
        return index, row


def _iterators(rows: Any) -> tuple[Iterator[Any] | None, AsyncIterator[Any] | None]:
    """Tell the two kinds of source apart; whoever calls without a type checker may pass anything."""
    if isinstance(rows, AsyncIterable):
        return None, aiter(rows)
    if isinstance(rows, Iterable):
        return iter(rows), None
    raise InvalidInputError("rows is an iterable or an async iterable")
