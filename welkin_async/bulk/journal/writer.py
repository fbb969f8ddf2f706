"""Writer thread of a journal, and its queue, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Collection
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from welkin_async.bulk.errors import JournalError
from welkin_async.bulk.journal.database import Batch, JournalDatabase, UnknownKey
from welkin_async.bulk.journal.ledger import CREATED
from welkin_async.bulk.journal.source_identity import KeyClaims, SourceFingerprint
from welkin_async.bulk.position_set import RangeSet

_FLUSH_AFTER = 0.05  # seconds
_SCANNED_AT_ONCE = 4000  # of what was written together
FLUSH_AT = 1000
"""How much is gathered before it is sent off at once."""


class WriteBatch:
    """Gathers what is to be written, and has it sent 50 ms after the first of it came, or when it is much.

    Args:
        created: All created positions; `fold` adds to it, and a batch takes the ranges that grew from it.
        claims: Where keys are claimed.
        identity: Where the source's rows are compared.
        send: Called on the event loop when the buffer is to be emptied with `take`.

    Attributes:
        amount: How much was added since the last batch.
        scheduled: The timer of the next batch; None where nothing was added.
    """

    def __init__(
        self, created: RangeSet, claims: KeyClaims, identity: SourceFingerprint, send: Callable[[], object]
    ) -> None:
        self._created = created
        self._claims = claims
        self._identity = identity
        self._send = send
        self._loop = asyncio.get_running_loop()
        self.scheduled: asyncio.TimerHandle | None = None
        self.amount = 0
        self._fresh: list[int] = []
        self._folded = 0
        self._rows: list[tuple[int, str, str | None, str | None, str | None]] = []
        self._unknowns: dict[tuple[str, str], UnknownKey | None] = {}
        self._landed: dict[str, list[tuple[int, str, str]]] = {}
        self._scanned: list[int] = []

    def record(
        self, position: int, status: str, key: str | None, record_id: str | None, error_code: str | None
    ) -> None:
        """Add an outcome."""
        if status in CREATED:
            self._fresh.append(position)
        else:
            self._rows.append((position, str(status), key, record_id, error_code))
        self.grown()

    def fold(self) -> None:
        """Add what was created since the last batch to the created positions."""
        for position in self._fresh[self._folded :]:
            self._created.add(position)
        self._folded = len(self._fresh)

    def unknown(self, row: UnknownKey) -> None:
        """Add a key whose outcome is unknown; the earliest time of several is kept."""
        held = self._unknowns.get((row.patient, row.key))
        if held is not None:
            resent, id = held.resent or row.resent, row.record_id or held.record_id
            row = row._replace(since=min(held.since, row.since), record_id=id, resent=resent)
        self._unknowns[row.patient, row.key] = row
        self.grown()

    def landed(self, position: int, patient: str, key: str, record_id: str) -> None:
        """Add a row that was created; its outcome follows, and sends it off."""
        rows = self._landed.get(patient)
        if rows is None:
            rows = self._landed[patient] = []
        rows.append((position, key, record_id))

    def scanned(self, patient: str, keys: Collection[str], landed: Collection[int]) -> None:
        """Add keys of a patient that are to be forgotten, and rows that were created by their numbers.

        Rows that were created are forgotten many at once: they lie all over the file, and what is not written when the
        process ends is scanned once more, no worse.
        """
        self._scanned += landed
        if keys:
            self._unknowns.update({(patient, key): None for key in keys})
            self.grown()
        elif len(self._scanned) >= _SCANNED_AT_ONCE:
            self._send()

    def grown(self) -> None:
        """Write what was added soon, or now if it is much."""
        self.amount += 1
        if self.amount >= FLUSH_AT:
            self._send()
        elif self.scheduled is None:
            self.scheduled = self._loop.call_later(_FLUSH_AFTER, self._send)

    def take(self) -> Batch:
        """Return everything as one batch, and begin anew."""
        if self.scheduled is not None:
            self.scheduled.cancel()
            self.scheduled = None
        self.fold()
        fresh = RangeSet()
        for position in sorted(self._fresh):
            fresh.add(position)
        pairs = fresh.to_pairs()
        merged = sorted({whole for start, _ in pairs if (whole := self._created.range_of(start))})
        claims, identity = self._claims.take(), self._identity.take()
        batch = Batch(pairs, merged, self._rows, self._unknowns, claims, identity, self._landed, self._scanned)
        self._fresh, self._rows, self._unknowns, self.amount, self._folded = [], [], {}, 0, 0
        self._landed, self._scanned = {}, []
        return batch


T = TypeVar("T")


class WriteRequest(NamedTuple):
    """Write request: work for the writer thread, and the future of what it returns."""

    work: Callable[[], Any]
    future: asyncio.Future[Any]


class WriterThread:
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
        self._queue: SimpleQueue[WriteRequest | None] = SimpleQueue()
        self._broken: JournalError | None = None  # what `failure` will be, as the thread knows it
        self._files: JournalDatabase | None = None
        # A daemon: an import that was never closed must not keep the interpreter, and a journal stands being killed.
        self._thread = threading.Thread(target=self._run, name="welkin_async journal", daemon=True)
        self._thread.start()

    async def open(self, make: Callable[[], JournalDatabase]) -> JournalDatabase:
        """Open the files; they are closed again if that fails or this call is cancelled.

        Args:
            make: Opens them.

        Raises:
            JournalError: they could not be opened.
        """

        def work() -> JournalDatabase:
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
            A future of what it returns, or of a `JournalError`; it need not be awaited.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(WriteRequest(work, future))
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
        with contextlib.suppress(RuntimeError):  # the loop is closed
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
        return error.strerror or type(error).__name__
    return f"{error} ({getattr(error, 'sqlite_errorname', type(error).__name__)})"
