"""Worker process: imports one chunk after another, as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import anyio.to_thread
import attrs

from welkin_async.bulk import ChunkReport, import_chunk
from welkin_async.errors import WelkinError
from welkin_async.files.chunks.plan import Chunk, open_chunk
from welkin_async.files.errors import FileError
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.jobs.open_file import OpenedFile, open_file
from welkin_async.files.mapping.row_mapper import RowMapper
from welkin_async.files.run.row_feed import RowFeed
from welkin_async.http.settings import Settings
from welkin_async.session import Welkin
from welkin_async.shared import ChunkLedger, coordination
from welkin_async.shared.sealing import VARIABLE


class Order(NamedTuple):
    """What a worker is to do.

    Attributes:
        chunk: Which rows.
        holder: Names its claim.
    """

    chunk: Chunk
    holder: str


class Answer(NamedTuple):
    """What came of an order.

    Attributes:
        report: The counts; None where the chunk could not be carried out.
        error: Why not, free of data.
        kind: The name of that error's class.
    """

    report: ChunkReport | None
    error: str = ""
    kind: str = ""


@attrs.frozen(kw_only=True)
class Work:
    """What all workers of an import are told; it can be pickled.

    Attributes:
        settings: Of their sessions.
        shared: The URL of the store they share.
        lease: Seconds that the lease of a chunk lasts.
        key: Seals tokens in the store; empty for none.
        job: What is done with rows.
        digest: Of the file.
        run: The import's id.
    """

    settings: Settings = attrs.field(repr=False)
    shared: str = attrs.field(repr=False)
    lease: float
    key: str = attrs.field(repr=False)
    job: RecordImport
    digest: str
    run: str


def work(connection: Connection, given: Work) -> None:
    """Carry out orders until there are no more; the main function of a process.

    Args:
        connection: Brings orders, and None at the end; takes answers.
        given: What all workers are told.
    """
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who gave the orders
    if given.key:
        os.environ[VARIABLE] = given.key
    with contextlib.suppress(EOFError, BrokenPipeError):  # who gave the orders is gone
        asyncio.run(_work(connection, given))


async def _work(connection: Connection, given: Work) -> None:
    shared = coordination(given.shared, given.lease)
    try:
        async with Welkin.from_settings(given.settings, check="off") as welkin:
            importer: _Importer | None = None
            while (order := await anyio.to_thread.run_sync(connection.recv)) is not None:
                try:
                    if importer is None:
                        importer = await _Importer.open(welkin, given, shared.ledger)
                    answer = Answer(await importer.carry_out(order))
                except (WelkinError, OSError, UnicodeError) as error:
                    text = str(error) if isinstance(error, WelkinError) else type(error).__name__
                    answer = Answer(None, text, type(error).__name__)
                connection.send(answer)
    finally:
        await shared.aclose()


@attrs.define
class _Importer:
    """Imports chunks of one file, which it has looked through once."""

    welkin: Welkin
    given: Work
    ledger: ChunkLedger
    opened: OpenedFile
    mapper: RowMapper

    @classmethod
    async def open(cls, welkin: Welkin, given: Work, ledger: ChunkLedger) -> _Importer:
        """Look the file through.

        Raises:
            FileError: it is not the one that was planned, or does not fit.
            WelkinError: what rows are checked against could not be read.
        """
        opened = await open_file(given.job.settings)
        opened.source.close()
        if opened.digest != given.digest:
            raise FileError("the file has changed since its chunks were planned")
        return cls(welkin, given, ledger, opened, await given.job.mapper(welkin, opened))

    async def carry_out(self, order: Order) -> ChunkReport:
        """Import a chunk."""
        job, options = self.given.job, self.options()
        source = await anyio.to_thread.run_sync(open_chunk, self.opened.input, order.chunk)
        opened = OpenedFile(self.opened.input, source)
        feed = RowFeed(job, opened, self.mapper, job.patients(self.welkin), [])
        try:
            async with contextlib.aclosing(feed.rows()) as rows:
                found: Any = rows
                return await import_chunk(
                    self.welkin,
                    job.cdt,
                    order.chunk.id,
                    found,
                    run=self.given.run,
                    ledger=self.ledger,
                    holder=order.holder,
                    **options,
                )
        finally:
            source.close()

    def options(self) -> Any:
        """Return the options of the bulk operation."""
        job = self.given.job
        return {
            "concurrency": job.settings.concurrency,
            "key_field": job.key_field,
            "key_space": job.key_space,
            "check": job.settings.check,
            "settle": job.settle,
            "final_settle": job.final_settle,
            "row_patience": job.settings.row_patience,
        }
