"""Row feed: the rows of a file on their way to the bulk engine, read, mapped and their patients looked up."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable

import anyio.to_thread

from welkin_async.bulk import Journal, Status
from welkin_async.bulk.keys.cdt_keys import MintedKey
from welkin_async.files.jobs.job import FileJob
from welkin_async.files.jobs.open_file import OpenedFile
from welkin_async.files.mapping.patient_lookup import PatientLookup
from welkin_async.files.mapping.row_mapper import MappedRow, RowMapper
from welkin_async.files.readers.lines import UNDECODABLE
from welkin_async.files.readers.row import FileRow, RowError

_BATCH = 512  # rows; at most two batches are held
_NO_TEXT = RowError(Status.REJECTED, "the key holds characters that cannot be sent")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]").search
_NO_DIGEST = bytes(8)  # rows are told apart by their positions


class RowFeed:
    """Row feed: brings every row, in the order of the file, so that a row's position is its number in every run.

    Reading and mapping happen in a thread while the batch before is being sent. There is a task for each batch and
    none for a row. A row that cannot be sent comes as one with a problem: among them one whose key another row has,
    because none could tell whose the record on the server is.

    Args:
        job: What is done with them.
        opened: The file.
        mapper: From rows to fields and keys.
        patients: From patients' keys to ids; None where rows belong to no patient.
        notes: Learns what is to be known of the file, a sentence for each.
        begin: Awaited before the first row is brought; None for nothing.
    """

    def __init__(
        self,
        job: FileJob,
        opened: OpenedFile,
        mapper: RowMapper,
        patients: PatientLookup | None,
        notes: list[str],
        *,
        begin: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._job = job
        self._source = opened.source
        self._mapper = mapper
        self._patients = patients
        self._begin = begin
        self._claims: Journal | None = None
        self._key_taken = RowError(Status.REJECTED, job.key_taken)
        self._notes = notes
        self._hinted = False

    async def rows(self) -> AsyncGenerator[FileRow, None]:
        """Yield the rows; a caller that stops early closes it.

        Raises:
            OSError: the file cannot be read, or has changed.
            UnicodeError: nor decoded any further.
            AuthenticationError: the server refused the token.
            JournalError: there is no room for what is known of keys.
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
            if self._claims is not None:
                await self._claims.aclose()

    async def _next(self) -> list[FileRow]:
        """Read a batch, claim its keys and look its patients up."""
        batch = await anyio.to_thread.run_sync(self._read)
        batch = [await self._claim(mapped) for mapped in batch]
        ids: dict[str, str | RowError] = {}
        if self._patients is not None:
            ids = await self._patients.resolve(each.patient for each in batch if each.problem is None)
        return [self._row(each, ids) for each in batch]

    async def _claim(self, mapped: MappedRow) -> MappedRow:
        """Refuse a row whose key a row before it has; a key minted from the position is unique."""
        key = mapped.key
        if mapped.problem is not None or key is None or type(key) is MintedKey:
            return mapped
        if self._claims is None:
            self._claims = await Journal.open_private()
        if not key.isascii() and _LONE_SURROGATE(key):
            return mapped._replace(problem=_NO_TEXT)
        claim = self._claims.claim(self._job.claimed(key), _NO_DIGEST, mapped.row.position)
        if self._claims.behind:
            await self._claims.flush()
        return mapped if claim == "new" else mapped._replace(problem=self._key_taken)

    def _read(self) -> list[MappedRow]:
        map_row = self._mapper.map
        return [map_row(row) for row in self._source.read(_BATCH)]

    def _row(self, mapped: MappedRow, ids: dict[str, str | RowError]) -> FileRow:
        if mapped.row.problem is UNDECODABLE and not self._hinted:
            self._hinted = True
            line, encoding = mapped.row.line, self._source.encoding
            self._notes.append(
                f"line {line} is not text in {encoding}: where that is not the file's encoding, give encoding="
            )
        found = mapped.problem or ids.get(mapped.patient, "")
        if isinstance(found, RowError):
            reason = self._job.settings.wording(found.reason)
            return self._job.row(mapped, "", found._replace(reason=reason))
        return self._job.row(mapped, found, None)
