"""``welkin-async import``: from a file to records, and a place for every row that is not created."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import tzinfo
from pathlib import Path

import anyio.to_thread
import attrs

from welkin_async.bulk import CdtRow, Outcome, OutcomeStream, Status, stream_cdt_records
from welkin_async.cli.feed import Feed
from welkin_async.cli.loop import Interrupt
from welkin_async.cli.mapping import ColumnMap, FieldMapping
from welkin_async.cli.patients import PatientLookup, reason_of
from welkin_async.cli.progress import progress_shown, say
from welkin_async.cli.rejects import RejectFiles
from welkin_async.cli.rows import ImportRow, Problem, SourceRow
from welkin_async.cli.sources import Source, count_rows, open_source
from welkin_async.cli.summary import summary
from welkin_async.cli.tally import Tally
from welkin_async.cli.text import CommandError
from welkin_async.errors import AuthenticationError, NotFoundError, WelkinError
from welkin_async.models.cdts import CdtRecord
from welkin_async.models.formations import CdtFormation
from welkin_async.resources.patients import PatientKeyType
from welkin_async.session import Welkin

__all__ = ["Import", "ImportOptions"]

_MOST_LOOK_UPS = 32  # at once
_MOST_UNWRITTEN = 1000


@attrs.frozen(kw_only=True)
class ImportOptions:
    """What is imported, and how.

    Attributes:
        file: A ``.csv`` or ``.ndjson`` file.
        cdt: The CDT's name.
        patient_column: The column of the patient's key.
        patient_type: What that key is.
        maps: Which columns become which fields; empty for all, under their own names.
        zone: The zone of datetimes without an offset; None refuses them.
        check: Whether to read the CDT's definition first and check and convert by it.
        concurrency: How many requests at once.
        rejects: Where rows that are not created go; None for a file beside the input.
        encoding: The file's encoding.
        delimiter: What stands between the cells of a CSV file.
        from_line: Rows that begin before this line are passed over.
    """

    file: Path
    cdt: str
    patient_column: str
    patient_type: PatientKeyType = "ID"
    maps: tuple[ColumnMap, ...] = ()
    zone: tzinfo | None = None
    check: bool = True
    concurrency: int = 32
    rejects: Path | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    from_line: int = 1


class Import:
    """One run of the command.

    Args:
        welkin: A session that is not open yet.
        options: What is imported.
        interrupt: Ctrl-C.
    """

    def __init__(self, welkin: Welkin, options: ImportOptions, interrupt: Interrupt) -> None:
        self._welkin = welkin
        self._options = options
        self._interrupt = interrupt
        self._tally = Tally()
        self._feed: Feed | None = None
        self._files: RejectFiles
        self._unwritten: list[tuple[int, Status]] = []
        self._error: str | None = None

    async def run(self) -> int:
        """Import the file and print the summary.

        Returns:
            The exit code: 0 where every row was created, 1 where one was not, 2 where the credentials were refused
            before any was, 130 after Ctrl-C.

        Raises:
            CommandError: an option does not fit the file or the CDT; nothing was sent.
            WelkinError: the CDT's definition could not be read; nothing was sent.
        """
        options = self._options
        source = await anyio.to_thread.run_sync(self._open)
        try:
            self._files = RejectFiles(options.file, options.rejects, source.form, options.encoding)
            async with self._welkin as welkin:
                formation = await self._formation(welkin) if options.check else None
                mapping = FieldMapping(
                    source.columns,
                    fixed=source.fixed,
                    patient_column=options.patient_column,
                    maps=options.maps,
                    formation=formation,
                    zone=options.zone,
                )
                return await self._import(welkin, source, mapping)
        finally:
            source.close()

    def _open(self) -> Source:
        options = self._options
        return open_source(
            options.file, encoding=options.encoding, delimiter=options.delimiter, from_line=options.from_line
        )

    async def _formation(self, welkin: Welkin) -> CdtFormation:
        try:
            return await welkin.formations().cdts.get(self._options.cdt)
        except NotFoundError:
            raise CommandError(f"the instance has no CDT {self._options.cdt}, or none the api client may see") from None

    async def _import(self, welkin: Welkin, source: Source, mapping: FieldMapping) -> int:
        """Send the rows and account for them, whatever happens."""
        options, interrupt, tally = self._options, self._interrupt, self._tally
        patients = PatientLookup(welkin, options.patient_type, concurrency=min(options.concurrency, _MOST_LOOK_UPS))
        feed = self._feed = Feed(source, mapping, patients, self._refuse)
        interrupt.orderly = True
        tally.start()
        refused = False
        try:
            async with progress_shown(tally), self._counted(), contextlib.aclosing(feed.rows()) as rows:
                stream = stream_cdt_records(
                    welkin,
                    options.cdt,
                    rows,
                    concurrency=options.concurrency,
                    check="strict" if options.check else "off",
                )
                try:
                    async with stream:
                        await self._consume(stream)
                finally:
                    for outcome in stream.unfinished:
                        self._take(outcome)
        except asyncio.CancelledError:
            if not interrupt.signal:
                raise
        except WelkinError as error:
            self._error = str(error)
            refused = isinstance(error, AuthenticationError)
        except OSError as error:
            self._error = f"the file cannot be read any further: {error.strerror or type(error).__name__}"
        except UnicodeError:
            self._error = "the file is not text in the given encoding from here on"
        finally:
            self._files.close()
        self._report()
        if interrupt.signal:
            return interrupt.exit_code
        if refused and not tally.created and not tally.unknown:
            return 2
        return 0 if tally.complete and self._error is None else 1

    async def _consume(self, stream: OutcomeStream[CdtRow, CdtRecord]) -> None:
        """Take outcomes until there are no more, or until an orderly end is asked for."""

        async def take_all() -> None:
            """Take every outcome."""
            async for outcome in stream:
                self._take(outcome)

        taking = asyncio.create_task(take_all())
        asked = asyncio.create_task(self._interrupt.stop.wait())
        try:
            await asyncio.wait((taking, asked), return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            taking.cancel()
            await asyncio.wait((taking, asked))
        if not taking.cancelled():
            taking.result()
        elif self._interrupt.signal:
            say("stopping: what is in flight is waited for; press Ctrl-C again to stop at once")

    def _take(self, outcome: Outcome[CdtRow, CdtRecord]) -> None:
        self._tally.sent(outcome)
        if outcome.status is not Status.CREATED:
            assert isinstance(outcome.row, ImportRow)
            self._refuse(outcome.row.source, Problem(outcome.status, reason_of(outcome.error)))

    def _refuse(self, row: SourceRow, problem: Problem) -> None:
        """Put a row where its status belongs. A file that cannot be written ends the import."""
        self._tally.refuse(problem)
        try:
            self._files.write(row, problem)
        except (OSError, UnicodeError) as error:
            if self._error is None:
                reason = error.strerror if isinstance(error, OSError) else "the encoding cannot hold a row"
                self._error = f"a reject file cannot be written: {reason}"
            if len(self._unwritten) < _MOST_UNWRITTEN:
                self._unwritten.append((row.line, problem.status))
            self._interrupt.stop.set()

    @contextlib.asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        """Have the rows of the file counted meanwhile; nobody waits for it."""
        done = False

        async def count() -> None:
            """Note the total when it is known."""
            self._tally.total = await anyio.to_thread.run_sync(count_rows, self._options.file, lambda: done)

        counting = asyncio.create_task(count()) if self._options.from_line == 1 else None
        try:
            yield
        finally:
            done = True
            if counting is not None:
                await asyncio.wait([counting])

    def _report(self) -> None:
        stopped = self._error is not None or self._interrupt.signal
        line = self._feed.line if self._feed is not None else 0
        print(summary(self._options.file, self._options.cdt, self._tally, self._files))  # noqa: T201 - its purpose
        for number, status in self._unwritten:
            say(f"line {number} is in no reject file: {status.value}")
        if self._error is not None:
            say(f"welkin-async: {self._error}")
        if stopped and line:
            say(
                f"welkin-async: stopped after line {line}; every row up to there has its outcome. Go on with "
                f"--from-line {max(line + 1, self._options.from_line)} and another --rejects"
            )
