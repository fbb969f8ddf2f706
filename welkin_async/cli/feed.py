"""The rows of a file on their way to the bulk engine: read, mapped, their patients looked up, one batch ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import anyio.to_thread

from welkin_async.cli.patients import PatientLookup
from welkin_async.cli.preparation import Prepared, Preparing
from welkin_async.cli.records_there import RecordsThere
from welkin_async.cli.rows import ImportRow, Problem
from welkin_async.cli.sources import Source

__all__ = ["Feed"]

_BATCH = 512  # rows; at most two batches are held


class Feed:
    """Brings every row, in the order of the file, so that a row's position is its number in every run.

    Reading and mapping happen in a thread while the batch before is being sent. There is a task for each batch and
    none for a row. A row that cannot be sent comes as one with a problem.

    Args:
        path: The file.
        source: The same, opened.
        preparing: From rows to fields and keys.
        patients: From patients' keys to ids.
        there: Finds rows of reject files that are on the server; None for no look.
        begin: Awaited before the first row is brought.
    """

    def __init__(
        self,
        path: Path,
        source: Source,
        preparing: Preparing,
        patients: PatientLookup,
        *,
        there: RecordsThere | None = None,
        begin: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._path = path
        self._source = source
        self._preparing = preparing
        self._patients = patients
        self._there = there
        self._begin = begin
        self._position = 0
        self._state = _state(path)

    async def rows(self) -> AsyncGenerator[ImportRow, None]:
        """Yield the rows; to be closed by whoever stops early.

        Raises:
            OSError: the file cannot be read, or has changed.
            UnicodeError: nor decoded any further.
            AuthenticationError: the server refused the token.
        """
        if self._begin is not None:
            await self._begin()
        upcoming = asyncio.create_task(self._next())
        try:
            while batch := await upcoming:
                upcoming = asyncio.create_task(self._next())
                for row in batch:
                    yield row
        finally:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)

    async def _next(self) -> list[ImportRow]:
        """Read a batch and look its patients up."""
        batch = await anyio.to_thread.run_sync(self._read)
        ids = await self._patients.resolve(each.patient for each in batch if each.problem is None)
        rows = [_row(each, ids) for each in batch]
        return rows if self._there is None else [await self._there.look(row) for row in rows]

    def _read(self) -> list[Prepared]:
        prepare, position = self._preparing.prepare, self._position
        batch: list[Prepared] = []
        if _state(self._path) != self._state:
            raise OSError(0, "it has changed since the import began")
        for row in self._source.read(_BATCH):
            row.position = position
            position += 1
            batch.append(prepare(row))
        self._position = position
        return batch


def _row(prepared: Prepared, ids: dict[str, str | Problem]) -> ImportRow:
    row, key, patient, fields, problem = prepared
    found = problem or ids[patient]
    if isinstance(found, Problem):
        return ImportRow("", {}, key, found.error, source=row, refused=found)
    return ImportRow(found, fields, key, source=row)


def _state(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns
