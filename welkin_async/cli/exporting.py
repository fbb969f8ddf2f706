"""``welkin-async export``: records to a file, gone on with by the same command."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import attrs

from welkin_async.bulk import ExportError, ExportReport, export_cdt, export_resource
from welkin_async.cli.deeds import READ_RECORDS
from welkin_async.cli.loop import Interrupt, unless_stopped
from welkin_async.cli.meter import Meter
from welkin_async.cli.opening import check_cdt
from welkin_async.cli.patients import PatientLookup
from welkin_async.cli.progress import progress_shown, say
from welkin_async.cli.rows import Problem
from welkin_async.cli.tally import allowed
from welkin_async.cli.text import CommandError, aligned, size, whole
from welkin_async.errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidInputError,
    NotFoundError,
    WelkinError,
)
from welkin_async.resources.patients import PatientKeyType
from welkin_async.session import Welkin

__all__ = ["Export", "ExportOptions"]

_NOTHING = ExportReport(records=0, pages=0, bytes=0, seconds=0.0, cursor=None, resumed=False)
_NOT_THE_SERVERS = (AuthenticationError, ConfigurationError, InvalidInputError)
_OPTIONS = {"resume=False": "--restart", "give the patients to be walked": "give --all-patients"}


@attrs.frozen(kw_only=True)
class ExportOptions:
    """What is exported, and where to.

    Attributes:
        file: The file.
        format: What it is to be.
        cdt: The CDT; None for a resource.
        resource: What is exported under this name; None for a CDT.
        patients: The keys of the patients whose records are wanted; empty for all.
        patient_type: What these keys are.
        all_patients: Whether the records of all patients are listed patient by patient.
        start: A moment or a cursor to begin at, for a resource.
        page_size: Records per page; None for as many as suit.
        concurrency: How many patients are listed at once.
        restart: Whether what an earlier run left is forgotten.
        json: Whether the summary is for machines.
        command: The command line that goes on with this export.
    """

    file: Path
    format: Literal["ndjson", "parquet"]
    cdt: str | None = None
    resource: str | None = None
    patients: tuple[str, ...] = ()
    patient_type: PatientKeyType = "ID"
    all_patients: bool = False
    start: str | None = None
    page_size: int | None = None
    concurrency: int = 8
    restart: bool = False
    json: bool = False
    command: str = "welkin-async export"


class Export:
    """One run of the command.

    Args:
        session: Makes a session that is not open yet, given the hook that counts requests.
        options: What is exported.
        interrupt: Ctrl-C.
    """

    total: int | None = None

    def __init__(self, session: Callable[[Meter], Welkin], options: ExportOptions, interrupt: Interrupt) -> None:
        self._options = options
        self._interrupt = interrupt
        self._meter = Meter(READ_RECORDS)
        self._welkin = session(self._meter)
        self._first: ExportReport | None = None
        self._last: ExportReport | None = None
        self._whole = False
        self._error: str | None = None

    async def run(self) -> int:
        """Export and print the summary.

        Returns:
            The exit code: 0 where the file is whole, 1 where it is not, 130 after Ctrl-C.

        Raises:
            CommandError: an option does not fit the instance, or the file another export.
            WelkinError: an option does not fit, or the credentials were refused before anything was read.
        """
        self._interrupt.orderly = True
        try:
            async with self._welkin as welkin, progress_shown(self):
                report = await unless_stopped(self._read(welkin), self._interrupt)
                self._whole = report is not None
                self._last = report or self._last
        except asyncio.CancelledError:
            if not self._interrupt.signal:
                raise
        except ExportError as error:
            raise CommandError(f"{self._options.file}: {_as_options(str(error))}") from None
        except WelkinError as error:
            if self._last is None and isinstance(error, _NOT_THE_SERVERS):
                raise
            self._error = str(error)
        except OSError as error:
            self._error = f"the file cannot be written: {error.strerror or type(error).__name__}"
        self._report()
        if self._whole:
            return 0
        return self._interrupt.exit_code if self._interrupt.signal else 1

    async def _read(self, welkin: Welkin) -> ExportReport:
        options = self._options
        more: dict[str, Any] = {"resume": not options.restart, "on_progress": self._told, "format": options.format}
        if options.page_size is not None:
            more["page_size"] = options.page_size
        if options.resource is not None:
            try:
                return await export_resource(welkin, options.resource, options.file, options.start, **more)
            except NotFoundError:
                message = f"the instance has no export {options.resource}, or none the api client may see"
            raise CommandError(message)
        assert options.cdt is not None
        # Of the export of all CDTs, a name that is misspelt would leave an empty file.
        await check_cdt(welkin, options.cdt)
        patients: Any = None
        if options.patients:
            patients = await self._ids(welkin)
        elif options.all_patients:
            patients = welkin.patients.list(sort="createdAt,asc")
        return await export_cdt(welkin, options.cdt, patients, options.file, concurrency=options.concurrency, **more)

    async def _ids(self, welkin: Welkin) -> list[str]:
        options = self._options
        lookup = PatientLookup(welkin, options.patient_type, concurrency=options.concurrency)
        found = await lookup.resolve(options.patients)
        ids: dict[str, None] = {}
        for number, key in enumerate(options.patients, 1):
            id = found[key]
            if isinstance(id, Problem):
                raise CommandError(f"--patient, the one given as number {number}: {id.reason}")
            ids[id] = None
        return list(ids)

    def _told(self, report: ExportReport) -> None:
        self._first = self._first or report
        self._last = report

    @property
    def rows(self) -> int:
        """Records so far."""
        return 0 if self._last is None else self._last.records

    def line(self) -> str:
        """Say in one line how far it is, and what the server allows."""
        parts = [f"{whole(self.rows)} records"]
        first, last = self._first, self._last
        if first is not None and last is not None:
            seconds = last.seconds - first.seconds
            if seconds > 0:
                parts.append(f"{whole(round((last.records - first.records) / seconds))}/s")
            parts += [f"{whole(last.pages)} pages", size(last.bytes)]
        transport = self._welkin.transport
        return "  ".join([*parts, *allowed(transport.limiter, transport.tokens, time.monotonic())])

    def _report(self) -> None:
        """Print the summary, and say how to go on where not all is done."""
        options = self._options
        resume = None if self._whole else options.command
        print(self._json(resume) if options.json else self._text())  # noqa: T201 - its purpose
        if self._error is not None:
            say(f"welkin-async: {self._error}")
        if resume is not None:
            say(f"welkin-async: stopped; what was read is kept. This goes on where it stopped:\n  {resume}")

    def _text(self) -> str:
        options, meter, last = self._options, self._meter, self._last
        into = f"{options.cdt or options.resource} into {options.file}"
        lines = [("records", whole(self.rows), "" if self._whole else "so far: the file appears when it is whole")]
        if last is not None:
            lines += [
                ("pages", whole(last.pages), "those of earlier runs included" if last.resumed else ""),
                ("bytes", size(last.bytes), ""),
                ("seconds", f"{last.seconds:,.2f}", ""),
            ]
        lines += [("requests", whole(meter.requests), ""), ("throttled", whole(meter.throttled), "")]
        lines.append(("429s", whole(meter.too_many), ""))
        text = f"{into}\n\n{aligned(lines)}"
        if self._whole and last is not None and last.cursor is not None and options.resource is not None:
            text += f"\n\nwhat comes later is read with\n  --start {last.cursor}"
        return text

    def _json(self, resume: str | None) -> str:
        options = self._options
        values = {
            "cdt": options.cdt,
            "resource": options.resource,
            "file": str(options.file),
            "complete": self._whole,
            **attrs.asdict(self._last or _NOTHING),
            **self._meter.as_json(),
            "error": self._error,
            "resume": resume,
        }
        return json.dumps(values, indent=2)


def _as_options(text: str) -> str:
    """Say what the SDK says of its arguments of the command's options."""
    for argument, option in _OPTIONS.items():
        text = text.replace(argument, option)
    return text
