"""``welkin-async import``: from a file to records, and a place for every row that is not created."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import anyio.to_thread

from welkin_async.bulk import (
    BulkStoppedError,
    CdtRow,
    JournalLockedError,
    JournalMismatchError,
    OutcomeStream,
    stream_cdt_records,
)
from welkin_async.cli.detection import written_as
from welkin_async.cli.earlier import Earlier
from welkin_async.cli.feed import Feed
from welkin_async.cli.loop import Interrupt
from welkin_async.cli.meter import Meter
from welkin_async.cli.naming import name_doubles, of_journal
from welkin_async.cli.opening import Opened, belongs, open_file, prepare, record_keys
from welkin_async.cli.options import ImportOptions
from welkin_async.cli.patients import PatientLookup
from welkin_async.cli.preparation import Preparing
from welkin_async.cli.progress import progress_shown, rows_counted, say
from welkin_async.cli.records_there import RecordsThere
from welkin_async.cli.row_files import RowFiles
from welkin_async.cli.settlement import Settlement
from welkin_async.cli.summary import Summary
from welkin_async.cli.tally import Tally
from welkin_async.cli.text import CommandError
from welkin_async.errors import AuthenticationError, WelkinError
from welkin_async.models.cdts import CdtRecord
from welkin_async.session import Welkin

__all__ = ["Import"]

_MOST_LOOK_UPS = 32  # at once
_Stream = OutcomeStream[CdtRow, CdtRecord]


class Import:
    """One run of the command.

    Args:
        session: Makes a session that is not open yet, given the hook that counts requests.
        options: What is imported.
        interrupt: Ctrl-C.
    """

    def __init__(self, session: Callable[[Meter], Welkin], options: ImportOptions, interrupt: Interrupt) -> None:
        self._options = options
        self._interrupt = interrupt
        self._tally = Tally()
        self._meter = Meter()
        self._welkin = session(self._meter)
        self._error: str | None = None
        self._files: RowFiles
        self._settlement: Settlement

    async def run(self) -> int:
        """Import the file and print the summary.

        Returns:
            The exit code: 0 where every row is created, 1 where one is not, 2 where the credentials were refused before
            any was, 130 after Ctrl-C.

        Raises:
            CommandError: an option does not fit the file or the CDT; nothing was sent.
            WelkinError: the CDT's definition could not be read; nothing was sent.
        """
        options = self._options
        opened = await open_file(options)
        source = opened.source
        try:
            self._files = RowFiles(
                options.file, options.rejects, options.results, source.form, written_as(source.encoding), source.columns
            )
            if options.mode != "restart" and (options.journal is None or not options.journal.exists()):
                self._files.check_absent()
            self._settlement = Settlement(
                self._tally,
                self._meter,
                self._files,
                opened.digest,
                journal=options.journal is not None,
                stop=self._interrupt.stop.set,
            )
            async with self._welkin as welkin:
                self._tally.limiter, self._tally.tokens = welkin.transport.limiter, welkin.transport.tokens
                preparing = await prepare(welkin, options, opened)
                return await self._import(welkin, opened, preparing)
        finally:
            source.close()

    async def _import(self, welkin: Welkin, opened: Opened, preparing: Preparing) -> int:
        """Send the rows and account for them, whatever happens."""
        options, interrupt, tally = self._options, self._interrupt, self._tally
        keys = record_keys(welkin, options)
        feed = Feed(
            options.file,
            opened.source,
            preparing,
            PatientLookup(welkin, options.patient_type, concurrency=min(options.concurrency, _MOST_LOOK_UPS)),
            there=None if keys is None else RecordsThere(keys, lambda: self._settlement.earlier),
            begin=lambda: self._begin(preparing),
        )
        interrupt.orderly = True
        tally.start()
        self._meter.samples.restart()
        rows = feed.rows()
        stream = stream_cdt_records(
            welkin,
            options.cdt,
            rows,
            concurrency=options.concurrency,
            check=options.check,
            key_field=options.key_field,
            settle=options.settle,
            final_settle=options.final_settle,
            journal=options.journal,
            resume=options.mode,
            source=options.source(opened.digest),
            remove_doubles=options.remove_doubles,
            max_failures=options.max_failures,
        )
        refused = False
        try:
            async with (
                progress_shown(tally),
                rows_counted(tally, options.file, opened.source),
                contextlib.aclosing(rows),
            ):
                await self._through(stream, opened, preparing)
        except asyncio.CancelledError:
            if not interrupt.signal:
                raise
        except (JournalLockedError, JournalMismatchError) as error:
            raise CommandError(of_journal(error, options.journal)) from None
        except BulkStoppedError as error:
            self._error = f"so many rows failed that the import stopped: {error}"
        except WelkinError as error:
            self._error = str(error)
            refused = isinstance(error, AuthenticationError)
        except OSError as error:
            self._error = error.strerror or type(error).__name__
        except UnicodeError:
            self._error = "the file is not text in the given encoding from here on"
        finally:
            self._settlement.earlier.close()
            self._close_files()
        self._error = self._error or self._settlement.error
        self._report(stream, opened)
        if interrupt.signal:
            return interrupt.exit_code
        if refused and not tally.created and not tally.unknown:
            return 2
        return 0 if tally.complete and self._error is None else 1

    async def _begin(self, preparing: Preparing) -> None:
        """Take up what earlier runs left, while the journal is held and before anything is sent."""
        options = self._options

        def work() -> Earlier:
            if options.journal is not None:
                self._files.take_up(options.mode)
                for path, held in self._files.earlier():
                    belongs(options, preparing, path, held)
            return Earlier(options.journal)

        self._settlement.earlier = await anyio.to_thread.run_sync(work)

    async def _through(self, stream: _Stream, opened: Opened, preparing: Preparing) -> None:
        """Bring every row through, and account for those whose outcomes come only when all is over."""
        entered = False
        try:
            async with stream:
                entered = True
                await self._consume(stream)
        finally:
            if entered:
                for outcome in stream.unfinished:
                    self._settlement.take(outcome)
                await anyio.to_thread.run_sync(self._settlement.finish, self._options.journal)
                if stream.doubles:
                    keys = record_keys(self._welkin, self._options)
                    await anyio.to_thread.run_sync(
                        name_doubles, self._options, preparing, keys, stream.doubles, self._settlement
                    )

    async def _consume(self, stream: _Stream) -> None:
        """Take outcomes until there are no more, or until an orderly end is asked for."""

        async def take_all() -> None:
            """Take every outcome."""
            async for outcome in stream:
                self._settlement.take(outcome)

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

    def _close_files(self) -> None:
        try:
            self._files.close()
        except OSError as error:
            self._error = self._error or f"a file of rows cannot be written: {error.strerror}"

    def _report(self, stream: _Stream, opened: Opened) -> None:
        """Print the summary, and say how to go on where not all is done."""
        options, report = self._options, stream.report
        summary = Summary(
            options.file.name,
            options.cdt,
            opened.digest,
            self._tally,
            self._meter,
            self._files,
            report.paused,
            report.lookups,
        )
        stopped = self._error is not None or bool(self._interrupt.signal)
        resume = options.command if stopped and options.journal is not None else None
        print(summary.json(error=self._error, resume=resume) if options.json else summary.text())  # noqa: T201 - its purpose
        if options.report is not None:
            try:
                options.report.write_text(summary.html(), encoding="utf-8")
            except OSError as error:
                say(f"welkin-async: the report cannot be written: {error.strerror}")
        for line, status in self._settlement.unwritten if options.journal is None else ():
            say(f"line {line} is in no file: {status}")
        if self._error is not None:
            say(f"welkin-async: {self._error}")
        if resume is not None:
            say(f"welkin-async: stopped; nothing is lost. This goes on where it stopped:\n  {resume}")
        elif stopped:
            say("welkin-async: stopped; without a journal it cannot be gone on with, and would begin anew")
