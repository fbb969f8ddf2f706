"""The fan-out: N workers pulling from one source.

No task, future or list per row: memory is bounded by the number of workers, not by the input. Each row that is pulled
gets exactly one outcome, whatever happens: the counts of a `Report` add up to the rows that were pulled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sized
from typing import Any, Generic, Protocol, TypeVar

from welkin_async.bulk.channel import Channel
from welkin_async.bulk.outcomes import BulkStoppedError, Outcome, Progress, Report, Status
from welkin_async.errors import (
    AuthenticationError,
    ConnectError,
    InvalidInputError,
    NotSentError,
    OutcomeUnknownError,
    RejectedError,
    RequestError,
    SessionError,
    WelkinError,
)
from welkin_async.record import Record
from welkin_async.request import Answer, Request

__all__ = ["Action", "Engine"]

RowT = TypeVar("RowT")
R = TypeVar("R", bound=Record)
RowT_contra = TypeVar("RowT_contra", contravariant=True)
R_co = TypeVar("R_co", bound=Record, covariant=True)

_PROGRESS_EVERY = 0.25  # seconds
_DRAIN_MARGIN = 15.0  # seconds beyond an attempt's timeout: making the connection, and reading the answer


class Action(Protocol[RowT_contra, R_co]):
    """What is done with each row."""

    def request(self, row: RowT_contra, /) -> Request:
        """Put the row's request together; raises `InvalidInputError` where it cannot be sent."""
        ...

    async def send(self, request: Request) -> Answer:
        """Send it until it is answered for good."""
        ...

    def record(self, answer: Answer) -> R_co:
        """Wrap what came back."""
        ...


