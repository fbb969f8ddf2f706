"""The one thread that writes a journal, and the queue before it, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from welkin_async.bulk.journal_files import Files
from welkin_async.bulk.journal_lock import JournalError

__all__ = ["Store"]

T = TypeVar("T")


class _Job(NamedTuple):
    work: Callable[[], Any]
    future: asyncio.Future[Any]


class Store:
    """Runs jobs in order on a thread of its own. After one has failed it runs no more, and only closes.

    Attributes:
        failure: Why nothing is written any more, or None; set on the event loop.
        on_failure: Called on the event loop when that happens.
    """

    def __init__(self) -> None:
        self.failure: JournalError | None = None
        self.on_failure: Callable[[], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._broken: JournalError | None = None  # what `failure` will be, as the thread knows it
        self._files: Files | None = None
        # A daemon: an import that was never closed must not keep the interpreter, and a journal stands being killed.
        self._thread = threading.Thread(target=self._run, name="welkin_async journal", daemon=True)
        self._thread.start()

    async def open(self, make: Callable[[], Files]) -> Files:
        """Open the files; they are closed again if that fails or this call is cancelled.

        Args:
            make: Opens them.

        Raises:
            JournalError: they could not be opened.
        """

        def work() -> Files:
            self._files = make()
            return self._files

        try:
            return await self.call(work)
        except BaseException:
            self.end()
            await self.ended()
            raise

    def call(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Have something done after all that was asked for before.

        Args:
            work: What to do.

        Returns:
            A future of what it returns, or of a `JournalError`; nobody has to wait for it.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Job(work, future))
        return future

    def end(self) -> None:
        """Let the thread do what it was asked for, close the files and end."""
        self._queue.put(None)

    async def ended(self) -> None:
        """Wait until the files are closed and the thread is at its end."""
        await asyncio.wait([self._ended])
        self._thread.join()

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            self._deliver(job.future, *self._attempt(job.work))
        result, error = None, None
        if self._files is not None:
            self._broken = None  # closing is to be tried in any case
            result, error = self._attempt(self._files.close)
        self._deliver(self._ended, result, error)

    def _attempt(self, work: Callable[[], T]) -> tuple[T | None, JournalError | None]:
        if self._broken is None:
            try:
                return work(), None
            except JournalError as error:
                self._broken = error
            except (sqlite3.Error, OSError) as error:
                self._broken = JournalError(f"the journal could not be read or written: {_words(error)}")
            except BaseException as error:  # the event loop must hear of a bug as well, or it waits for ever
                self._broken = JournalError(f"the journal broke ({type(error).__name__})")
        return None, self._broken

    def _deliver(self, future: asyncio.Future[Any], result: object, error: JournalError | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed; nobody is there to be told
            self._loop.call_soon_threadsafe(self._resolve, future, result, error)

    def _resolve(self, future: asyncio.Future[Any], result: object, error: JournalError | None) -> None:
        if error is not None and self.failure is None:
            self.failure = error
            if self.on_failure is not None:
                self.on_failure()
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
            future.exception()  # it is in `failure` too: not waiting for it is no mistake


def _words(error: sqlite3.Error | OSError) -> str:
    """Say what happened without the path that an OSError quotes."""
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno else type(error).__name__
    return f"{error} ({getattr(error, 'sqlite_errorname', type(error).__name__)})"
