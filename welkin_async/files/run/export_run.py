"""Export run: writes records to a file, each once, and resumes an earlier run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import attrs

from welkin_async.bulk import ExportError, ExportReport, export_cdt, export_resource
from welkin_async.errors import AuthenticationError, ConfigurationError, InvalidInputError, NotFoundError, WelkinError
from welkin_async.files.errors import FileError
from welkin_async.files.job_kind import READ_RECORDS
from welkin_async.files.jobs.open_file import check_cdt
from welkin_async.files.mapping.patient_lookup import PatientLookup
from welkin_async.files.options import FileProgress
from welkin_async.files.readers.row import RowError
from welkin_async.files.report.file_report import FileReport
from welkin_async.files.report.request_metrics import RequestMetrics
from welkin_async.files.report.row_counts import server_limits
from welkin_async.files.report.run_origin import RunOrigin
from welkin_async.files.report.text import Part, fitted, size, whole
from welkin_async.files.run.stopping import until_stopped
from welkin_async.resources.patients import PatientKeyType
from welkin_async.session import Welkin

_NOTHING = ExportReport(records=0, pages=0, bytes=0, seconds=0.0, cursor=None, resumed=False)
_NOT_THE_SERVERS = (AuthenticationError, ConfigurationError, InvalidInputError)
_Format = Literal["ndjson", "parquet", "csv"]
_FORMATS: dict[str, _Format] = {".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet", ".csv": "csv"}


@attrs.frozen(kw_only=True)
class ExportSettings:
    """The settings of an export: what is exported, and where to; see `export_records`."""

    file: Path = attrs.field(converter=Path)
    cdt: str | None = None
    resource: str | None = None
    patients: Iterable[str | UUID] | Literal["all"] | None = None
    patient_type: PatientKeyType = "ID"
    start: datetime | str | None = None
    page_size: int | None = None
    concurrency: int = 8
    restart: bool = False
    flat: bool = False
    command: str = ""  # for the report: the command line, without what identifies a person

    @property
    def format(self) -> _Format:
        """The file's format, by its ending.

        Raises:
            FileError: it has none.
        """
        if self.file.suffix.lower() not in _FORMATS:
            raise FileError("the file is to end in .ndjson, .jsonl, .parquet or .csv")
        return _FORMATS[self.file.suffix.lower()]

    @property
    def resume(self) -> Path:
        """The file by which an export is taken up."""
        return self.file.with_name(f"{self.file.name}.resume")

    def check(self) -> None:
        """Check that the settings go together; blocks.

        Raises:
            FileError: they do not, or the file is there already.
        """
        if (self.cdt is None) is (self.resource is None):
            raise FileError("give either cdt= or resource=")
        if self.resource is not None and self.patients is not None:
            raise FileError("patients= goes with cdt=")
        if self.start is not None and self.resource is None:
            raise FileError("start= goes with resource=")
        if self.flat and (self.cdt is None or self.format == "ndjson"):
            raise FileError("flat= goes with cdt=, and with a file that ends in .parquet or .csv")
        _ = self.format
        if not self.file.parent.is_dir():
            raise FileError(f"{self.file.parent} is not a folder: an export goes to one that exists")
        if not self.restart and self.file.exists() and not self.resume.exists():
            raise FileError(f"{self.file} exists: name another file, or have it replaced with restart=True")


class ExportRun:
    """Export run: one run of an export to a file.

    Args:
        settings: What is exported.
        stop: Asks for an end; what was read is kept.
        on_progress: Called with a snapshot now and then.
    """

    total: int | None = None

    def __init__(
        self,
        settings: ExportSettings,
        *,
        stop: asyncio.Event | None = None,
        on_progress: Callable[[FileProgress], None] | None = None,
    ) -> None:
        self._settings = settings
        self._stop = asyncio.Event() if stop is None else stop
        self._on_progress = on_progress
        self._metrics = RequestMetrics(READ_RECORDS)
        self._welkin: Welkin | None = None
        self._origin: RunOrigin | None = None
        self._first: ExportReport | None = None
        self._last: ExportReport | None = None
        self._whole = False
        self._error: Exception | None = None
        self._reason: str | None = None

    @property
    def counts(self) -> ExportRun:
        """How far it is."""
        return self

    async def run(self, welkin: Welkin) -> FileReport:
        """Export.

        Args:
            welkin: An open session.

        Returns:
            The report; after a cancellation `report` has it.

        Raises:
            FileError: an option does not fit the instance, or the file another export.
            WelkinError: an option does not fit, or the credentials were refused before anything was read.
        """
        self._welkin, self._origin = welkin, RunOrigin.of(welkin.settings, self._settings.command)
        await asyncio.to_thread(self._settings.check)
        try:
            with self._metrics.counting(welkin.transport):
                report = await until_stopped(self._read(welkin), self._stop)
            self._whole = report is not None
            self._last = report or self._last
        except ExportError as error:
            advice = str(error).replace("resume=False", "restart=True")
            advice = advice.replace("give the patients to be walked", "give patients='all'")
            raise FileError(f"{self._settings.file}: {advice}") from None
        except WelkinError as error:
            if self._last is None and isinstance(error, (*_NOT_THE_SERVERS, FileError)):
                raise
            self._error, self._reason = error, str(error)
        except OSError as error:
            self._error, self._reason = error, f"the file cannot be written: {error.strerror or type(error).__name__}"
        return self.report

    async def _read(self, welkin: Welkin) -> ExportReport:
        settings = self._settings
        more: dict[str, Any] = {
            "resume": not settings.restart,
            "on_progress": self._note_progress,
            "format": settings.format,
        }
        if settings.page_size is not None:
            more["page_size"] = settings.page_size
        if settings.resource is not None:
            try:
                return await export_resource(welkin, settings.resource, settings.file, settings.start, **more)
            except NotFoundError:
                message = f"the instance has no export {settings.resource}, or none the api client may see"
            raise FileError(message)
        assert settings.cdt is not None
        # Of the export of all CDTs, a name that is misspelt would leave an empty file.
        await check_cdt(welkin, settings.cdt)
        patients: Any = None
        if settings.patients == "all":
            patients = welkin.patients.list(sort="createdAt,asc")
        elif settings.patients is not None:
            patients = await self._ids(welkin, [str(key) for key in settings.patients])
        more |= {"concurrency": settings.concurrency, "flat": settings.flat}
        return await export_cdt(welkin, settings.cdt, patients, settings.file, **more)

    async def _ids(self, welkin: Welkin, keys: list[str]) -> list[str]:
        settings = self._settings
        lookup = PatientLookup(welkin, settings.patient_type, concurrency=settings.concurrency)
        found = await lookup.resolve(keys)
        problems = [
            f"patients=, the one given as number {number}: {id.reason}"
            for number, key in enumerate(keys, 1)
            if isinstance(id := found[key], RowError)
        ]
        if problems:
            raise FileError(*problems)
        return list(dict.fromkeys(str(found[key]) for key in keys))

    def _note_progress(self, report: ExportReport) -> None:
        self._first = self._first or report
        self._last = report
        if self._on_progress is not None:
            rows, seconds = report.records, report.seconds
            self._on_progress(FileProgress(total=None, rows=rows, done=rows, seconds=seconds, text=self.line()))

    @property
    def rows(self) -> int:
        """Records so far."""
        return 0 if self._last is None else self._last.records

    def line(self, width: int | None = None) -> str:
        """Say in one line how far it is, and what the server allows.

        Args:
            width: How many columns there are; what matters least is left out first. None for no bound.
        """
        parts = [Part(0, f"{whole(self.rows)} records")]
        first, last = self._first, self._last
        if first is not None and last is not None:
            seconds = last.seconds - first.seconds
            if seconds > 0:
                parts.append(Part(0, f"{whole(round((last.records - first.records) / seconds))}/s"))
            parts += [Part(2, f"{whole(last.pages)} pages"), Part(2, size(last.bytes))]
        if self._welkin is not None:
            transport = self._welkin.transport
            parts += server_limits(transport.stats, transport.tokens)
        return fitted(parts, width)

    @property
    def report(self) -> FileReport:
        """The report up to now."""
        settings = self._settings
        last = self._last or _NOTHING
        return FileReport(
            kind=READ_RECORDS,
            title=f"{settings.cdt or settings.resource} into {settings.file}",
            file=str(settings.file),
            cdt=settings.cdt,
            rows=last.records,
            done=last.records,
            seconds=last.seconds,
            requests=self._metrics.to_dict(),
            stopped=not self._whole and self._error is None,
            error=self._reason,
            error_type=None if self._error is None else type(self._error).__name__,
            resume=settings.resume if not self._whole and settings.resume.exists() else None,
            export=last,
            resource=settings.resource,
            origin=self._origin,
        )
