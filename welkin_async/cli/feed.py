"""The rows of a file on their way to the bulk engine: read, mapped, their patients looked up, one batch ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import anyio.to_thread

from welkin_async.cli.mapping import FieldMapping, Mapped
from welkin_async.cli.patients import PatientLookup
from welkin_async.cli.rows import ImportRow, Problem, SourceRow
from welkin_async.cli.sources import Source

__all__ = ["Feed"]

_BATCH = 512  # rows; at most two batches are held


class Feed:
    """Brings rows in the order of the file.

    Reading and mapping happen in a thread while the batch before is being sent. There is a task for each batch and
    none for a row.

    Args:
        source: The file.
        mapping: From columns to fields.
        patients: From keys to ids.
        on_problem: Called for each row that cannot be sent, when its turn comes.

    Attributes:
        line: The line of the last row whose turn came; 0 before the first.
    """

    def __init__(
        self,
        source: Source,
        mapping: FieldMapping,
        patients: PatientLookup,
        on_problem: Callable[[SourceRow, Problem], None],
    ) -> None:
        self._source = source
        self._mapping = mapping
        self._patients = patients
        self._on_problem = on_problem
        self.line = 0

    async def rows(self) -> AsyncGenerator[ImportRow, None]:
        """Yield the rows that can be sent; to be closed by whoever stops early.

        Raises:
            OSError: the file cannot be read.
            UnicodeError: nor decoded any further.
            AuthenticationError: the server refused the token.
        """
        upcoming = asyncio.create_task(self._next())
        try:
            while True:
                batch, ids = await upcoming
                if not batch:
                    return
                upcoming = asyncio.create_task(self._next())
                for row, mapped in batch:
                    self.line = row.line
                    patient_id = mapped if isinstance(mapped, Problem) else ids[mapped.patient]
                    if isinstance(patient_id, Problem):
                        self._on_problem(row, patient_id)
                    else:
                        assert isinstance(mapped, Mapped)
                        yield ImportRow(patient_id, mapped.fields, str(row.line), source=row)
        finally:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)

    async def _next(self) -> tuple[list[tuple[SourceRow, Mapped | Problem]], dict[str, str | Problem]]:
        """Read a batch and look its patients up."""
        batch = await anyio.to_thread.run_sync(self._read)
        keys = (mapped.patient for _, mapped in batch if isinstance(mapped, Mapped))
        return batch, await self._patients.resolve(keys)

    def _read(self) -> list[tuple[SourceRow, Mapped | Problem]]:
        apply = self._mapping.apply
        return [(row, apply(row)) for row in self._source.read(_BATCH)]
