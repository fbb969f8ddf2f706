"""The outcomes of rows that no request of a worker brought about: skipped, refused, or decided by a look-up."""

from __future__ import annotations

from typing import Any

from welkin_async.bulk.bookkeeping import Entry
from welkin_async.bulk.deciding import Decision, Parked
from welkin_async.bulk.outcomes import Outcome, Status
from welkin_async.bulk.work import Kind
from welkin_async.errors import InvalidInputError, OutcomeUnknownError, WelkinError

__all__ = ["ELSEWHERE", "ENDED", "decided", "not_entered", "refused", "skipped", "unknown", "without_key"]

ENDED = "an earlier run ended before its outcome was known"
ELSEWHERE = "an earlier run did not create it, but it may have been created another way since"


def skipped(kind: Kind, index: int, row: Any, entry: Entry) -> Outcome[Any, Any]:
    """Return the outcome of a row that is done, and what it was done as."""
    earlier = str(kind.done) if entry.earlier == Status.CREATED else entry.earlier
    return Outcome(index, row, Status.SKIPPED, None, None, 0, earlier=earlier)


def refused(index: int, row: Any, error: WelkinError) -> Outcome[Any, Any]:
    """Return the outcome of a row that cannot be sent."""
    return Outcome(index, row, Status.FAILED, None, error, 0)


def not_entered(kind: Kind, index: int, row: Any, failure: BaseException, *, may_be_there: bool) -> Outcome[Any, Any]:
    """Return the outcome of a row that was pulled but never came into the journal.

    Args:
        kind: What is done with rows.
        index: Its position.
        row: The row.
        failure: What came in between.
        may_be_there: Whether an earlier run may have sent it.
    """
    reason = f"the import was stopped before the row was sent ({type(failure).__name__})"
    if may_be_there:
        error = OutcomeUnknownError(reason, request=kind.operation.line)
        return Outcome(index, row, Status.UNKNOWN, None, error, 0)
    return refused(index, row, InvalidInputError(reason))


def without_key(kind: Kind, index: int, row: Any) -> Outcome[Any, Any]:
    """Return the outcome of a row that an earlier run may have sent, and that nothing is known by."""
    error = OutcomeUnknownError(f"{ENDED}, and rows have no keys", request=kind.operation.line)
    return Outcome(index, row, Status.UNKNOWN, None, error, 0)


def unknown(parked: Parked) -> Outcome[Any, Any]:
    """Return the outcome of a row that was parked and given up."""
    return Outcome(parked.index, parked.row, Status.UNKNOWN, None, parked.error, parked.attempts)


def decided(parked: Parked, decision: Decision, record: Any) -> Outcome[Any, Any]:
    """Return the outcome of a parked row that a look-up decided about; not of one that is sent again.

    Args:
        parked: The row.
        decision: What was decided.
        record: What was found, or None.
    """
    if decision is Decision.ADOPT:
        return Outcome(parked.index, parked.row, Status.CREATED, record, None, parked.attempts, adopted=True)
    if decision is Decision.CONFLICT:
        return Outcome(parked.index, parked.row, Status.CONFLICT, record, parked.error, parked.attempts)
    if decision is Decision.REJECT:
        return Outcome(parked.index, parked.row, Status.REJECTED, None, parked.rejection, parked.attempts)
    return unknown(parked)
