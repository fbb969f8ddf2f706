"""Outcome stream: a running import as an async context manager that is iterated, or awaited for its counts."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from welkin_async.bulk.engine.engine import Engine
from welkin_async.bulk.engine.outcome_queue import OutcomeQueue
from welkin_async.bulk.reconciliation.duplicate_scan import Duplicate
from welkin_async.bulk.results import Outcome, Progress, Report
from welkin_async.wire.records import Record
from welkin_async.wire.tracebacks import drop_frames, without_frames

RowT = TypeVar("RowT")
R = TypeVar("R", bound=Record)


class OutcomeStream(Generic[RowT, R]):
    """Outcome stream: the outcomes of an import, as they come; awaited, it gives the counts alone.

    It is iterated in ``async with``, because a loop that is left early must leave no request behind: on leaving,
    pulling stops, what is on the wire is waited for (one attempt at most), and what the loop did not take is in
    ``unfinished``. A cancelled body ends the import at once, and what was on the wire is ``unknown`` there. The body's
    own exception comes out as it is.

    Args:
        engine: Runs the import.
        queue: Where it puts outcomes.
        around: Entered before it starts and left when it has ended.
    """

    def __init__(
        self, engine: Engine[RowT, R], queue: OutcomeQueue, around: AbstractAsyncContextManager[None] | None = None
    ) -> None:
        self._around = nullcontext() if around is None else around
        self._engine = engine
        self._queue = queue
        self._raised = False
        self._entered = False

    @property
    def report(self) -> Report:
        """Counts up to now; final after leaving."""
        return self._engine.report

    @property
    def progress(self) -> Progress:
        """A snapshot: the counts, and what the import waits for."""
        return self._engine.progress

    @property
    def unfinished(self) -> list[Outcome[RowT, R]]:
        """After leaving: the outcomes that were not taken from the iteration; bounded by the concurrency."""
        return self._engine.unfinished

    @property
    def doubles(self) -> Sequence[Duplicate]:
        """After leaving: the keys that are on the server more than once."""
        return self._engine.doubles

    def __await__(self) -> Generator[Any, None, Report]:
        """Run the import and return its counts.

        Raises:
            RuntimeError: the stream was entered before.
            Exception: why it stopped early, with a note of the counts up to then.
        """
        return self._run().__await__()

    @without_frames
    async def _run(self) -> Report:
        if self._entered:
            raise RuntimeError("a stream is awaited or entered, once")
        self._entered = True
        engine = self._engine
        engine.count_only()
        async with self._around:
            engine.start()
            await engine.wait()
        report, error = engine.report, engine.error
        if error is not None:
            error.add_note(
                f"bulk: of {report.rows} rows pulled, {report.done} {engine.operation.done}, "
                f"{report.rejected} rejected, {report.failed} failed, {report.unknown} unknown"
            )
            raise error
        return report

    @without_frames
    async def __aenter__(self) -> Self:
        """Read what the rows are checked against, and set the workers going.

        Raises:
            RuntimeError: the stream was awaited before.
            RequestError: it could not be read.
        """
        if self._entered:
            raise RuntimeError("a stream is awaited or entered, once")
        await self._around.__aenter__()
        self._engine.start()
        self._entered = True
        return self

    def __aiter__(self) -> Self:
        if not self._entered:
            raise RuntimeError("the stream is to be entered with `async with` before it is iterated")
        return self

    async def __anext__(self) -> Outcome[RowT, R]:
        """Return the next outcome.

        Raises:
            StopAsyncIteration: every row has its outcome.
            AuthenticationError: the server refused the token; the import has stopped.
            BulkStoppedError: it was to stop at the first failure.
            Exception: whatever the source raised, after all that was pulled before has been delivered.
        """
        outcome = await self._queue.get()
        if outcome is None:
            self._raise_error()
            raise StopAsyncIteration
        if self._engine.window:
            self._engine.advanced()
        return outcome

    @without_frames
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is not None and issubclass(kind, asyncio.CancelledError):
                await self._engine.cancel()
            else:
                await self._engine.leave()
        finally:
            await self._around.__aexit__(None, None, None)
        if kind is None:
            self._raise_error()

    def _raise_error(self) -> None:
        error: Any = self._engine.error
        if error is not None and not self._raised:
            self._raised = True
            drop_frames(error)
            raise error
