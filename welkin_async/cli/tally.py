"""Counts of rows as a run goes."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs

from welkin_async.auth import TokenCache
from welkin_async.bulk import Progress
from welkin_async.cli.deeds import CREATE_RECORDS, Deed
from welkin_async.cli.text import whole
from welkin_async.limits import Limiter

__all__ = ["Tally", "allowed"]

_MOST_REASONS = 100
_OTHER = "other reasons"


@attrs.define(eq=False)
class Tally:
    """Counts; their size does not depend on the number of rows.

    Rows of earlier runs count as what they became there.

    Attributes:
        deed: What is done.
        total: How many rows there are, or None while that is not known.
        done: Rows that it is done with, those of earlier runs included.
        earlier: Rows among all that earlier runs were done with.
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
        limiter: What the server allows; None before the session is open.
        tokens: The session's tokens; None before it is open.
        progress: The latest snapshot of the bulk operation; None before the first.
    """

    deed: Deed = CREATE_RECORDS
    total: int | None = None
    done: int = 0
    earlier: int = 0
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
    limiter: Limiter | None = None
    tokens: TokenCache | None = None
    progress: Progress | None = None
    _started: float = attrs.field(factory=time.monotonic)
    _clock: Callable[[], float] = time.monotonic

    @property
    def rows(self) -> int:
        """Rows that have their outcome."""
        return self.done + self.rejected + self.failed + self.unknown + self.conflict + self.unsent

    @property
    def complete(self) -> bool:
        """Whether every row so far is done once, as it was sent."""
        return self.done == self.rows and not self.altered and not self.doubled and not self.unswept

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
            status: What became of it: an attribute, or what the deed calls done.
            attempts: How many requests went out for it.
            adopted: Whether it was found on the server.
            earlier: Whether an earlier run was done with it.
        """
        if status == "altered":
            self.altered += 1
        name = "done" if status in (self.deed.done, "altered") else status
        setattr(self, name, getattr(self, name) + 1)
        self.adopted += adopted
        self.earlier += earlier
        self.attempts += attempts
        if attempts > 1:
            self.retried += attempts - 1

    def because(self, reason: str) -> None:
        """Count a reason for which a row was not done.

        Args:
            reason: Free of its values.
        """
        self.reasons[reason if reason in self.reasons or len(self.reasons) < _MOST_REASONS else _OTHER] += 1

    def told(self, progress: Progress) -> None:
        """Take a snapshot of the bulk operation.

        Args:
            progress: The snapshot.
        """
        self.progress = progress

    def line(self) -> str:
        """Say in one line how far it is, what the server allows, and what is waited for."""
        rows, rate = self.rows, self.rate
        parts = [
            f"{whole(rows)}/{whole(max(rows, self.total))} rows" if self.total is not None else f"{whole(rows)} rows"
        ]
        parts.append(f"{whole(round(rate))}/s")
        parts.append(f"{self.deed.done} {whole(self.done)}")
        parts.append(f"failed {whole(self.rejected + self.failed)}")
        if self.unknown or self.conflict:
            parts.append(f"unknown {whole(self.unknown + self.conflict)}")
        parts.append(f"retried {whole(self.retried)}")
        parts += allowed(self.limiter, self.tokens, self._clock())
        parts += _awaited(self.progress)
        if self.total is not None and rate > 0:
            parts.append(f"{_duration(max(0, self.total - rows) / rate)} left")
        return "  ".join(parts)

    def as_json(self) -> dict[str, Any]:
        """Return the counts for machines."""
        names = (
            *("adopted", "altered", "rejected", "failed", "unknown", "conflict", "doubled"),
            *("unsent", "unswept", "earlier", "attempts", "retried", "complete"),
        )
        seconds = self.seconds
        return {
            "rows": self.rows,
            self.deed.done: self.done,
            **{name: getattr(self, name) for name in names},
            "seconds": round(seconds, 3),
            "rows_per_second": round(self.rate, 1),
        }


def allowed(limiter: Limiter | None, tokens: TokenCache | None, now: float) -> list[str]:
    """Say what is out and what the server allows.

    Args:
        limiter: What the server allows; None before the session is open.
        tokens: The session's tokens; None before it is open.
        now: Monotonic seconds.
    """
    if limiter is None:
        return []
    parts = [f"{limiter.in_flight} out"]
    rate, pause = limiter.rate(now), limiter.closed_for(now)
    if rate is not None:
        parts.append(f"at most {rate:,.0f}/s")
    if limiter.overloaded:
        parts.append(f"{int(limiter.slots):,} at once")
    if pause > 0:
        parts.append(f"paused {math.ceil(pause)} s")
    elif not limiter.in_flight and tokens is not None and tokens.current() is None:
        parts.append("waiting for a token")
    return parts


def _awaited(progress: Progress | None) -> list[str]:
    """Say what holds rows back, or the end."""
    if progress is None:
        return []
    parts = []
    if progress.down_for is not None:
        parts.append(f"server down for {math.ceil(progress.down_for)} s")
    if progress.parked:
        parts.append(f"{whole(progress.parked)} looked for")
    if progress.sweep_in is not None:
        parts.append(f"last look in {math.ceil(progress.sweep_in)} s")
    return parts


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
