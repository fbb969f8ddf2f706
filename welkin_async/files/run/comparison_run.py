"""Comparison run: holds every row of a file against what is on the server, and writes nothing there."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import anyio.to_thread
import attrs

from welkin_async.bulk.actions.create_cdt import CreateCdt
from welkin_async.bulk.existing.decision import Existing, Standing
from welkin_async.bulk.existing.records import ExistingRecords
from welkin_async.bulk.journal.journal import Journal
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import InvalidInputError, NotSentError
from welkin_async.files.errors import FileError
from welkin_async.files.jobs.create_records import RecordImport
from welkin_async.files.jobs.open_file import OpenedFile, open_file
from welkin_async.files.readers.row import FileRow
from welkin_async.files.report.comparison_report import ComparisonReport
from welkin_async.files.report.lookup_cost import LookupCost
from welkin_async.files.report.run_origin import RunOrigin
from welkin_async.files.run.findings_file import FindingsFile
from welkin_async.files.run.lookup_estimate import estimate_lookups
from welkin_async.files.run.row_feed import RowFeed
from welkin_async.files.run.stopping import until_stopped
from welkin_async.files.run.unexpected_records import (
    NamedKeys,
    check_spaced,
    read_named_keys,
    unexpected_records,
)
from welkin_async.session import Welkin

_NO_DIGEST = bytes(8)  # rows are told apart by their positions

_AHEAD = 8  # times the concurrency: how many rows are read ahead of the one that is compared
_NAMES = {
    Standing.EQUAL: "present",
    Standing.DIFFERENT: "altered",
    Standing.ABSENT: "missing",
    Standing.DOUBLED: "doubled",
}


class ComparisonRun:
    """Comparison run.

    Args:
        job: Says which rows, and by which keys they are found.
        findings: Where rows go that are not there once and equal, one JSON object a line: ``line``, ``key``,
            ``status``, ``record_ids`` and the names of the ``fields`` that differ; None for nowhere. A comparison
            that was ended goes on by it.
        stop: Asks for an orderly end.
        unexpected: What findings call records of the key space that the file does not name, such as ``unexpected``;
            None to leave these alone.
        on_cost: Called before the first patient is listed with what that is expected to cost.

    Attributes:
        report: The report up to now.

    Raises:
        FileError: rows have no keys.
    """

    def __init__(
        self,
        job: RecordImport,
        *,
        findings: Path | None = None,
        stop: asyncio.Event | None = None,
        unexpected: Literal["unexpected", "delete"] | None = None,
        on_cost: Callable[[LookupCost], None] | None = None,
    ) -> None:
        self._on_cost = on_cost
        if job.key_field is None:
            raise FileError("rows are found by their keys: it needs a key field")
        if unexpected is not None:
            check_spaced(job)
        self._unexpected = unexpected
        self._job = job
        self._path = findings
        self._findings = FindingsFile(None, "")
        self._stop = asyncio.Event() if stop is None else stop
        self._rows_done = False
        self._claims: Journal | None = None
        self.report = ComparisonReport(
            title=f"Comparison with {job.cdt}", file=job.settings.file.name, findings=findings
        )

    async def run(self, welkin: Welkin) -> ComparisonReport:
        """Compare every row.

        Args:
            welkin: An open session.

        Returns:
            The report.

        Raises:
            FileError: an option does not fit the file or the instance, or the findings cannot be written.
            ExistingRecordsError: the api client may not list records.
            WelkinError: what rows are checked against could not be read.
        """
        began = time.monotonic()
        self.report.origin = RunOrigin.of(welkin.settings, self._job.settings.command)
        opened = await open_file(self._job.settings)
        self.report.file_sha256 = opened.digest
        try:
            self._findings = findings = FindingsFile(self._path, self._identity(opened.digest))
            with findings.opened():
                for name, count in findings.counts.items():
                    setattr(self.report, name, count)
                done = await until_stopped(self._compare(welkin, opened), self._stop)
                self.report.stopped = done is None
                if done is not None:
                    await anyio.to_thread.run_sync(findings.flush)
                    await anyio.to_thread.run_sync(findings.end)
                elif not self._rows_done:
                    await anyio.to_thread.run_sync(findings.note, self.report.counts)
        finally:
            opened.source.close()
            self.report.seconds = time.monotonic() - began
        return self.report

    def _identity(self, digest: str) -> str:
        """Return what is compared and how: only the same comparison goes on where one was ended."""
        job = self._job
        decisive = (
            job.cdt,
            *job.patient,
            job.key_field,
            job.key,
            job.key_space,
            job.single_record,
            job.clears,
            self._unexpected,
        )
        return job.settings.identity(digest, *decisive)

    async def _compare(self, welkin: Welkin, opened: OpenedFile) -> bool:
        job, settings, report = self._job, self._job.settings, self.report
        action = CreateCdt(
            welkin.scope,
            job.cdt,
            check=settings.check,
            key_field=job.key_field,
            key_space=job.key_space,
            single_record=job.single_record,
        )
        mapper = await job.mapper(welkin, opened)
        await action.load()
        if self._on_cost is not None:
            self._on_cost(await estimate_lookups(job, welkin, opened, job.patients(welkin)))
        assert action.keys is not None
        line = action.operation.operation.line
        existing = ExistingRecords(action.keys, lambda _: False, None, line, listers=settings.concurrency, settle=0.0)
        notes: list[str] = []
        waiting: deque[tuple[FileRow, PreparedRow]] = deque()
        client = welkin.transport.client_name
        try:
            async with contextlib.aclosing(RowFeed(job, opened, mapper, job.patients(welkin), notes).rows()) as rows:
                number = 0
                before = report.rows
                async for row in rows:
                    number += 1
                    if number <= before and not job.single_record:
                        continue  # an earlier comparison that was ended has been there
                    prepared = action.prepare(number - 1, row)
                    if job.single_record and prepared.sendable and await self._is_claimed(prepared):
                        prepared = attrs.evolve(prepared, refusal=InvalidInputError(action.operation.key_taken))
                    if number <= before:
                        continue
                    existing.expect(prepared)
                    waiting.append((row, prepared))
                    if len(waiting) > _AHEAD * settings.concurrency:
                        await self._judge(existing, *waiting.popleft(), client)
                while waiting:
                    await self._judge(existing, *waiting.popleft(), client)
        finally:
            await existing.aclose()
            if self._claims is not None:
                await self._claims.aclose()
            report.lookups, report.patients = existing.lookups, existing.groups
            report.notes = tuple(notes)
        await anyio.to_thread.run_sync(self._findings.note, report.counts)
        self._rows_done = True
        if self._unexpected is not None:
            await self._find_unexpected(welkin, opened, self._unexpected)
        return True

    async def _is_claimed(self, prepared: PreparedRow) -> bool:
        """Tell whether a row before it is of the same patient, who has one record; its own key says nothing there."""
        if self._claims is None:
            self._claims = await Journal.open_private()
        claim = self._claims.claim(prepared.group.lower(), _NO_DIGEST, prepared.index)
        if self._claims.behind:
            await self._claims.flush()
        return claim != "new"

    async def _find_unexpected(self, welkin: Welkin, opened: OpenedFile, status: str) -> None:
        """Find records of the key space that the file does not name, of the patients that it names."""
        job, report = self._job, self.report
        keys, patients = job.keys(welkin), job.patients(welkin)
        assert keys is not None
        assert patients is not None
        assert job.key_space is not None
        with NamedKeys() as named:
            await read_named_keys(job, opened, keys, patients, named)
            if named.unreadable is not None:
                report.notes = (
                    *report.notes,
                    f"the key or the patient of {named.refused:,} rows cannot be read, the first in line "
                    f"{named.unreadable}: what they name may be called {status}",
                )
            async for each in unexpected_records(
                keys, named, job.key_space, concurrency=job.settings.concurrency, exactly=status == "unexpected"
            ):
                if isinstance(each, str):
                    report.unlisted += 1
                    continue
                report.unexpected += 1
                told = {"line": None, "key": each.key.removeprefix(f"{job.key_space}/"), "status": status}
                await self._findings.tell({**told, "record_ids": [each.record.id], "updated_at": each.updated_at})

    async def _judge(self, existing: ExistingRecords, row: FileRow, prepared: PreparedRow, client: str | None) -> None:
        """Compare a row, count it, and write it down where it is not there once and equal."""
        report, found, reason = self.report, Existing(), ""
        if row.refused is not None:
            reason = row.refused.reason
        elif prepared.refusal is not None:
            reason = str(prepared.refusal)
        else:
            try:
                found = await existing.find(prepared)
            except NotSentError as error:
                reason = error.reason
        report.rows += 1
        status = "refused" if reason else _NAMES[found.standing]
        setattr(report, status, getattr(report, status) + 1)
        if status != "present":
            await self._tell(row, found, status, reason, client)
        await self._findings.reached(report.counts)

    async def _tell(self, row: FileRow, found: Existing, status: str, reason: str, client: str | None) -> None:
        """Write down a row that is not there once and equal."""
        told = {"line": row.source.line, "key": row.key, "status": status, "record_ids": list(found.ids)}
        if status == "altered":
            told["fields"] = list(found.differing)
            author = found.records[0].author
            if client is None or author != f"API_CLIENT:{client}":  # who is not known counts as somebody else
                told["edited"] = True
                self.report.edited += 1
        if reason:
            told["reason"] = reason
        await self._findings.tell(told)
