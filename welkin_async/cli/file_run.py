"""Working through a file: each row is carried out, and there is a place for every one that is not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import anyio.to_thread

from welkin_async.bulk import (
    BulkStoppedError,
    JournalLockedError,
    JournalMismatchError,
    OutcomeStream,
)
from welkin_async.cli.detection import written_as
from welkin_async.cli.earlier import Earlier
from welkin_async.cli.feed import Feed
from welkin_async.cli.jobs import Job
from welkin_async.cli.loop import Interrupt, unless_stopped
from welkin_async.cli.meter import Meter
from welkin_async.cli.naming import name_doubles, of_journal
from welkin_async.cli.opening import Opened, belongs, open_file
from welkin_async.cli.preparation import Preparing
from welkin_async.cli.progress import progress_shown, rows_counted, say
from welkin_async.cli.records_there import RecordsThere
from welkin_async.cli.row_files import RowFiles
from welkin_async.cli.settlement import Settlement
from welkin_async.cli.summary import Summary
from welkin_async.cli.tally import Tally
from welkin_async.cli.text import CommandError
from welkin_async.errors import AuthenticationError, WelkinError
from welkin_async.session import Welkin

__all__ = ["FileRun"]

_Stream = OutcomeStream[Any, Any]


class FileRun:
    """One run of a command that works through a file.

    Args:
        session: Makes a session that is not open yet, given the hook that counts requests.
        job: What is done with the rows of a file.
        interrupt: Ctrl-C.
    """

    def __init__(self, session: Callable[[Meter], Welkin], job: Job, interrupt: Interrupt) -> None:
        self._job = job
        self._options = job.options
        self._interrupt = interrupt
        self._tally = Tally(job.deed)
        self._meter = Meter(job.deed)
        self._welkin = session(self._meter)
        self._error: str | None = None
        self._files: RowFiles
        self._settlement: Settlement

    async def run(self) -> int:
        """Work through the file and print the summary.

        Returns:
            The exit code: 0 where every row is done, 1 where one is not, 2 where the credentials were refused before
            any was, 130 after Ctrl-C.

        Raises:
            CommandError: an option does not fit the file or the instance; nothing was sent.
            WelkinError: what rows are checked against could not be read; nothing was sent.
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
                preparing = await self._job.prepare(welkin, opened)
                return await self._carry_out(welkin, opened, preparing)
        finally:
            source.close()

    async def _carry_out(self, welkin: Welkin, opened: Opened, preparing: Preparing) -> int:
        """Send the rows and account for them, whatever happens."""
        job, options, interrupt, tally = self._job, self._options, self._interrupt, self._tally
        keys = job.keys(welkin)
        feed = Feed(
            job,
            opened.source,
            preparing,
            job.patients(welkin),
            there=None if keys is None else RecordsThere(keys, lambda: self._settlement.earlier),
            begin=lambda: self._begin(preparing),
        )
        interrupt.orderly = True
        tally.start()
        self._meter.samples.restart()
        rows = feed.rows()
        stream = job.stream(welkin, rows, opened.digest, tally.told)
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
            self._error = f"so many rows failed that it stopped: {error}"
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
        if refused and not tally.done and not tally.unknown:
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
                self._tally.unswept = stream.report.unswept
                for outcome in stream.unfinished:
                    self._settlement.take(outcome)
                await anyio.to_thread.run_sync(self._settlement.finish, self._options.journal)
                keys = self._job.keys(self._welkin)
                if stream.doubles and keys is not None:
                    await anyio.to_thread.run_sync(
                        name_doubles, self._job, preparing, keys, stream.doubles, self._settlement
                    )

    async def _consume(self, stream: _Stream) -> None:
        """Take outcomes until there are no more, or until an orderly end is asked for."""

        async def take_all() -> bool:
            """Take every outcome."""
            async for outcome in stream:
                self._settlement.take(outcome)
            return True

        if not await unless_stopped(take_all(), self._interrupt) and self._interrupt.signal:
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
            self._job.title,
            options.file.name,
            self._job.cdt,
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
