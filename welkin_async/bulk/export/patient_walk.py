"""Patient walk: the records of one CDT, listed patient by patient, a few patients at once."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable
from functools import partial
from threading import Event
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from welkin_async.bulk.errors import ExportError
from welkin_async.bulk.export.partial_file import ExportFile
from welkin_async.bulk.source import RowSource
from welkin_async.errors import InvalidInputError, PagingError
from welkin_async.models.cdts import CdtRecord
from welkin_async.models.patients import Patient
from welkin_async.pagination.iterators import Pages
from welkin_async.pagination.pager import Page
from welkin_async.resources._base.mixins import Scope
from welkin_async.resources.cdts import CREATE_CDT, Cdts

T = TypeVar("T")

_KEEP_EVERY = 1.0  # seconds of work that a run that is killed may lose
_TRIES = 5
_PAUSE = 0.5  # seconds between two tries at a list that moved


async def off_loop(work: Callable[[], T], stop: Event | None = None) -> T:
    """Do something that blocks in a thread, and do not leave before it is done, not even when cancelled.

    Args:
        work: What to do.
        stop: Set when the caller is cancelled, to end the work early.
    """
    future = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if stop is not None:
            stop.set()
        while not future.done():
            try:
                await asyncio.wait((future,))
            except asyncio.CancelledError:
                continue
        if not future.cancelled():
            future.exception()  # the cancellation is what the caller hears of
        raise


class _Begun(NamedTuple):
    """A patient whose first page was asked for."""

    id: str
    first: asyncio.Task[Page[CdtRecord]]
    pages: Pages[CdtRecord]


class PatientsWalk:
    """Lists patients, the first pages of a few at once, and writes their records in order.

    Memory holds a page for each patient that is listed at once, and the ids of the one that is being written.

    Args:
        scope: The session's scope, with the CDT's name.
        patients: The patients.
        page_size: Records per page.
        concurrency: How many are listed at once.

    Attributes:
        target: What identifies the records.
    """

    def __init__(
        self,
        scope: Scope,
        patients: Iterable[str | UUID | Patient] | AsyncIterable[str | UUID | Patient],
        *,
        page_size: int,
        concurrency: int,
    ) -> None:
        if concurrency < 1:
            raise InvalidInputError("concurrency is at least 1")
        self._scope = scope
        self._source: RowSource[tuple[Any]] = RowSource(patients, lambda _, patient: (patient,))
        self._size = page_size
        self._concurrency = concurrency
        self.target = f"{scope.base_url}{CREATE_CDT.path({**scope.params, 'patient_id': '-'})}"

    async def run(self, file: ExportFile, notify: Callable[[], None]) -> None:
        """Write all records that are not written yet.

        Args:
            file: The export.
            notify: Called now and then.

        Raises:
            ExportError: other patients come than in the run that is taken up.
            PagingError: a list could not be read completely.
            RequestError: a page could not be had.
        """
        begun: deque[_Begun] = deque()
        kept = time.monotonic()
        try:
            chain = await self._skipped(file)
            while True:
                while len(begun) < self._concurrency and (id := await self._next()) is not None:
                    begun.append(self._begin(id))
                if not begun:
                    return
                patient = begun[0]
                records, pages = await self._write(file, patient)
                begun.popleft()
                chain = _chained(chain, patient.id)
                mark = file.mark
                mark.page = mark.offset = file.size
                mark.patients += 1
                mark.records += records
                mark.pages += pages
                mark.chain = chain
                if time.monotonic() - kept > _KEEP_EVERY:
                    await off_loop(file.keep)
                    kept = time.monotonic()
                    notify()
        finally:
            await self._source.aclose()
            for patient in begun:
                patient.first.cancel()
            await asyncio.gather(*(patient.first for patient in begun), return_exceptions=True)

    async def _skipped(self, file: ExportFile) -> str:
        """Pass over the patients that are done, and return the digest of their ids."""
        chain = ""
        for _ in range(file.mark.patients):
            id = await self._next()
            if id is None:
                break
            chain = _chained(chain, id)
        if chain != file.mark.chain:
            raise ExportError("other patients come than when the export was begun; begin anew with resume=False")
        return chain

    async def _next(self) -> str | None:
        pulled = await self._source.pull()
        if pulled is None:
            return None
        (patient,) = pulled
        if isinstance(patient, Patient):
            patient = patient.id
        if not isinstance(patient, str | UUID):
            raise InvalidInputError(f"a patient is an id or a Patient, not a {type(patient).__name__}", ("patients",))
        return str(patient)

    def _begin(self, id: str) -> _Begun:
        pages = self._pages(id)
        return _Begun(id, asyncio.create_task(pages.__anext__(), name="welkin_async export"), pages)

    def _pages(self, id: str) -> Pages[CdtRecord]:
        cdts = Cdts(self._scope.within(patient_id=id))
        return cdts.list(sort="created_at,asc", size=self._size).pages()

    async def _write(self, file: ExportFile, patient: _Begun) -> tuple[int, int]:
        """Write a patient's records, all of them; returns how many, and on how many pages they came."""
        begin, pages = file.size, patient.pages
        page = await patient.first
        for _ in range(_TRIES):
            seen: set[str] = set()
            while True:
                fresh = {each.id: each.__wire__() for each in page.items if each.id not in seen}
                seen.update(fresh)
                await off_loop(partial(file.write, fresh.values(), seam=False))
                if page.last:
                    break
                page = await anext(pages)
            if page.total_elements in (None, len(seen)):
                return len(seen), page.number + 1
            # Records were deleted or came to be seen while the pages were read, and one may have slipped through.
            await off_loop(partial(file.cut, begin))
            await asyncio.sleep(_PAUSE)
            pages = self._pages(patient.id)
            page = await anext(pages)
        raise PagingError("a patient's records were never as many as their last page states; try again later")


def _chained(chain: str, id: str) -> str:
    return hashlib.blake2b(f"{chain}/{id}".encode(), digest_size=16).hexdigest()
