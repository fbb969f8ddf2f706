"""Counts of an import as it goes, and its summary."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import attrs

from welkin_async.bulk import Outcome, Status
from welkin_async.cli.rows import Problem
from welkin_async.cli.text import whole

__all__ = ["Tally"]

_MOST_REASONS = 100
_OTHER = "other reasons"


@attrs.define(eq=False)
class Tally:
    """Counts; their size does not depend on the number of rows.

    Attributes:
        total: How many rows there are, or None while that is not known.
        created: Rows created.
        rejected: Rows refused, by the server or before anything was sent.
        failed: Rows that could not be sent.
        unknown: Rows that may or may not be on the server, and those whose key is there with something else.
        requests: Creates that went out.
        retried: Requests beyond the first of each row.
        altered: Rows among the created of which the server dropped or changed a field.
        reasons: How often each reason was met.
        started: When, on the monotonic clock.
    """

    total: int | None = None
    created: int = 0
    rejected: int = 0
    failed: int = 0
    unknown: int = 0
    requests: int = 0
    retried: int = 0
    altered: int = 0
    reasons: Counter[str] = attrs.field(factory=Counter)
    started: float = attrs.field(factory=time.monotonic)

    @property
    def rows(self) -> int:
        """Rows that have their outcome."""
        return self.created + self.rejected + self.failed + self.unknown

    @property
    def complete(self) -> bool:
        """Whether every row so far was created as it was sent."""
        return self.created == self.rows and not self.altered

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def start(self) -> None:
        """Let the clock begin now."""
        self.started = time.monotonic()

    def sent(self, outcome: Outcome[Any, Any]) -> None:
        """Count an outcome's requests, and the row where it was created."""
        self.requests += outcome.attempts
        if outcome.attempts > 1:
            self.retried += outcome.attempts - 1
        if outcome.status is Status.CREATED:
            self.created += 1
            self.altered += bool(outcome.altered)

    def refuse(self, problem: Problem) -> None:
        """Count a row that was not created."""
        if problem.status is Status.REJECTED:
            self.rejected += 1
        elif problem.status is Status.FAILED:
            self.failed += 1
        else:
            self.unknown += 1
        reason = problem.reason
        self.reasons[reason if reason in self.reasons or len(self.reasons) < _MOST_REASONS else _OTHER] += 1

    def line(self) -> str:
        """Say in one line how far it is."""
        rows, seconds = self.rows, self.seconds
        rate = rows / seconds if seconds > 0 else 0.0
        parts = [
            f"{whole(rows)}/{whole(max(rows, self.total))} rows" if self.total is not None else f"{whole(rows)} rows"
        ]
        parts.append(f"{whole(round(rate))}/s")
        parts.append(f"created {whole(self.created)}")
        parts.append(f"failed {whole(self.rejected + self.failed)}")
        if self.unknown:
            parts.append(f"unknown {whole(self.unknown)}")
        parts.append(f"retried {whole(self.retried)}")
        if self.total is not None and rate > 0:
            parts.append(f"{_duration(max(0, self.total - rows) / rate)} left")
        return "  ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
