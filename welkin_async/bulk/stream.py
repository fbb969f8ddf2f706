"""A running import as an async context manager that is iterated for its outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from welkin_async.bulk.channel import Channel
from welkin_async.bulk.engine import Engine
from welkin_async.bulk.exactly import Double
from welkin_async.bulk.outcomes import Outcome, Progress, Report
from welkin_async.record import Record

__all__ = ["OutcomeStream"]

RowT = TypeVar("RowT")
R = TypeVar("R", bound=Record)


class OutcomeStream(Generic[RowT, R]):
    """The outcomes of an import, as they come.

    It is used in ``async with``, because whoever leaves the loop early must not leave requests behind: on leaving,
    pulling stops, what is on the wire is waited for (one attempt at most), and what nobody took is in ``unfinished``.
    A cancelled body ends the import at once, and what was on the wire is ``unknown`` there. The body's own exception
    comes out as it is.

    Attributes:
        unfinished: After leaving: the outcomes that were not taken from the iteration.
    """

    def __init__(
        self, engine: Engine[RowT, R], channel: Channel, around: AbstractAsyncContextManager[None] | None = None
    ) -> None:
        self._around = nullcontext() if around is None else around
        self._engine = engine
        self._channel = channel
        self._raised = False
        self._entered = False

    @property
    def report(self) -> Report:
        """Counts up to now; final after leaving."""
        return self._engine.report

    @property
    def progress(self) -> Progress:
        """How it stands: the counts, and what it waits for."""
        return self._engine.progress

    @property
    def unfinished(self) -> list[Outcome[RowT, R]]:
        """After leaving: the outcomes that were not taken from the iteration; bounded by the concurrency."""
        return self._engine.unfinished

    @property
    def doubles(self) -> Sequence[Double]:
        """After leaving: the keys that are on the server more than once."""
        return self._engine.doubles

    async def __aenter__(self) -> Self:
        """Read what the rows are checked against, and set the workers going.

        Raises:
            RequestError: it could not be read.
        """
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
        outcome = await self._channel.get()
        if outcome is None:
            self._raise_error()
            raise StopAsyncIteration
        self._engine.advanced()
        return outcome

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
            raise error
