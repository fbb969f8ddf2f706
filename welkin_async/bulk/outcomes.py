"""What became of each row, and of all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

import attrs

from welkin_async.errors import WelkinError
from welkin_async.record import Record

__all__ = ["BulkStoppedError", "CdtRow", "Outcome", "Progress", "Report", "Status"]

RowT = TypeVar("RowT")
R = TypeVar("R", bound=Record)


class Status(StrEnum):
    """Where a row stands."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    REJECTED = "rejected"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CONFLICT = "conflict"
    SKIPPED = "skipped"


_CREATED = Status.CREATED  # a member is found far more slowly on its class, and this one is asked for with each row
_CARRIED_OUT = frozenset({Status.CREATED, Status.UPDATED, Status.DELETED})


@attrs.define(repr=False)
class CdtRow:
    """One CDT record to be created.

    Attributes:
        patient_id: The id of the patient it belongs to.
        fields: The customer's fields by their own names.
        key: What the caller knows the row by; comes back with its outcome.
        problem: Why it cannot be sent, where its source knows that; it keeps its position and is ``failed`` so. Where
            an earlier run may have sent it, it is ``unknown``, unless an `InvalidInputError` says that none can have.
    """

    patient_id: str | UUID
    fields: Mapping[str, Any]
    key: str | None = None
    problem: WelkinError | None = None

    def __repr__(self) -> str:
        """Show the class: everything in it may identify a person."""
        return "<CdtRow>"


@attrs.define(repr=False, eq=False)
class Outcome(Generic[RowT, R]):
    """What became of one row. Every row that was pulled from the source has exactly one.

    Attributes:
        index: The row's position in the source, from 0.
        row: The row as it was given.
        status: ``created``, ``updated`` or ``deleted``; ``rejected``: the server refused it; ``failed``: the server
            never accepted it, because it could not be sent; ``unknown``: it may or may not be on the server;
            ``conflict``: a record with its key is there, but with other fields, or older than the import; ``skipped``:
            an earlier run was done with it, or another row stands for it: see ``earlier``.
        record: The record as the server answered, where it is created or updated.
        error: What went wrong, where it is not.
        attempts: How many requests went out for it.
        adopted: Whether it was found on the server after an attempt whose outcome was unknown.
        altered: The fields that the server dropped or changed, by name.
        earlier: Of a ``skipped`` row: what became of it in an earlier run, a status or ``altered`` or ``doubled``; None
            where another row of this source has the same key and content and stands for it.
    """

    index: int
    row: RowT
    status: Status
    record: R | None
    error: WelkinError | None
    attempts: int
    adopted: bool = False
    altered: tuple[str, ...] = ()
    earlier: str | None = None

    def __repr__(self) -> str:
        """Show position and status: the row and the record may be a patient's."""
        return f"<Outcome of row {self.index}: {self.status}>"


@attrs.frozen(kw_only=True)
class Progress:
    """A snapshot of a running import.

    Attributes:
        total: How many rows there are, or None where the source cannot say.
        created: Rows created.
        rejected: Rows the server refused.
        failed: Rows that could not be sent.
        unknown: Rows that may or may not be on the server.
        conflict: Rows whose key is on the server with something else.
        skipped: Rows that an earlier run was done with, or for which another row stands.
        adopted: Rows among the created that were found on the server after an attempt with an unknown outcome.
        altered: Rows among the created and updated of which the server dropped or changed a field.
        attempts: Requests that went out.
        retried: Requests beyond the first of each row.
        seconds: Since the start.
        updated: Rows whose record was changed.
        deleted: Rows whose record was deleted.
        parked: Rows that may or may not be on the server, and are looked for.
        down_for: Seconds for which the run has been paused so far, because the server is down; None where it is not.
        sweep_in: Seconds until the last look for doubled keys, for which all is done but to wait; None before and
            after.
    """

    total: int | None
    created: int
    rejected: int
    failed: int
    unknown: int
    conflict: int
    skipped: int
    adopted: int
    altered: int
    attempts: int
    retried: int
    seconds: float
    updated: int = 0
    deleted: int = 0
    parked: int = 0
    down_for: float | None = None
    sweep_in: float | None = None

    @property
    def rows(self) -> int:
        """How many rows have their outcome."""
        return _rows(self)


