"""Local outcomes: of rows skipped, refused, given up, or decided by a look-up, without a worker's request."""

from __future__ import annotations

import contextlib
from typing import Any

from welkin_async.bulk.actions.action import BulkOperation
from welkin_async.bulk.engine.row_retries import Attempted
from welkin_async.bulk.errors import JournalError
from welkin_async.bulk.existing.decision import Existing, Standing
from welkin_async.bulk.journal.row_admission import Admission, AdmissionStep, RowAdmission
from welkin_async.bulk.reconciliation.policy import Decision, PendingRow
from welkin_async.bulk.results import Outcome, Status
from welkin_async.bulk.rows import PreparedRow
from welkin_async.errors import NotSentError, OutcomeUnknownError, WelkinError

ENDED = "an earlier run ended before its outcome was known"
GONE = "an earlier run created its record, and somebody has deleted it since"


def skipped(operation: BulkOperation, row: PreparedRow, admission: Admission) -> Outcome[Any, Any]:
    """Return the outcome of a row that is done, and what it was done as."""
    earlier = str(operation.done) if admission.earlier == Status.CREATED else admission.earlier
    return Outcome(row.index, row.row, Status.SKIPPED, None, None, 0, earlier=earlier)


def refused(row: PreparedRow, error: WelkinError) -> Outcome[Any, Any]:
    """Return the outcome of a row that cannot be sent."""
    return Outcome(row.index, row.row, Status.FAILED, None, error, 0)


def stopped(
    operation: BulkOperation, row: PreparedRow, cause: BaseException | None, attempts: int, *, sent: bool
) -> Outcome[Any, Any]:
    """Return the outcome of a row whose way was cut off by the end of the run.

    Args:
        operation: What is done with rows.
        row: The row.
        cause: What ended it; None for a stop that was asked for.
        attempts: How many requests went out for it.
        sent: Whether it may be on the server.
    """
    reason = "the import was stopped" if cause is None else f"the import broke ({type(cause).__name__})"
    line = operation.operation.line
    if sent:
        error: WelkinError = OutcomeUnknownError(f"{reason} while the row was out", request=line, attempts=attempts)
        return Outcome(row.index, row.row, Status.UNKNOWN, None, error, attempts)
    error = NotSentError(f"{reason} before the row was sent", request=line, attempts=attempts)
    return Outcome(row.index, row.row, Status.FAILED, None, error, attempts)


def cut_off(
    operation: BulkOperation,
    books: RowAdmission | None,
    row: PreparedRow,
    cause: BaseException | None,
    *,
    entered: bool,
) -> Outcome[Any, Any]:
    """Return the outcome of a row that was not come to before the end of the run: what earlier runs have left of it.

    Args:
        operation: What is done with rows.
        books: Keeps the journal, or None.
        row: The row.
        cause: What ended the run; None for a stop that was asked for.
        entered: Whether the journal had taken the row in.
    """
    left = None
    if books is not None and row.problem is None:
        with contextlib.suppress(JournalError):  # which is why the run ends
            left = books.left_of(row, entered=entered)
    if left is not None and left.step is AdmissionStep.SKIP:
        return skipped(operation, row, left)
    return stopped(operation, row, cause, 0, sent=left is not None)


def left_aside(operation: BulkOperation, attempted: Attempted) -> Outcome[Any, Any]:
    """Return the outcome of a row that was set aside when the run came to its end.

    Args:
        operation: What is done with rows.
        attempted: The row, and what is known of it.
    """
    if attempted.pending is not None:
        return unknown(attempted.pending)
    request = attempted.request
    attempts, sent = (0, False) if request is None else (request.attempts, request.unknown)
    return stopped(operation, attempted.row, None, attempts, sent=sent or attempted.sent_before)


def without_key(operation: BulkOperation, row: PreparedRow) -> Outcome[Any, Any]:
    """Return the outcome of a row that an earlier run may have sent, and that nothing is known by."""
    error = OutcomeUnknownError(f"{ENDED}, and rows have no keys", request=operation.operation.line)
    return Outcome(row.index, row.row, Status.UNKNOWN, None, error, 0)


def existing(row: PreparedRow, found: Existing) -> Outcome[Any, Any]:
    """Return the outcome of a row whose key is on the server before it is sent.

    Args:
        row: The row.
        found: What is there.
    """
    if found.standing is Standing.EQUAL:
        return Outcome(row.index, row.row, Status.UNCHANGED, None, None, 0, existing=found.ids)
    if found.standing is Standing.DOUBLED:
        error = WelkinError(f"{len(found.ids)} records have its key")
    else:
        error = WelkinError(f"a record with its key is there, and differs in {', '.join(found.differing)}")
    return Outcome(row.index, row.row, Status.CONFLICT, None, error, 0, existing=found.ids)


def adopted(row: PreparedRow, found: Existing) -> Outcome[Any, Any]:
    """Return the outcome of a row that another worker of this import has created.

    Args:
        row: The row.
        found: What is there, as it was to be sent.
    """
    return Outcome(row.index, row.row, Status.CREATED, None, None, 0, adopted=True, existing=found.ids)


def unknown(pending: PendingRow) -> Outcome[Any, Any]:
    """Return the outcome of a pending row that was given up."""
    return _of(pending, Status.UNKNOWN, None, pending.error)


def decided(pending: PendingRow, decision: Decision, record: Any, altered: tuple[str, ...] = ()) -> Outcome[Any, Any]:
    """Return the outcome of a pending row that a look-up decided about; not of one that is sent again.

    Args:
        pending: The row.
        decision: What was decided.
        record: What was found, or None.
        altered: The fields of it that the server changed.
    """
    if decision is Decision.ADOPT:
        return _of(pending, Status.CREATED, record, None, adopted=True, altered=altered)
    if decision is Decision.CONFLICT:
        return _of(pending, Status.CONFLICT, record, pending.error)
    if decision is Decision.REJECT:
        return _of(pending, Status.REJECTED, None, pending.rejection)
    return unknown(pending)


def _of(
    pending: PendingRow,
    status: Status,
    record: Any,
    error: WelkinError | None,
    *,
    adopted: bool = False,
    altered: tuple[str, ...] = (),
) -> Outcome[Any, Any]:
    row = pending.row
    return Outcome(row.index, row.row, status, record, error, pending.attempts, adopted, altered)
