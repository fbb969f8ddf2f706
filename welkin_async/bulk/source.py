"""Row source: an iterable or an async iterable, from which many workers take rows and one task alone pulls them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sized
from typing import Any, Generic, TypeVar

from welkin_async.errors import InvalidInputError

T = TypeVar("T")


class CalledAway(Exception):  # noqa: N818 - not an error: a signal to a worker
    """A worker that waited for a row is wanted for something else."""


class RowSource(Generic[T]):
    """Row source: hands out each row with its position, in order, to the task that asks.

    It may read ahead, so that what a row needs is under way before anybody asks for the row.

    An async iterable is asked by one task of its own, which begins with the first `pull`, and only for rows that are
    waited for. A generator may have a cancel scope open around its ``yield`` (a timeout, a task group); that belongs to
    the task that entered it, and must not cancel a worker.

    Args:
        rows: An iterable, read on the event loop by the task that asks, or an async iterable.
        prepare: Makes a row ready in the moment it was pulled, given its position; may not raise.

    Attributes:
        immediate: Whether `take` gives rows, so that none has to be waited for.
        ahead: How many rows are read before they are asked for.
        pulled: How many rows were pulled.
        asked: How many have been asked for, those that workers still wait for included.
        total: How many there are, or None where the source cannot say.
        exhausted: Whether it has come to its end.
    """

    def __init__(self, rows: Iterable[Any] | AsyncIterable[Any], prepare: Callable[[int, Any], T]) -> None:
        self._sync, self._async = _iterators(rows)
        self.immediate = self._sync is not None
        self._prepare = prepare
        self._task: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._waiting: deque[asyncio.Future[T | None]] = deque()
        self._ready: deque[T] = deque()  # read ahead, or pulled for workers that were cancelled meanwhile
        self._handing = 0  # rows that workers were given and have not taken up yet
        self._error: BaseException | None = None
        self._stopped = False
        self._asking = False  # whether a cancellation is the source's own doing, or was handed to it in vain
        self.total = len(rows) if isinstance(rows, Sized) else None
        self.ahead = 0
        self.pulled = 0
        self.asked = 0
        self.exhausted = False

    @property
    def drained(self) -> bool:
        """Whether it has come to its end, and nothing that was read ahead is left."""
        return self.exhausted and not self._ready

    def take(self) -> T | None:
        """Return the next row where none has to be waited for; None at the end, or for `pull`.

        Raises:
            Exception: whatever the source raises; it counts as ended then.
        """
        rows, ready = self._sync, self._ready
        if rows is None:
            return None
        while not self.exhausted and len(ready) <= self.ahead:
            try:
                row = next(rows)
            except BaseException as error:
                self.exhausted = True
                if not isinstance(error, StopIteration):
                    self._error = error
                break
            index = self.pulled
            self.pulled = index + 1
            prepared = self._prepare(index, row)
            if not self.ahead and not ready:
                self.asked += 1
                return prepared
            ready.append(prepared)
        if ready:
            self.asked += 1
            return ready.popleft()
        error_before, self._error = self._error, None
        if error_before is not None:
            raise error_before
        return None

    async def pull(self) -> T | None:
        """Return the next row; None at the end.

        Raises:
            CalledAway: this worker is wanted for something else; it has taken nothing.
            Exception: whatever the source raises; it counts as ended then.
        """
        if self._async is None:
            return self.take()
        if self._ready:
            return await self._next_ready()
        if not self.exhausted:
            if self._task is None:
                self._task = asyncio.create_task(self._pull_all(self._async), name="welkin_async bulk source")
            waiter: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            self.asked += 1
            self._wanted.set()
            try:
                row = await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled() and not waiter.exception():
                    given = waiter.result()
                    if given is not None:
                        self.asked -= 1
                        self._handing -= 1
                        self._ready.append(given)
                raise
            if row is not None:
                self._handing -= 1
                return row
        error, self._error = self._error, None
        if error is not None:
            raise error
        return None

    async def _next_ready(self) -> T:
        """Return the first row that is ready, after those that other workers were given and have not taken up yet."""
        self.asked += 1
        self._wanted.set()  # where it reads ahead there is room again
        row = self._ready.popleft()
        if self._handing:
            self._handing += 1
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                self.asked -= 1
                self._ready.appendleft(row)
                raise
            finally:
                self._handing -= 1
        return row

    def call_away(self) -> None:
        """Let one worker that waits for a row do something else; nothing where none waits.

        A source may be slow, or wait itself for what becomes of a row that is to be sent again.
        """
        while self._waiting:
            waiter = self._waiting.pop()
            if not waiter.done():
                self.asked -= 1
                waiter.set_exception(CalledAway())
                return

    async def aclose(self) -> list[T]:
        """Pull no more, and return the rows that were pulled and not handed out; the iterable itself stays open."""
        self._stopped = self.exhausted = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        left = [*self._ready]
        self._ready.clear()
        return left

    async def _pull_all(self, rows: AsyncIterator[Any]) -> None:
        """Pull a row for each worker that waits for one, and as many ahead as are wanted."""
        try:
            while True:
                try:
                    while self._waiting and self._waiting[0].done():
                        self._waiting.popleft()  # of a worker that was cancelled
                    if not self._waiting and len(self._ready) >= self.ahead:
                        self._wanted.clear()
                        await self._wanted.wait()
                        continue
                    self._asking = True
                    row = await anext(rows)
                    self._asking = False
                except asyncio.CancelledError as cancelled:
                    # Not ours: of a scope that the source has open where it was left at its `yield`.
                    row = await self._cancelled(rows, cancelled)
                index = self.pulled
                self.pulled = index + 1
                self._hand_out(self._prepare(index, row))
        except StopAsyncIteration:
            pass
        except BaseException as error:
            if not self._stopped:
                self._error = error
        finally:
            self.exhausted = True
            for waiter in self._waiting:
                if not waiter.done():
                    self.asked -= 1
                    waiter.set_result(None)
            self._waiting.clear()

    async def _cancelled(self, rows: AsyncIterator[Any], cancelled: asyncio.CancelledError) -> Any:
        """Hand a cancellation to the source, and return the row that it goes on with."""
        task, throw = asyncio.current_task(), getattr(rows, "athrow", None)
        if self._stopped or task is None or self._asking:
            raise cancelled
        self._asking = throw is None
        if throw is not None:
            return await throw(cancelled)
        # Nothing can be thrown into what wraps a source, so it meets the cancellation where it waits next, if it does.
        task.uncancel()
        task.cancel(*cancelled.args)
        return await anext(rows)

    def _hand_out(self, row: T) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._handing += 1
                waiter.set_result(row)
                return
        self._ready.append(row)


def _iterators(rows: Any) -> tuple[Iterator[Any] | None, AsyncIterator[Any] | None]:
    """Tell the two kinds of source apart; a caller without a type checker may pass anything."""
    if isinstance(rows, AsyncIterable):
        return None, aiter(rows)
    if isinstance(rows, Iterable):
        return iter(rows), None
    raise InvalidInputError("rows is an iterable or an async iterable")