@attrs.define(kw_only=True)
class Report:
    """Counts over a whole import; its size does not depend on the number of rows.

    Attributes:
        created: Rows created.
        rejected: Rows the server refused.
        failed: Rows that could not be sent.
        unknown: Rows that may or may not be on the server.
        conflict: Rows whose key is on the server with something else.
        skipped: Rows that an earlier run was done with, or for which another row stands.
        adopted: Rows among the created that were found on the server after an attempt with an unknown outcome.
        altered: Rows among the created and updated of which the server dropped or changed a field.
        attempts: Requests that went out.
        retried: Requests beyond the first of each row.
        seconds: How long it took.
        doubled: Keys that are on the server more than once, as far as the last look told.
        lookups: Listings made to look rows up.
        paused: Seconds for which the import waited for a server that was down.
        updated: Rows whose record was changed.
        deleted: Rows whose record was deleted.
        undone: Rows among the skipped that an earlier run did not carry out, or whose record it found altered or
            doubled.
        unswept: Keys that were ever unknown and that no last look was made at, because the run ended before or could
            not make it: whether they are doubled is not known. A later run with the same journal makes up for it.
    """

    created: int = 0
    rejected: int = 0
    failed: int = 0
    unknown: int = 0
    conflict: int = 0
    skipped: int = 0
    adopted: int = 0
    altered: int = 0
    attempts: int = 0
    retried: int = 0
    seconds: float = 0.0
    doubled: int = 0
    lookups: int = 0
    paused: float = 0.0
    updated: int = 0
    deleted: int = 0
    undone: int = 0
    unswept: int = 0

    @property
    def rows(self) -> int:
        """How many rows have their outcome."""
        return _rows(self)

    @property
    def done(self) -> int:
        """How many rows were carried out in this run."""
        return self.created + self.updated + self.deleted

    @property
    def complete(self) -> bool:
        """Whether every row is on the server once, as it was sent, by this run or an earlier one."""
        once = not self.doubled and not self.unswept
        return once and self.done + self.skipped - self.undone == self.rows and not self.altered

    def count(self, outcome: Outcome[Any, Any]) -> None:
        """Add one outcome."""
        status = outcome.status
        if status is _CREATED:
            self.created += 1
            if outcome.adopted:
                self.adopted += 1
            if outcome.altered:
                self.altered += 1
        elif status is Status.UPDATED:
            self.updated += 1
            if outcome.altered:
                self.altered += 1
        elif status is Status.DELETED:
            self.deleted += 1
        elif status is Status.REJECTED:
            self.rejected += 1
        elif status is Status.FAILED:
            self.failed += 1
        elif status is Status.UNKNOWN:
            self.unknown += 1
        elif status is Status.CONFLICT:
            self.conflict += 1
        else:
            self.skipped += 1
            if outcome.earlier is not None and outcome.earlier not in _CARRIED_OUT:
                self.undone += 1
        attempts = outcome.attempts
        self.attempts += attempts
        if attempts > 1:
            self.retried += attempts - 1

    def progress(
        self,
        total: int | None,
        seconds: float,
        *,
        parked: int = 0,
        down_for: float | None = None,
        sweep_in: float | None = None,
    ) -> Progress:
        """Return a snapshot; the arguments are what a report does not know, see `Progress`."""
        return Progress(
            total=total,
            created=self.created,
            rejected=self.rejected,
            failed=self.failed,
            unknown=self.unknown,
            conflict=self.conflict,
            skipped=self.skipped,
            adopted=self.adopted,
            altered=self.altered,
            attempts=self.attempts,
            retried=self.retried,
            seconds=seconds,
            updated=self.updated,
            deleted=self.deleted,
            parked=parked,
            down_for=down_for,
            sweep_in=sweep_in,
        )


def _rows(counts: Progress | Report) -> int:
    done = counts.created + counts.updated + counts.deleted
    return done + counts.rejected + counts.failed + counts.unknown + counts.conflict + counts.skipped


class BulkStoppedError(WelkinError):
    """An import asked to stop at a failure, or at so many, has stopped; what was in flight was drained first.

    Attributes:
        report: Counts up to the stop.
        index: The position of the row that was one too many.
        error: Why it failed.
    """

    def __init__(self, report: Report, index: int, error: WelkinError | None) -> None:
        self.report = report
        self.index = index
        self.error = error
        super().__init__(f"stopped at row {index}: {error if error is not None else 'it was not carried out'}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.report, self.index, self.error)
