"""Row counts: how many rows of a run have which outcome, and the progress line."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs

from welkin_async.bulk import Progress
from welkin_async.files.job_kind import CREATE_RECORDS, JobKind
from welkin_async.files.options import FileProgress
from welkin_async.files.report.text import Part, duration, fitted, whole
from welkin_async.http.auth.tokens import TokenCache
from welkin_async.http.stats import SessionStats

_MOST_REASONS = 100
_OTHER = "other reasons"
_REPORTED = (
    *(
        "rows",
        "done",
        "updated",
        "unchanged",
        "gone",
        "adopted",
        "altered",
        "rejected",
        "failed",
        "unknown",
        "conflict",
        "doubled",
    ),
    *("unsent", "unswept", "earlier", "attempts", "retried"),
)
_PROGRESS = ("total", "rows", "done", "rejected", "failed", "unknown", "conflict", "retried")


@attrs.define(eq=False)
class RowCounts:
    """Row counts; their size does not depend on the number of rows.

    Rows of earlier runs count as what they became there.

    Attributes:
        kind: The job's kind.
        total: How many rows there are, or None while that is not known.
        done: Rows that it is done with, those of earlier runs included.
        earlier: Rows among all that earlier runs were done with.
        updated: Rows whose record was changed, where other rows are created.
        unchanged: Rows that were there before, as they were to be sent.
        gone: Rows that an earlier run created and somebody has deleted.
        adopted: Rows among the done that were found on the server after an attempt with an unknown outcome.
        altered: Rows among the done of which the server dropped or changed a field.
        rejected: Rows refused, by the server or before anything was sent.
        failed: Rows that could not be sent.
        unknown: Rows that may or may not be on the server.
        conflict: Rows whose key is there with something else.
        doubled: Rows among the done that are on the server more than once.
        unsent: Rows that a stopped run had read and not sent; the next run sends them.
        unswept: Keys of which it is not known whether they are doubled, because no last look was made at them.
        attempts: Requests that went out for rows, as the outcomes tell.
        retried: Those beyond the first of each row.
        reasons: How often each reason for not being done was met.
        stats: Returns a snapshot of the session; None before it is open.
        tokens: The session's tokens; None before it is open.
        progress: The latest snapshot of the bulk operation; None before the first.
        report: Called with each snapshot of the run; None for no call.
    """

    kind: JobKind = CREATE_RECORDS
    total: int | None = None
    done: int = 0
    earlier: int = 0
    updated: int = 0
    unchanged: int = 0
    gone: int = 0
    adopted: int = 0
    altered: int = 0
    rejected: int = 0
    failed: int = 0
    unknown: int = 0
    conflict: int = 0
    doubled: int = 0
    unsent: int = 0
    unswept: int = 0
    attempts: int = 0
    retried: int = 0
    reasons: Counter[str] = attrs.field(factory=Counter)
    stats: Callable[[], SessionStats] | None = None
    tokens: TokenCache | None = None
    progress: Progress | None = None
    report: Callable[[FileProgress], None] | None = None
    _started: float = attrs.field(factory=time.monotonic)
    _clock: Callable[[], float] = time.monotonic

    @property
    def rows(self) -> int:
        """Rows that have their outcome."""
        there = self.done + self.updated + self.unchanged
        return there + self.gone + self.rejected + self.failed + self.unknown + self.conflict + self.unsent

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started

    @property
    def rate(self) -> float:
        """Rows done by this run per second."""
        seconds = self.seconds
        return (self.rows - self.earlier) / seconds if seconds > 0 else 0.0

    def start(self) -> None:
        """Let the clock begin now."""
        self._started = self._clock()

    def count(self, status: str, attempts: int = 0, *, adopted: bool = False, earlier: bool = False) -> None:
        """Count a row.

        Args:
            status: What became of it: an attribute, or what the kind of job calls done.
            attempts: How many requests went out for it.
            adopted: Whether it was found on the server.
            earlier: Whether an earlier run was done with it.
        """
        if status == "altered":
            self.altered += 1
        name = "done" if status in (self.kind.done, "altered") else status
        setattr(self, name, getattr(self, name) + 1)
        self.adopted += adopted
        self.earlier += earlier
        self.attempts += attempts
        if attempts > 1:
            self.retried += attempts - 1

    def count_reason(self, reason: str) -> None:
        """Count a reason for which a row was not done.

        Args:
            reason: Free of its values.
        """
        self.reasons[reason if reason in self.reasons or len(self.reasons) < _MOST_REASONS else _OTHER] += 1

    def on_progress(self, progress: Progress) -> None:
        """Take a snapshot of the bulk operation, and hand on one of the run.

        Args:
            progress: The snapshot.
        """
        self.progress = progress
        self.notify()

    def notify(self) -> None:
        """Report how far the run is."""
        if self.report is not None:
            values: dict[str, Any] = {name: getattr(self, name) for name in _PROGRESS}
            text = self.line()
            self.report(FileProgress(**values, seconds=self.seconds, waiting=self.progress, text=text))

    def values(self) -> dict[str, Any]:
        """Return the counts by the names that a `FileReport` has."""
        return {
            **{name: getattr(self, name) for name in _REPORTED},
            "seconds": self.seconds,
            "rows_per_second": self.rate,
            "reasons": dict(self.reasons.most_common()),
        }

    def line(self, width: int | None = None) -> str:
        """Say in one line how far it is, what the server allows, and what is waited for.

        Args:
            width: How many columns there are: rows, rate and the time that is left stand in every line, what matters
                least is left out first. None for no bound.
        """
        rows, rate = self.rows, self.rate
        of = "" if self.total is None else f"/{whole(max(rows, self.total))}"
        parts = [Part(0, f"{whole(rows)}{of} rows"), Part(0, f"{whole(round(rate))}/s")]
        if self.total is not None and rate > 0:
            parts.append(Part(0, f"{duration(max(0, self.total - rows) / rate)} left"))
        failed, unsure = self.rejected + self.failed, self.unknown + self.conflict
        parts.append(Part(2, f"{self.kind.done} {whole(self.done)}"))
        parts += [Part(3, f"updated {whole(self.updated)}")] if self.updated else []
        parts += [Part(3, f"unchanged {whole(self.unchanged)}")] if self.unchanged else []
        parts.append(Part(1 if failed else 5, f"failed {whole(failed)}"))
        parts += [Part(1, f"unknown {whole(unsure)}")] if unsure else []
        parts.append(Part(4 if self.retried else 5, f"retried {whole(self.retried)}"))
        parts += server_limits(None if self.stats is None else self.stats(), self.tokens)
        parts += _waits(self.progress)
        return fitted(parts, width)


def server_limits(stats: SessionStats | None, tokens: TokenCache | None) -> list[Part]:
    """Return what the server allows, in the words of a progress line.

    Args:
        stats: A snapshot of the session; None before it is open.
        tokens: The session's tokens; None before it is open.
    """
    if stats is None:
        return []
    parts = [Part(4, f"{stats.in_flight:,} of {stats.slots:,} in flight")]
    if stats.pace is not None:
        parts.append(Part(3, f"at most {stats.pace:,.0f}/s"))
    if stats.share_refused:
        parts.append(Part(3, f"{100 * stats.share_refused:.0f} % refused"))
    if stats.paused_for > 0:
        parts.append(Part(1, f"paused for {math.ceil(stats.paused_for)} s"))
    elif not stats.in_flight and tokens is not None and tokens.waiting:
        parts.append(Part(1, "waiting for a token"))
    return parts


def _waits(progress: Progress | None) -> list[Part]:
    """Say what holds rows back, or the end."""
    if progress is None:
        return []
    parts = []
    if progress.down_for is not None:
        parts.append(Part(1, f"server down for {math.ceil(progress.down_for)} s"))
    if progress.set_aside:
        reasons = ", ".join(sorted(progress.reasons))
        parts.append(Part(1, f"{whole(progress.set_aside)} to be sent again ({reasons})"))
    if progress.parked:
        parts.append(Part(1, f"{whole(progress.parked)} being looked up"))
    if progress.sweep_in is not None:
        parts.append(Part(1, f"check for duplicates in {math.ceil(progress.sweep_in)} s"))
    return parts
