"""File run: works through a file, carries each row out, and accounts for every one that is not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import attrs

from welkin_async.bulk import BulkStoppedError, JournalError, JournalLockedError, JournalMismatchError, OutcomeStream
from welkin_async.bulk.journal.reader import JournalReader
from welkin_async.bulk.keys.protocol import Keys
from welkin_async.errors import WelkinError
from welkin_async.files.errors import FileError
from welkin_async.files.jobs.job import FileJob
from welkin_async.files.jobs.open_file import OpenedFile, check_same_import, open_file
from welkin_async.files.mapping.patient_lookup import PatientLookup
from welkin_async.files.mapping.row_mapper import RowMapper
from welkin_async.files.options import FileProgress
from welkin_async.files.outputs.reject_files import RejectFiles
from welkin_async.files.readers.content import FileChangedError
from welkin_async.files.readers.detection import written_as
from welkin_async.files.readers.file_version import text_of, versions_of
from welkin_async.files.readers.formats import RowResult
from welkin_async.files.readers.row import FileRow, RowError
from welkin_async.files.report.absent_counts import AbsentCounts
from welkin_async.files.report.file_report import FileReport
from welkin_async.files.report.lookup_cost import LookupCost
from welkin_async.files.report.request_metrics import RequestMetrics
from welkin_async.files.report.row_counts import RowCounts
from welkin_async.files.report.run_origin import RunOrigin
from welkin_async.files.report.text import whole
from welkin_async.files.run.absent_deletion import AbsentDeletion
from welkin_async.files.run.duplicates import record_duplicates
from welkin_async.files.run.lookup_estimate import check_bound, estimate_lookups
from welkin_async.files.run.outcome_recorder import OutcomeRecorder
from welkin_async.files.run.row_feed import RowFeed
from welkin_async.files.run.stopping import until_stopped
from welkin_async.http.private_file import replacing
from welkin_async.session import Welkin

_Stream = OutcomeStream[Any, Any]
_CHANGED = (
    "put it back as it was, or let it have only grown, and the same call goes on by its journal; a file that is "
    "changed otherwise is another import, with another journal= and rejects="
)
_VERSIONS = "file_versions"  # by which a journal knows what the file was
_MOST_LINES = 50  # that a dry run names
_NOTIFY_EVERY = 1024  # rows of a dry run


class FileRun:
    """File run: one run over the rows of a file, or a dry run where the settings ask for that.

    A dry run checks columns, conversions, the CDT's definition, keys and, where that is asked for, the patients.

    Args:
        job: What is done with the rows.
        stop: Asks for an orderly end.
        on_progress: Called with a snapshot now and then.
        on_cost: Called before the first row is sent with what looking for rows is expected to cost, where any are
            looked for.
        deletion: Deletes what the file no longer names, once its rows are carried out; None for no deletion.

    Attributes:
        counts: How far it is; in a dry run good rows count as done.
    """

    def __init__(
        self,
        job: FileJob,
        *,
        stop: asyncio.Event | None = None,
        on_progress: Callable[[FileProgress], None] | None = None,
        on_cost: Callable[[LookupCost], None] | None = None,
        deletion: AbsentDeletion | None = None,
    ) -> None:
        self._deletion = deletion
        self._absent: AbsentCounts | None = None
        self._on_cost = on_cost
        self._cost: LookupCost | None = None
        self.counts = RowCounts(job.kind, report=on_progress)
        self._job = job
        self._settings = job.settings
        self._stop = asyncio.Event() if stop is None else stop
        self._given_up = asyncio.Event()  # the run cannot go on
        self._stopped = True
        self._metrics = RequestMetrics(job.kind)
        self._error: Exception | None = None
        self._reason: str | None = None
        self._notes: list[str] = []
        self._refused: list[tuple[int, str]] = []
        self._opened: OpenedFile | None = None
        self._files: RejectFiles | None = None
        self._patients: PatientLookup | None = None
        self._stream: _Stream | None = None
        self._html: Path | None = None
        self._origin: RunOrigin | None = None

    async def run(self, welkin: Welkin) -> FileReport:
        """Work through the file.

        Args:
            welkin: An open session.

        Returns:
            The report; after a cancellation `report` has it.

        Raises:
            FileError: an option does not fit the file or the instance; nothing was sent.
            WelkinError: what rows are checked against could not be read; nothing was sent.
        """
        self._origin = RunOrigin.of(welkin.settings, self._settings.command)
        transport = welkin.transport
        self.counts.stats, self.counts.tokens = (lambda: transport.stats), transport.tokens
        try:
            with self._metrics.counting(transport):
                if self._settings.dry_run:
                    self._stopped = not await until_stopped(self._check(welkin), self._stop)
                elif prepared := await until_stopped(self._prepare(welkin), self._stop):
                    await self._carry_out(welkin, *prepared)
                    await self._delete_absent(welkin)
        finally:
            if self._opened is not None:
                self._opened.source.close()
        return self.report

    async def _open(self) -> OpenedFile:
        self._opened = await open_file(self._settings)
        self.counts.total = self._opened.source.total
        self._notes += self._opened.input.warnings
        return self._opened

    async def _check(self, welkin: Welkin) -> bool:
        """Check every row, and send nothing."""
        job, counts, opened = self._job, self.counts, await self._open()
        settings = attrs.evolve(self._settings, review=None, results=None)  # nothing is sent that would go there
        source = opened.source
        self._files = files = RejectFiles(settings, source.form, written_as(source.encoding), source.columns)
        files.check_absent()
        mapper = await job.mapper(welkin, opened)
        patients = job.patients(welkin, ids_too=True) if settings.check_patients else None
        as_given = job.patient is not None and job.patient.type == "ID"
        await self._estimate(welkin, opened, job.patients(welkin) if as_given else patients)
        counts.start()
        try:
            async with contextlib.aclosing(RowFeed(job, opened, mapper, patients, self._notes).rows()) as rows:
                async for row in rows:
                    if row.refused is None:
                        counts.done += 1
                    else:
                        await self._note_refused(row, row.refused, files)
                    if not counts.rows % _NOTIFY_EVERY:
                        counts.notify()
        except OSError as error:
            self._fail(error, error.strerror or type(error).__name__)
        finally:
            await anyio.to_thread.run_sync(files.close)
        self._notes += (f"{whole(count)} rows are sent though {why}" for why, count in mapper.warned.most_common())
        counts.notify()
        return True

    async def _note_refused(self, row: FileRow, refused: RowError, files: RejectFiles) -> None:
        """Count a row that a dry run has found bad, and write it where that is asked for."""
        self.counts.count(str(refused.status))
        self.counts.count_reason(refused.reason)
        if len(self._refused) < _MOST_LINES:
            self._refused.append((row.source.line, refused.reason))
        if files.rejects is not None:
            assert self._opened is not None
            origin = row.source.origin or self._opened.digest
            result = RowResult(
                str(refused.status), refused.reason, row.key or "", origin, request_id=refused.request_id
            )
            await anyio.to_thread.run_sync(files.rejects.write, row.source, result)

    async def _prepare(self, welkin: Welkin) -> tuple[RowMapper, OutcomeRecorder]:
        """Open the file, and read what its rows are checked against."""
        settings, opened = self._settings, await self._open()
        source = opened.source
        self._files = files = RejectFiles(settings, source.form, written_as(source.encoding), source.columns)
        if settings.resume != "restart" and (settings.journal is None or not settings.journal.exists()):
            files.check_absent()
        journal, loop = settings.journal is not None, asyncio.get_running_loop()

        def give_up() -> None:
            loop.call_soon_threadsafe(self._given_up.set)

        if settings.journal is not None and settings.resume != "restart":
            await anyio.to_thread.run_sync(_take_up, opened, settings.journal)
        recorder = OutcomeRecorder(self.counts, files, opened.digest, journal=journal, stop=give_up)
        mapper = await self._job.mapper(welkin, opened)
        self._patients = self._job.patients(welkin)
        if settings.resume == "restart" or settings.journal is None or not settings.journal.exists():
            await self._estimate(welkin, opened, self._patients)
            if self._cost is not None:
                check_bound(self._cost, self._job.most_lookups)
        return mapper, recorder

    async def _delete_absent(self, welkin: Welkin) -> None:
        """Delete what the file no longer names, if the run came to its end."""
        deletion, opened = self._deletion, self._opened
        if deletion is None or opened is None or self._stopped or self._error is not None or self.counts.unsent:
            return
        try:
            self._absent = deletion.counts
            await until_stopped(deletion.carry_out(welkin, opened), self._stop)
            self._stopped = deletion.counts.under_way
        except (OSError, UnicodeError, WelkinError) as error:
            self._fail(error, f"nothing, or not all, was deleted: {error}")

    async def _estimate(self, welkin: Welkin, opened: OpenedFile, patients: PatientLookup | None) -> None:
        """Find out what looking for rows will cost, and say so; what is wrong with the file the run itself says."""
        if not self._job.looks_first:
            return
        with contextlib.suppress(OSError, UnicodeError, WelkinError):
            self._cost = await estimate_lookups(self._job, welkin, opened, patients)
            if not self._settings.dry_run and self._on_cost is not None:
                self._on_cost(self._cost)

    async def _carry_out(self, welkin: Welkin, mapper: RowMapper, recorder: OutcomeRecorder) -> None:
        """Send the rows and account for them, whatever happens."""
        job, settings, opened, files = self._job, self._settings, self._opened, self._files
        assert opened is not None
        assert files is not None

        def take_up() -> None:
            if settings.journal is not None:
                files.resume(settings.resume)
                for path, held in files.earlier():
                    check_same_import(opened, mapper, path, held)
            recorder.earlier = earlier = JournalReader(settings.journal)
            known = versions_of(earlier.recall(_VERSIONS))
            if opened.digest not in [version.digest for version in known]:
                earlier.keep(_VERSIONS, text_of([*opened.versions, opened.version]))

        async def begin() -> None:
            """Take up what earlier runs left, while the journal is held and before anything is sent."""
            await anyio.to_thread.run_sync(take_up)

        keys = job.keys(welkin)
        rows = RowFeed(job, opened, mapper, self._patients, self._notes, begin=begin).rows()
        self.counts.start()
        self._metrics.samples.restart(lambda: self.counts.rows - self.counts.earlier)
        self._stream = job.stream(welkin, rows, opened.first_digest, self.counts.on_progress)
        try:
            async with contextlib.aclosing(rows):
                await self._record_all(self._stream, recorder, mapper, keys)
        except (JournalLockedError, JournalMismatchError) as error:
            raise FileError(_of_journal(error, settings.journal)) from None
        except FileError:
            raise
        except JournalError as error:
            if not self.counts.rows:
                raise FileError(f"{error}; nothing was sent: name a journal= that can be kept") from None
            self._fail(error, str(error))
        except BulkStoppedError as error:
            self._fail(error, f"so many rows failed that it stopped: {error}")
        except WelkinError as error:
            self._fail(error, str(error))
        except FileChangedError as error:
            self._fail(error, f"{error.strerror}: {_CHANGED}")
        except OSError as error:
            self._fail(error, error.strerror or type(error).__name__)
        except UnicodeError as error:
            self._fail(error, "the file is not text in the given encoding from here on")
        finally:
            recorder.earlier.close()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._close, files, recorder)

    def _fail(self, error: Exception, reason: str) -> None:
        self._error, self._reason = error, reason

    async def _record_all(
        self, stream: _Stream, recorder: OutcomeRecorder, mapper: RowMapper, keys: Keys | None
    ) -> None:
        """Record every outcome, those that come only when the stream has been left included."""

        async def consume() -> bool:
            async for outcome in stream:
                recorder.record(outcome)
                await recorder.write()
            return True

        def finish() -> None:
            recorder.record_held_back(self._settings.journal)
            if stream.doubles and keys is not None:
                assert self._opened is not None
                self._notes += record_duplicates(self._opened, mapper, keys, stream.doubles, recorder, self._patients)
            recorder.flush()

        entered = False
        try:
            async with stream:
                entered = True
                ended = await until_stopped(consume(), self._stop, self._given_up)
                self._stopped = not ended and not self._given_up.is_set()
        finally:
            if entered:
                self.counts.unswept = stream.report.unswept
                for outcome in stream.unfinished:
                    recorder.record(outcome)
                with anyio.CancelScope(shield=True):
                    await recorder.written()
                    await anyio.to_thread.run_sync(finish)

    def _close(self, files: RejectFiles, recorder: OutcomeRecorder) -> None:
        """Close the files of rows, and write the page."""
        try:
            files.close()
        except OSError as error:
            self._fail(self._error or error, self._reason or f"a file of rows cannot be written: {error.strerror}")
        if recorder.error is not None and self._reason is None:
            self._fail(OSError(), recorder.error)
        if self._settings.journal is None:
            self._notes += (f"line {line} is in no file: {status}" for line, status in recorder.unwritten)
        html = self._settings.html
        if html is not None:
            try:
                with replacing(html, "w", encoding="utf-8") as page:
                    page.write(self.report.to_html(self._metrics.samples))
                self._html = html
            except OSError as error:
                self._notes.append(f"the report cannot be written: {error.strerror}")

    @property
    def report(self) -> FileReport:
        """The report up to now."""
        settings, counts = self._settings, self.counts
        stopped = self._stopped and self._error is None
        ended = stopped or self._error is not None
        journal = settings.journal if settings.journal is not None and settings.journal.exists() else None
        bulk = None if self._stream is None else self._stream.report
        return FileReport(
            kind=self._job.kind,
            title=self._job.title,
            file=settings.file.name,
            cdt=self._job.cdt,
            file_sha256="" if self._opened is None else self._opened.digest,
            blank=0 if self._opened is None else self._opened.source.blank,
            **counts.values(),
            lookups=0 if bulk is None else bulk.lookups,
            existing="" if bulk is None else bulk.existing,
            groups_listed=0 if bulk is None else bulk.groups_listed,
            lookup_cost=self._cost,
            paused_seconds=0.0 if bulk is None else bulk.paused,
            pace=None if bulk is None else bulk.pace,
            slots=0 if bulk is None else bulk.slots,
            share_refused=0.0 if bulk is None else bulk.share_refused,
            set_aside={} if bulk is None else bulk.set_aside,
            requests=self._metrics.to_dict(),
            **({} if self._files is None else self._files.paths),
            journal=journal,
            html=self._html,
            stopped=stopped,
            error=self._reason,
            error_type=None if self._error is None else type(self._error).__name__,
            resume=journal if (ended or counts.unsent) and not isinstance(self._error, FileChangedError) else None,
            absent=self._absent,
            notes=tuple(self._notes),
            keys_made=self._job.makes_keys and settings.journal is None,
            dry_run=settings.dry_run,
            patients_checked=settings.check_patients if settings.dry_run and self._job.patient is not None else None,
            refused_lines=tuple(self._refused),
            origin=self._origin,
        )


def _take_up(opened: OpenedFile, journal: Path) -> None:
    """See what the file was in earlier runs; what is wrong with a journal is said where it is opened."""
    with contextlib.suppress(OSError), contextlib.closing(JournalReader(journal)) as reader:
        opened.take_up(versions_of(reader.recall(_VERSIONS)))


def _of_journal(error: JournalLockedError | JournalMismatchError, path: Path | None) -> str:
    """Say what is wrong with a journal, and what to do."""
    if isinstance(error, JournalMismatchError) and error.what == "source":
        return (
            f"the journal {path} is of another file, or of other options that decide a row's patient, key or fields: "
            "give those again. A file that has only grown goes on by its journal. For one that was changed otherwise, "
            "another journal= and rejects= create no row twice where rows have keys of their own, key=, since the "
            "server is asked for them; else keys are made of the file, and every row would be created again, as with "
            "resume='restart'"
        )
    return f"{path}: {error}"
