"""Chunk importer: imports chunks of one file, which it has looked through once."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Awaitable, Iterator
from functools import partial
from typing import Any

import anyio.to_thread
import attrs

from welkin_async.bulk import ChunkReport, import_chunk
from welkin_async.errors import WelkinError
from welkin_async.files.chunks.chunk_queue import Answer
from welkin_async.files.chunks.object_file import local_copy
from welkin_async.files.chunks.parts import PartsFolder, PartWriter, counting_alone
from welkin_async.files.chunks.plan import Chunk, open_chunk
from welkin_async.files.errors import FileError
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.jobs.open_file import OpenedFile, open_file
from welkin_async.files.mapping.row_mapper import RowMapper
from welkin_async.files.readers.content import FileChangedError
from welkin_async.files.readers.input_file import unreadable
from welkin_async.files.report.chunk_metrics import ChunkMetrics, measured, metrics_of
from welkin_async.files.report.row_counts import RowCounts
from welkin_async.files.run.row_feed import RowFeed
from welkin_async.session import Welkin
from welkin_async.shared import ChunkLedger


@attrs.frozen(kw_only=True)
class FileWork:
    """What a worker is told of a file; it can be pickled.

    Attributes:
        job: What is done with rows.
        digest: Of the file.
        run: The import's id.
        parts: Where rows go that belong into its reject, review or results file; None where there is none of these.
    """

    job: RecordImport
    digest: str
    run: str
    parts: PartsFolder | None = None


@attrs.frozen(kw_only=True)
class PreparedImport:
    """Prepared import: a file divided into chunks, for any engine to hand out.

    Attributes:
        work: What every worker is told.
        identity: What tells this import from any other; the ledger's run is opened with it.
        chunks: In the order of their first rows.
    """

    work: FileWork
    identity: str
    chunks: tuple[Chunk, ...]

    @property
    def run(self) -> str:
        """The import's id in the ledger."""
        return self.work.run


@attrs.define
class ChunkImporter:
    """Chunk importer: imports chunks of one file; made by `open`, once for each file and worker process.

    Attributes:
        welkin: An open session.
        given: What it was told of the file.
        ledger: Keeps account of chunks.
        opened: The file.
        mapper: From rows to fields and keys.
        metrics: What the latest attempt at a chunk has cost; None where no page is asked for.
    """

    welkin: Welkin
    given: FileWork
    ledger: ChunkLedger
    opened: OpenedFile
    mapper: RowMapper
    metrics: ChunkMetrics | None = None

    @classmethod
    async def open(cls, welkin: Welkin, given: FileWork, ledger: ChunkLedger) -> ChunkImporter:
        """Look the file through.

        Args:
            welkin: An open session.
            given: What is known of the file.
            ledger: Keeps account of chunks.

        Raises:
            FileError: it is not the one that was planned, or does not fit; or rows cannot be written where they belong.
            WelkinError: what rows are checked against could not be read.
        """
        settings = given.job.settings
        if given.parts is not None:
            await anyio.to_thread.run_sync(given.parts.check)
        elif settings.rejects or settings.review or settings.results:
            raise FileError(
                "files of rows are asked for, and nobody joins them: hand out the work of files.ImportFiles"
            )
        with contextlib.ExitStack() as held:
            settings = await anyio.to_thread.run_sync(held.enter_context, local_copy(settings))
            opened = await open_file(settings)
            opened.source.close()
            if opened.digest != given.digest:
                raise FileError("the file has changed since its chunks were planned: put it back as it was")
            importer = cls(welkin, given, ledger, opened, await given.job.mapper(welkin, opened))
            weakref.finalize(importer, held.pop_all().close)  # a copy of the file is there as long as this is
        return importer

    async def carry_out(self, chunk: Chunk, holder: str | None = None) -> ChunkReport:
        """Import a chunk, exactly once, however often and wherever it is begun; see `welkin_async.bulk.import_chunk`.

        Args:
            chunk: Which rows.
            holder: Names the claim; None for a name of its own.

        Returns:
            The counts; ``finished`` is 0 where the chunk is to be begun again.

        Raises:
            WelkinError: see `welkin_async.bulk.import_chunk`; or rows cannot be written where they belong.
            OSError: the file cannot be read.
            UnicodeError: nor decoded.
        """
        job, options = self.given.job, self._options()
        source = await anyio.to_thread.run_sync(open_chunk, self.opened.input, chunk)
        opened = OpenedFile(self.opened.input, source)
        feed = RowFeed(job, opened, self.mapper, job.patients(self.welkin), [])
        part: PartWriter | None = None
        counts: RowCounts | None = None
        self.metrics = None
        try:
            if self.given.parts is not None:
                part = await anyio.to_thread.run_sync(PartWriter, self.given.parts, job.settings, opened)
                options |= {"on_outcome": part.record, "on_settled": partial(part.commit, chunk.id)}
            if job.settings.html is not None:
                counts = RowCounts() if part is None else part.counts
                options.setdefault("on_outcome", counting_alone(counts, job.settings, opened))
            with self._measured(counts):
                async with contextlib.aclosing(feed.rows()) as rows:
                    found: Any = rows
                    return await import_chunk(
                        self.welkin,
                        job.cdt,
                        chunk.id,
                        found,
                        run=self.given.run,
                        ledger=self.ledger,
                        holder=holder,
                        **options,
                    )
        finally:
            source.close()
            if part is not None:
                part.discard()

    @contextlib.contextmanager
    def _measured(self, counts: RowCounts | None) -> Iterator[None]:
        """Measure what an attempt at a chunk costs, where its rows are counted."""
        if counts is None:
            yield
            return
        with measured(self.welkin, counts) as metrics:
            try:
                yield
            finally:
                self.metrics = metrics_of(metrics, counts)

    def _options(self) -> Any:
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


async def answered(work: Awaitable[ChunkReport | None]) -> Answer:
    """Carry work out, and say what came of it without data of any row, for defects too.

    Args:
        work: Returns the counts of a chunk, or None where there is nothing to count.
    """
    try:
        return Answer(await work)
    except FileChangedError as error:
        return Answer(None, unreadable(error), type(error).__name__)
    except (WelkinError, OSError, UnicodeError) as error:
        text = str(error) if isinstance(error, WelkinError) else type(error).__name__
        return Answer(None, text, type(error).__name__)
    except Exception as error:
        return Answer(None, f"a defect of a worker: {type(error).__name__}", "defect")