class _Worker:
    """What one worker is at; read by whoever stops the import."""

    __slots__ = ("busy", "delivering", "index", "request", "row", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.busy = False
        self.delivering = False
        self.index = -1
        self.row: Any = None
        self.request: Request | None = None


class Engine(Generic[RowT, R]):
    """Runs one import.

    Args:
        action: What is done with each row.
        rows: The source, pulled by the workers as they get free.
        concurrency: How many workers.
        channel: Where outcomes go for a consumer; None where only the counts are wanted.
        window: How far pulling may run ahead of the consumer; 0 for no bound of its own.
        fail_fast: Whether to stop at the first row that is not created.
        on_progress: Called with a snapshot about four times a second, and at the end.
        drain: Seconds that requests on the wire are given when the import stops early.
    """

    def __init__(
        self,
        action: Action[RowT, R],
        rows: Iterable[RowT] | AsyncIterable[RowT],
        *,
        concurrency: int,
        channel: Channel | None = None,
        window: int = 0,
        fail_fast: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        drain: float,
    ) -> None:
        if concurrency < 1:
            raise InvalidInputError("concurrency is at least 1")
        self._action = action
        self._channel = channel
        self._window = window
        self._fail_fast = fail_fast
        self._on_progress = on_progress
        self._drain = drain + _DRAIN_MARGIN
        self._sync: Iterator[RowT] | None = None
        self._async: AsyncIterator[RowT] | None = None
        if isinstance(rows, AsyncIterable):
            self._async = aiter(rows)
        elif isinstance(rows, Iterable):
            self._sync = iter(rows)
        else:
            raise InvalidInputError("rows is an iterable or an async iterable")
        self._pulling = asyncio.Lock()
        self._advance = asyncio.Event()
        self._total = len(rows) if isinstance(rows, Sized) else None
        self._workers = [_Worker() for _ in range(concurrency)]
        self._pulled = 0
        self._stopping = False
        self._left = False
        self._started = time.monotonic()
        self._next_progress = self._started + _PROGRESS_EVERY
        self.report = Report()
        self.error: BaseException | None = None
        self.unfinished: list[Outcome[RowT, R]] = []

    def start(self) -> None:
        """Set the workers going, on the running loop."""
        self._started = time.monotonic()
        self._next_progress = self._started + _PROGRESS_EVERY
        self._running = len(self._workers)
        for number, worker in enumerate(self._workers):
            worker.task = asyncio.create_task(self._run(worker), name=f"welkin_async bulk worker {number}")

    async def wait(self) -> None:
        """Wait until every worker is done; a caller's cancellation ends the import at once."""
        try:
            await asyncio.wait(self._tasks())
        except asyncio.CancelledError:
            await self.cancel()
            raise
        self.finish()

    async def leave(self) -> None:
        """Stop pulling, drain what is on the wire, and keep what nobody will take."""
        self._left = True
        self._stop()
        for worker in self._workers:
            if worker.delivering and worker.task is not None:
                worker.task.cancel()
        await self._drained()

    async def cancel(self) -> None:
        """End at once: what was on the wire is unknown."""
        self._left = True
        self._stopping = True
        for task in self._tasks():
            task.cancel()
        await self._drained()

    def finish(self) -> None:
        """Close the books: the time, and the last snapshot."""
        self.report.seconds = time.monotonic() - self._started
        if self._on_progress is not None:
            self._on_progress(self.report.progress(self._total, self.report.seconds))

    def advanced(self) -> None:
        """Note that the consumer took an outcome, so that pulling may go on."""
        self._advance.set()

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [worker.task for worker in self._workers if worker.task is not None]

    async def _drained(self) -> None:
        """Wait for the workers, in spite of the caller's cancellation: no task is left behind."""
        waiting = asyncio.ensure_future(self._settle())
        cancelled = False
        while not waiting.done():
            try:
                await asyncio.shield(waiting)
            except asyncio.CancelledError:
                cancelled = True
                for task in self._tasks():
                    task.cancel()
        if self._channel is not None:
            self.unfinished = [*self._channel.drain(), *self.unfinished]
        self.finish()
        if cancelled:
            raise asyncio.CancelledError

    async def _settle(self) -> None:
        _, pending = await asyncio.wait(self._tasks(), timeout=self._drain)
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending)

    def _stop(self, error: BaseException | None = None) -> None:
        """Pull no more; let requests on the wire end, and give up those that still wait to be sent."""
        if self.error is None:
            self.error = error
        if self._stopping:
            return
        self._stopping = True
        current = asyncio.current_task()
        for worker in self._workers:
            task = worker.task
            if task is None or task is current or worker.delivering:
                continue
            if worker.request is not None and worker.request.on_wire:
                worker.request.last = True
            else:
                task.cancel()

    async def _run(self, worker: _Worker) -> None:
        """Work until the source is at its end or the import stops."""
        try:
            while not self._stopping and await self._pull(worker):
                outcome = await self._outcome(worker)
                worker.busy = False
                self._count(outcome)
                if self._left:
                    self.unfinished.append(outcome)
                elif self._channel is not None:
                    await self._deliver(worker, self._channel, outcome)
                elif outcome.attempts == 0:
                    await asyncio.sleep(0)  # rows that are never sent must not keep the loop from everything else
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        except BaseException as error:
            self._stop(error)
        finally:
            self._running -= 1
            if self._running == 0 and self._channel is not None:
                self._channel.close()

    async def _pull(self, worker: _Worker) -> bool:
        """Take the next row; an exception of the source stops the import."""
        if self._window:
            while self._channel is not None and self._pulled - self._channel.taken >= self._window:
                self._advance.clear()
                await self._advance.wait()
        try:
            if self._sync is not None:
                row = next(self._sync)
            else:
                assert self._async is not None
                async with self._pulling:
                    if self._stopping:
                        return False
                    row = await anext(self._async)
                    self._take(worker, row)
                    return True
        except (StopIteration, StopAsyncIteration):
            return False
        self._take(worker, row)
        return True

    def _take(self, worker: _Worker, row: RowT) -> None:
        worker.index = self._pulled
        worker.row = row
        worker.request = None
        worker.busy = True
        self._pulled += 1

    async def _outcome(self, worker: _Worker) -> Outcome[RowT, R]:
        """Do what is to be done with the worker's row."""
        request: Request | None = None
        error: WelkinError | None
        try:
            worker.request = request = self._action.request(worker.row)
            answer = await self._action.send(request)
            record = self._action.record(answer)
            return Outcome(worker.index, worker.row, Status.CREATED, record, None, request.attempts)
        except RequestError as failure:
            error = failure
            status = _status(failure)
            if isinstance(failure, AuthenticationError):
                self._stop(failure)
        except InvalidInputError as failure:
            error, status = failure, Status.FAILED
        except SessionError as failure:
            error, status = failure, _abandoned(request)
            self._stop(failure)
        except asyncio.CancelledError:
            self._abandon(worker, request, None)
            raise
        except BaseException as failure:
            self._abandon(worker, request, failure)
            raise
        return Outcome(worker.index, worker.row, status, None, error, request.attempts if request else 0)

    def _abandon(self, worker: _Worker, request: Request | None, failure: BaseException | None) -> None:
        """Account for a row whose worker was cancelled or met a bug: nobody else will."""
        status = _abandoned(request)
        reason = "the import was stopped" if failure is None else f"the import broke ({type(failure).__name__})"
        error: WelkinError | None = None
        if request is not None:
            kind = OutcomeUnknownError if status is Status.UNKNOWN else ConnectError
            where = "while the request was out" if status is Status.UNKNOWN else "before the request was sent"
            error = kind(f"{reason} {where}", request=request.operation.line, attempts=request.attempts)
        attempts = request.attempts if request else 0
        outcome: Outcome[RowT, R] = Outcome(worker.index, worker.row, status, None, error, attempts)
        self._count(outcome)
        self.unfinished.append(outcome)

    def _count(self, outcome: Outcome[RowT, R]) -> None:
        self.report.count(outcome)
        if self._fail_fast and outcome.status is not Status.CREATED:
            self._stop(BulkStoppedError(self.report, outcome.index, outcome.error))
        if self._on_progress is not None:
            now = time.monotonic()
            if now >= self._next_progress:
                self._next_progress = now + _PROGRESS_EVERY
                self._on_progress(self.report.progress(self._total, now - self._started))

    async def _deliver(self, worker: _Worker, channel: Channel, outcome: Outcome[RowT, R]) -> None:
        worker.delivering = True
        try:
            await channel.put(outcome)
        except asyncio.CancelledError:
            self.unfinished.append(outcome)
            raise
        finally:
            worker.delivering = False


def _status(error: RequestError) -> Status:
    """Return where a row stands whose request ended in an error."""
    if isinstance(error, RejectedError):
        return Status.REJECTED
    if isinstance(error, NotSentError | AuthenticationError):
        return Status.FAILED
    return Status.UNKNOWN


def _abandoned(request: Request | None) -> Status:
    """Return where a row stands whose request was broken off."""
    return Status.UNKNOWN if request is not None and (request.unknown or request.on_wire) else Status.FAILED
