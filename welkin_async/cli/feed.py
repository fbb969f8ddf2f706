"""The rows of a file on their way to the bulk engine: read, mapped, their patients looked up, one batch ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import anyio.to_thread

from welkin_async.cli.jobs import Job
from welkin_async.cli.lines import UNDECODABLE
from welkin_async.cli.once import Once
from welkin_async.cli.patients import PatientLookup
from welkin_async.cli.preparation import Prepared, Preparing
from welkin_async.cli.progress import say
from welkin_async.cli.records_there import RecordsThere
from welkin_async.cli.rows import FileRow, Problem
from welkin_async.cli.sources import Source

__all__ = ["Feed"]

_BATCH = 512  # rows; at most two batches are held


class Feed:
    """Brings every row, in the order of the file, so that a row's position is its number in every run.

    Reading and mapping happen in a thread while the batch before is being sent. There is a task for each batch and
    none for a row. A row that cannot be sent comes as one with a problem.

    Args:
        job: What is done with them.
        source: The file, opened.
        preparing: From rows to fields and keys.
        patients: From patients' keys to ids; None where rows belong to no patient.
        there: Finds rows of reject files that are on the server; None for no look.
        begin: Awaited before the first row is brought.
    """

    def __init__(
        self,
        job: Job,
        source: Source,
        preparing: Preparing,
        patients: PatientLookup | None,
        *,
        there: RecordsThere | None = None,
        begin: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._job = job
        self._path = job.options.file
        self._source = source
        self._preparing = preparing
        self._patients = patients
        self._there = there
        self._begin = begin
        self._position = 0
        self._state = _state(self._path)
        self._hinted = False

    async def rows(self) -> AsyncGenerator[FileRow, None]:
        """Yield the rows; to be closed by whoever stops early.

        Raises:
            OSError: the file cannot be read, or has changed.
            UnicodeError: nor decoded any further.
            AuthenticationError: the server refused the token.
        """
        if self._begin is not None:
            await self._begin()
        once = self._job.once()
        upcoming = asyncio.create_task(self._next(once))
        try:
            while batch := await upcoming:
                upcoming = asyncio.create_task(self._next(once))
                for row in batch:
                    yield row
        finally:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)
            once.close()

    async def _next(self, once: Once) -> list[FileRow]:
        """Read a batch and look its patients up."""
        batch = await anyio.to_thread.run_sync(self._read, once)
        ids: dict[str, str | Problem] = {}
        if self._patients is not None:
            ids = await self._patients.resolve(each.patient for each in batch if each.problem is None)
        rows = [self._row(each, ids) for each in batch]
        return rows if self._there is None else [await self._there.look(row) for row in rows]

    def _read(self, once: Once) -> list[Prepared]:
        prepare, position = self._preparing.prepare, self._position
        batch: list[Prepared] = []
        if _state(self._path) != self._state:
            raise OSError(0, "it has changed since the import began")
        for row in self._source.read(_BATCH):
            row.position = position
            position += 1
            batch.append(once.check(prepare(row)))
        self._position = position
        return batch

    def _row(self, prepared: Prepared, ids: dict[str, str | Problem]) -> FileRow:
        if prepared.row.problem is UNDECODABLE and not self._hinted:
            self._hinted = True
            line, encoding = prepared.row.line, self._source.encoding
            say(f"line {line} is not text in {encoding}: where that is not the file's encoding, give --encoding")
        found = prepared.problem or ids.get(prepared.patient, "")
        if isinstance(found, Problem):
            return self._job.row(prepared, "", found)
        return self._job.row(prepared, found, None)


def _state(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns
