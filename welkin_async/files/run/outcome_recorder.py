"""Outcome recorder: adds each row's outcome to the counts and to the reject, review and results files."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import anyio.to_thread

from welkin_async.bulk import Outcome, Status
from welkin_async.bulk.journal.reader import JournalReader, PastOutcome
from welkin_async.errors import (
    AuthenticationError,
    NotFoundError,
    NotSentError,
    RequestError,
    WelkinError,
    request_id_of,
)
from welkin_async.files.job_kind import DONE
from welkin_async.files.mapping.patient_lookup import reason_of
from welkin_async.files.outputs.reject_files import RejectFiles
from welkin_async.files.readers.formats import RowResult
from welkin_async.files.readers.row import ALTERED, FileRow, RowError, SourceRow
from welkin_async.files.report.row_counts import RowCounts
from welkin_async.wire.records import answer_of

_MOST_HELD = 4096
_MOST_QUEUED = 4096
_MOST_UNWRITTEN = 1000
_BY_THEN = "by an earlier run"
_THERE = frozenset({"created", "adopted"})  # what a journal calls a row that is done, whatever was done with it
_REPEATED = RowError(Status.REJECTED, "another row of the file has the same key and content, and stands for it")

_WRITTEN = frozenset({Status.CREATED, Status.UPDATED})

_Write = Callable[[SourceRow, RowResult], None]


class OutcomeRecorder:
    """Outcome recorder: counts outcomes and puts rows where they belong.

    A row that was never sent is held back until the journal is closed: it may be one that a stopped import leaves to
    the next run, and then it must not be in a reject file, from which it might be imported as well.

    Counting happens at once, writing in a thread right after it: see `write` and `flush`.

    Args:
        counts: The counts of rows.
        files: Where rows go.
        digest: SHA-256 of the file.
        journal: Whether there is one.
        stop: Called where a file cannot be written, in the thread that writes, to end the import.

    Attributes:
        earlier: What earlier runs left.
        error: Why a file cannot be written, or None.
        unwritten: Lines that are in no file, and what became of them; no more than some.
    """

    def __init__(
        self,
        counts: RowCounts,
        files: RejectFiles,
        digest: str,
        *,
        journal: bool,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        self.earlier = JournalReader()
        self._counts = counts
        self._done = counts.kind.done
        self._files = files
        self._kept = [file for file in (files.rejects, files.review) if file is not None]
        self._digest = digest
        self._journal = journal
        self._stop = stop
        self.error: str | None = None
        self.unwritten: list[tuple[int, str]] = []
        self._held: deque[Outcome[Any, Any]] = deque()
        self._queue: deque[tuple[_Write, SourceRow, RowResult]] = deque()
        self._writing: asyncio.Task[None] | None = None

    def record(self, outcome: Outcome[Any, Any]) -> None:
        """Record a row's outcome.

        Args:
            outcome: What became of it.
        """
        row: FileRow = outcome.row
        if outcome.status is Status.SKIPPED:
            self._skipped(row, outcome)
        elif self._journal and outcome.status is Status.FAILED and row.refused is None and _not_its_fault(outcome):
            self._held.append(outcome)
            if len(self._held) > _MOST_HELD:
                self._account_for(self._held.popleft())
        else:
            self._account_for(outcome)

    async def write(self) -> None:
        """Have what was recorded written by a thread; waits only where much of it is to be written."""
        if self._queue and (self._writing is None or self._writing.done()):
            await self.written()
            self._writing = asyncio.create_task(anyio.to_thread.run_sync(self.flush))
        if len(self._queue) > _MOST_QUEUED:
            await self.written()

    async def written(self) -> None:
        """Wait until the thread is done, if there is one."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
            self._writing.result()

    def flush(self) -> None:
        """Write what was recorded; blocks. A row that cannot be written ends the import."""
        while self._queue:
            write, row, result = self._queue.popleft()
            try:
                write(row, result)
            except (OSError, UnicodeError) as error:
                if self.error is None:
                    reason = error.strerror if isinstance(error, OSError) else "the encoding cannot hold a row"
                    self.error = f"a file of rows cannot be written: {reason}"
                if len(self.unwritten) < _MOST_UNWRITTEN:
                    self.unwritten.append((row.line, result.status))
                self._stop()

    def record_held_back(self, journal: Path | None) -> None:
        """Record what was held back, now that the journal is closed and says which rows the next run sends.

        Args:
            journal: The journal.

        Raises:
            OSError: it cannot be read.
        """
        if not self._held:
            return
        with contextlib.closing(JournalReader(journal)) as after:
            while self._held:
                outcome = self._held.popleft()
                past = after.of(_position(outcome))
                if past is None or past.status == "unsent":
                    self._counts.count("unsent")
                    self._files.withdraw(outcome.row.source)
                else:
                    self._account_for(outcome)

    def record_duplicate(self, row: SourceRow, key: str, ids: Iterable[str], removed: int) -> None:
        """Record a row that is on the server more than once.

        Args:
            row: The row.
            key: Its key.
            ids: The records.
            removed: How many of them were removed.
        """
        held = list(ids)
        self.count_duplicate(len(held) - removed)
        reason = f"{len(held)} records have its key" + (f"; {removed} of them removed" if removed else "")
        result = self._result(row, "doubled", reason, key, record_id=" ".join(held))
        self._queue.append((self._files.write_duplicate, row, result))

    def count_duplicate(self, left: int) -> None:
        """Count a key that is on the server more than once.

        Args:
            left: How many records of it are left.
        """
        self._counts.doubled += left > 1

    def _account_for(self, outcome: Outcome[Any, Any]) -> None:
        row: FileRow = outcome.row
        settled = str(outcome.status) in DONE
        plain = settled and not outcome.altered
        written = self._files.results is not None or not plain
        record_id = (outcome.record_id or "") if written else ""
        status, reason, error = str(outcome.status), "", outcome.error
        if settled:
            if outcome.altered:
                status, reason = ALTERED, f"the server dropped or changed {', '.join(outcome.altered)}"
        else:
            unsure = outcome.status is Status.UNKNOWN
            problem = row.refused or RowError(outcome.status, self._reason(error))
            status = str(Status.UNKNOWN if unsure else problem.status)
            reason, record_id = problem.reason, problem.record_id or record_id
            self._counts.count_reason(reason)
        self._counts.count(status, outcome.attempts, adopted=outcome.adopted)
        if not written and not any(file.rows for file in self._kept):
            return
        codes = error.error_codes if isinstance(error, RequestError) else ()
        result = self._result(
            row.source, status, reason, row.key, record_id, codes[0] if codes else "", outcome.attempts
        )
        request_id = row.refused.request_id if row.refused is not None else _request_id(outcome)
        self._queue.append((self._files.write, row.source, result._replace(request_id=request_id)))

    def _reason(self, error: WelkinError | None) -> str:
        """Say why a row is not done; of a 404 also what is not there."""
        reason = reason_of(error)
        return f"{self._counts.kind.missing} is not there: {reason}" if isinstance(error, NotFoundError) else reason

    def _skipped(self, row: FileRow, outcome: Outcome[Any, Any]) -> None:
        """Account for a row that an earlier run was done with, and write what it was killed before writing."""
        past = self.earlier.of(_position(outcome))
        if past is None and outcome.earlier is None:
            self._counts.count(str(_REPEATED.status))
            self._counts.count_reason(_REPEATED.reason)
            result = self._result(row.source, str(_REPEATED.status), _REPEATED.reason, row.key)
            self._queue.append((self._files.write, row.source, result))
            return
        past = past or PastOutcome(self._done, "", "")
        status = self._done if past.status in _THERE else past.status
        if outcome.earlier is not None and outcome.earlier != status:
            past = PastOutcome(outcome.earlier, "", "")
        status = past.status
        refused = row.refused if status in (Status.FAILED, Status.REJECTED) else None
        if refused is not None:
            status, reason = str(refused.status), refused.reason
        elif status == self._done:
            reason = ""
        else:
            reason = f"{status} {_BY_THEN}" + (f" ({past.error})" if past.error else "")
        self._counts.count(status, earlier=True)
        if status not in (self._done, ALTERED):
            self._counts.count_reason(reason)
        result = self._result(row.source, status, reason, row.key, past.record_id, past.error)
        if refused is not None:  # for a reason of today
            result = result._replace(error="", record_id=refused.record_id, request_id=refused.request_id)
        write = self._files.write_earlier if refused is None else self._files.write
        self._queue.append((write, row.source, result))

    def _result(
        self,
        row: SourceRow,
        status: str,
        reason: str,
        key: str | None,
        record_id: str = "",
        error: str = "",
        attempts: int = 0,
    ) -> RowResult:
        return RowResult(status, reason, key or "", row.origin or self._digest, record_id, error, attempts)


def _position(outcome: Outcome[Any, Any]) -> int:
    """Return where the journal keeps a row."""
    return outcome.index if outcome.journal_position is None else outcome.journal_position


def _request_id(outcome: Outcome[Any, Any]) -> str:
    """Return what the answer that decided a row says its request was called; empty where it says nothing."""
    if outcome.error is not None:
        return (outcome.error.request_id or "") if isinstance(outcome.error, RequestError) else ""
    if outcome.record is None or outcome.adopted or outcome.status not in _WRITTEN:
        return ""  # a look-up's answer, if any
    return request_id_of(answer_of(outcome.record).headers) or ""


def _not_its_fault(outcome: Outcome[Any, Any]) -> bool:
    """Tell whether a row may have failed for a reason that is none of its own."""
    return not outcome.attempts or isinstance(outcome.error, NotSentError | AuthenticationError)
