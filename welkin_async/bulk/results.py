"""Outcomes and reports: what became of each row, and of all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Generic, TypeVar

import attrs

from welkin_async.errors import WelkinError
from welkin_async.http.stats import SessionStats
from welkin_async.wire.records import Record

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
    UNCHANGED = "unchanged"
    GONE = "gone"


_CREATED = Status.CREATED  # a member is found far more slowly on its class, and this one is asked for with each row
_CARRIED_OUT = frozenset({Status.CREATED, Status.UPDATED, Status.DELETED})


@attrs.define(repr=False, eq=False)
class Outcome(Generic[RowT, R]):
    """What became of one row. Every row that was pulled from the source has exactly one.

    Attributes:
        index: The row's position in the source, from 0.
        row: The row as it was given.
        status: ``created``, ``updated`` or ``deleted``; ``rejected``: the server refused it; ``failed``: the server
            never accepted it, because it could not be sent; ``unknown``: it may or may not be on the server;
            ``conflict``: a record with its key is there, but with other fields, or there are several; ``unchanged``:
            it was there before this run, with every field as it was to be sent; ``gone``: an earlier run created it,
            and somebody has deleted it since; ``skipped``:
            an earlier run was done with it, or another row stands for it: see ``earlier``.
        record: The record as the server answered, where it is created or updated.
        error: What went wrong, where it is not.
        attempts: How many requests went out for it.
        adopted: Whether it was found on the server after an attempt whose outcome was unknown.
        altered: The fields that the server dropped or changed, by name.
        earlier: Of a ``skipped`` row: what became of it in an earlier run, a status or ``altered`` or ``doubled``; None
            where another row of this source has the same key and content and stands for it.
        existing: The ids of the records with its key that were there before the row would have been sent.
        journal_position: Where the journal keeps the row, where that is not ``index``: a row with a key of its own is
            kept where the journal first met that key. None for ``index``, or without a journal.
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
    existing: tuple[str, ...] = ()
    journal_position: int | None = None

    @property
    def record_id(self) -> str | None:
        """The id of the record that the row is about, or of the oldest there is; None where none is known."""
        if self.record is not None:
            id: str | None = getattr(self.record, "id", None)
            return id
        return self.existing[0] if self.existing else None

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
        pace: Requests per second that may go out; None for no bound.
        slots: Requests that may be in flight.
        share_refused: Share of the latest answers that were refusals (429 or 503).
        set_aside: Rows that were refused and wait to be sent again, while others are sent.
        reasons: How often rows were set aside so far, by why: the status; ``patient`` for rows held back because
            the server refuses those of their patient; ``pause`` for those held back while nothing gets through.
        unchanged: Rows that were there before, as they were to be sent.
        gone: Rows that an earlier run created and somebody has deleted.
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
    pace: float | None = None
    slots: int = 0
    share_refused: float = 0.0
    set_aside: int = 0
    reasons: Mapping[str, int] = attrs.field(factory=dict)
    unchanged: int = 0
    gone: int = 0

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
        unswept: Keys that were created or ever unknown and that no last look was made at, because the run ended before
            or could not make it: whether they are doubled is not known. A later run with the same journal makes up for
            it. Where existing records were trusted, only keys that were ever unknown are looked at.
        ended: Whether the source came to its end and nothing stopped the run.
        pace: Requests per second that could go out at the end; None for no bound.
        slots: Requests that could be in flight at the end.
        share_refused: Share of the session's requests during the run that were refused (429 or 503).
        set_aside: How often rows were set aside, because they were refused, by why: the status; ``patient`` for
            rows held back because the server refused those of their patient; ``pause`` for those held back while
            nothing got through.
        unchanged: Rows that were there before, as they were to be sent.
        gone: Rows that an earlier run created and somebody has deleted.
        existing: Whether rows were looked for before their first send: ``check`` or ``trust``; empty where rows have
            no keys.
        groups_listed: How many patients, or whatever rows are looked for by, were listed before their first send.
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
    ended: bool = False
    pace: float | None = None
    slots: int = 0
    share_refused: float = 0.0
    set_aside: Mapping[str, int] = attrs.field(factory=dict)
    unchanged: int = 0
    gone: int = 0
    existing: str = ""
    groups_listed: int = 0

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
        """Whether every row of the source is on the server once, as it was sent, by this run or an earlier one.

        That takes four things:

        - The source came to its end by itself, and nothing stopped the run.
        - Every row was carried out, or was there before, and no field of any was dropped or changed.
        - No key is there too often, as far as can be seen.
        - It could be seen: the final scan has looked at every key that was ever unknown, after all that may land late
          has landed, and what it looked by shows doubles. A look-up of patients shows one for each key, so that after a
          patient was sent twice nothing is complete, in this run or a later one. Nor is it where the server changes
          keys and a row was sent twice before that was known.

        Where rows have no keys nothing is sent twice and there is nothing to scan: unknown rows stay unknown.
        """
        once = self.ended and not self.doubled and not self.unswept
        there = self.done + self.unchanged + self.skipped - self.undone
        return once and there == self.rows and not self.altered

    def count_created(self, attempts: int) -> None:
        """Add a row that was created as it was sent, in so many attempts."""
        self.created += 1
        self.attempts += attempts
        if attempts > 1:
            self.retried += attempts - 1

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
        elif status is Status.UNCHANGED:
            self.unchanged += 1
        elif status is Status.GONE:
            self.gone += 1
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
        stats: SessionStats | None = None,
        set_aside: int = 0,
        reasons: Mapping[str, int] | None = None,
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
            pace=None if stats is None else stats.pace,
            slots=0 if stats is None else stats.slots,
            share_refused=0.0 if stats is None else stats.share_refused,
            set_aside=set_aside,
            reasons={} if reasons is None else {**reasons},
            unchanged=self.unchanged,
            gone=self.gone,
        )


def _rows(counts: Progress | Report) -> int:
    done = counts.created + counts.updated + counts.deleted
    refused = counts.rejected + counts.failed + counts.unknown + counts.conflict
    return done + counts.unchanged + counts.gone + refused + counts.skipped


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
