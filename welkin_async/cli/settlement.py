"""What each outcome means for the counts and the files of rows."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from welkin_async.bulk import Outcome, Status
from welkin_async.cli.earlier import Earlier, Past
from welkin_async.cli.forms import Entry
from welkin_async.cli.meter import Meter
from welkin_async.cli.patients import reason_of
from welkin_async.cli.row_files import RowFiles
from welkin_async.cli.rows import ALTERED, FileRow, Problem, SourceRow
from welkin_async.cli.tally import Tally
from welkin_async.errors import AuthenticationError, NotSentError, RequestError

__all__ = ["Settlement"]

_MOST_HELD = 4096
_MOST_UNWRITTEN = 1000
_BY_THEN = "by an earlier run"
_REPEATED = Problem(Status.REJECTED, "another row of the file has the same key and content, and stands for it")


class Settlement:
    """Counts outcomes and puts rows where they belong.

    A row that was never sent is held back until the journal is closed: it may be one that a stopped import leaves to
    the next run, and then it must not be in a reject file, from which somebody might import it as well.

    Args:
        tally: The counts.
        meter: The same over time.
        files: Where rows go.
        digest: SHA-256 of the file.
        journal: Whether there is one.
        stop: Called where a file cannot be written, to end the import.

    Attributes:
        earlier: What earlier runs left.
        error: Why a file cannot be written, or None.
        unwritten: Lines that are in no file, and what became of them; no more than some.
    """

    def __init__(
        self,
        tally: Tally,
        meter: Meter,
        files: RowFiles,
        digest: str,
        *,
        journal: bool,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        self.earlier = Earlier()
        self._tally = tally
        self._done = tally.deed.done
        self._meter = meter
        self._files = files
        self._digest = digest
        self._journal = journal
        self._stop = stop
        self.error: str | None = None
        self.unwritten: list[tuple[int, str]] = []
        self._held: deque[Outcome[Any, Any]] = deque()

    def take(self, outcome: Outcome[Any, Any]) -> None:
        """Take a row's outcome.

        Args:
            outcome: What became of it.
        """
        row: FileRow = outcome.row
        if outcome.status is Status.SKIPPED:
            self._skipped(row, outcome)
        elif self._journal and outcome.status is Status.FAILED and row.refused is None and _blameless(outcome):
            self._held.append(outcome)
            if len(self._held) > _MOST_HELD:
                self._settle(self._held.popleft())
        else:
            self._settle(outcome)

    def finish(self, journal: Path | None) -> None:
        """Take what was held back, now that the journal is closed and says which rows the next run sends.

        Args:
            journal: The journal.

        Raises:
            OSError: it cannot be read.
        """
        if not self._held:
            return
        with contextlib.closing(Earlier(journal)) as after:
            while self._held:
                outcome = self._held.popleft()
                past = after.of(outcome.index)
                if past is None or past.status == "unsent":
                    self._tally.count("unsent")
                else:
                    self._settle(outcome)

    def doubled(self, row: SourceRow, key: str, ids: Iterable[str], removed: int) -> None:
        """Take a row that is on the server more than once.

        Args:
            row: The row.
            key: Its key.
            ids: The records.
            removed: How many of them were removed.
        """
        held = list(ids)
        if len(held) - removed > 1:
            self._tally.doubled += 1
        reason = f"{len(held)} records have its key" + (f"; {removed} of them removed" if removed else "")
        self._write(self._files.write_double, row, self._entry(row, "doubled", reason, key, record_id=" ".join(held)))

    def _settle(self, outcome: Outcome[Any, Any]) -> None:
        self._meter.samples.now().rows += 1
        row: FileRow = outcome.row
        record_id = "" if outcome.record is None else outcome.record.id
        status, reason, error = str(outcome.status), "", outcome.error
        if outcome.status == self._done:
            if outcome.altered:
                status, reason = ALTERED, f"the server dropped or changed {', '.join(outcome.altered)}"
        else:
            unsure = outcome.status is Status.UNKNOWN
            problem = row.refused or Problem(outcome.status, reason_of(error))
            status = str(Status.UNKNOWN if unsure else problem.status)
            reason, record_id = problem.reason, problem.record_id or record_id
            self._tally.because(reason)
        self._tally.count(status, outcome.attempts, adopted=outcome.adopted)
        codes = error.error_codes if isinstance(error, RequestError) else ()
        entry = self._entry(row.source, status, reason, row.key, record_id, codes[0] if codes else "", outcome.attempts)
        self._write(self._files.write, row.source, entry)

    def _skipped(self, row: FileRow, outcome: Outcome[Any, Any]) -> None:
        """Account for a row that an earlier run was done with, and write what it was killed before writing."""
        past = self.earlier.of(outcome.index)
        if past is None and outcome.earlier is None:
            self._tally.count(str(_REPEATED.status))
            self._tally.because(_REPEATED.reason)
            entry = self._entry(row.source, str(_REPEATED.status), _REPEATED.reason, row.key)
            self._write(self._files.write, row.source, entry)
            return
        past = past or Past(self._done, "", "")
        status = past.status
        if row.refused is not None and status in (Status.FAILED, Status.REJECTED):
            status, reason = str(row.refused.status), row.refused.reason
        elif status == self._done:
            reason = ""
        else:
            reason = f"{status} {_BY_THEN}" + (f" ({past.error})" if past.error else "")
        self._tally.count(status, earlier=True)
        if status not in (self._done, ALTERED):
            self._tally.because(reason)
        entry = self._entry(row.source, status, reason, row.key, past.record_id, past.error)
        self._write(self._files.write_earlier, row.source, entry)

    def _write(self, write: Callable[[SourceRow, Entry], None], row: SourceRow, entry: Entry) -> None:
        """Put a row into a file; one that cannot be written ends the import."""
        try:
            write(row, entry)
        except (OSError, UnicodeError) as error:
            if self.error is None:
                reason = error.strerror if isinstance(error, OSError) else "the encoding cannot hold a row"
                self.error = f"a file of rows cannot be written: {reason}"
            if len(self.unwritten) < _MOST_UNWRITTEN:
                self.unwritten.append((row.line, entry.status))
            self._stop()

    def _entry(
        self,
        row: SourceRow,
        status: str,
        reason: str,
        key: str | None,
        record_id: str = "",
        error: str = "",
        attempts: int = 0,
    ) -> Entry:
        return Entry(status, reason, key or "", row.origin or self._digest, record_id, error, attempts)


def _blameless(outcome: Outcome[Any, Any]) -> bool:
    """Tell whether a row may have failed for a reason that is none of its own."""
    return not outcome.attempts or isinstance(outcome.error, NotSentError | AuthenticationError)
