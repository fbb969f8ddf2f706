"""What was sent when, and what a refusal found: the evidence from which a pace is derived."""

from __future__ import annotations

import math
from collections import deque

import attrs

__all__ = ["Refusal", "Traffic"]

MARK = 0.02
"""Seconds between marks of what was sent: finer than any limit is counted, and rare enough to cost nothing."""

_MARKS, _WINDOW = 1024, 10.0  # marks kept; seconds of sending that led to a refusal


@attrs.define
class Refusal:
    """What is known of a refusal. Requests of its stretch are those sent since the gate had last reopened.

    Attributes:
        closed: When the gate closed, in monotonic seconds.
        reopens: When the gate reopens, or would if its probe is not refused.
        opened: When the stretch began.
        asked: Seconds of pause the server asked for; None where it did not say.
        in_flight: Requests out, the refused one included.
        first: Tickets of the stretch are above this one.
        refused: The ticket refused.
        last: The last ticket sent.
        through: How many of them got through; answers still under way are added as they come.
        counted: How many were through when the gate closed.
        before: When the refusal before that was; known to `Traffic`.
        began: When the sending began that led to the refusal, ten seconds back at most; known to `Traffic`.
    """

    closed: float
    reopens: float
    opened: float
    asked: float | None
    in_flight: int
    first: int
    refused: int
    last: int
    through: int
    counted: int
    before: float = -math.inf
    began: float = -math.inf


class Traffic:
    """Remembers what was sent, in marks: a moment and the last ticket before it."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque(maxlen=_MARKS)
        self._busy_since = -math.inf
        self._refused_at = -math.inf

    def mark(self, now: float, ticket: int, reopened: float) -> float:
        """Note that a ticket is about to be given.

        Args:
            now: Monotonic seconds.
            ticket: The last ticket before.
            reopened: When the gate last reopened.

        Returns:
            When the next mark is due.
        """
        if not self._marks or (now - self._marks[-1][0] > 1.0 and now - reopened > 1.0):
            self._busy_since = now
        self._marks.append((now, ticket))
        return now + MARK

    def refused(self, refusal: Refusal) -> None:
        """Complete what is known of a refusal that was no probe's."""
        refusal.before, self._refused_at = self._refused_at, refusal.closed
        refusal.began = max(self._busy_since, refusal.closed - _WINDOW)

    def probe_refused(self, now: float) -> None:
        """Note that the server did not take what was sent after the pause either."""
        self._refused_at = now

    def restart(self, now: float) -> None:
        """Count from now on: what was sent before was sent to no purpose."""
        self._busy_since = now

    def earlier(self, refusal: Refusal) -> int:
        """Return how many requests of the stretch were sent before the sending that led to the refusal."""
        return next((ticket for at, ticket in self._marks if at >= refusal.began), refusal.first) - refusal.first

    def inflow(self, refusal: Refusal, burst: int, lasted: float) -> float:
        """Return the rate at which a bucket that is empty now was filled, in tokens per second.

        It was empty at the refusal before, so all that got through since flowed in, or was in it at some later moment
        and had been no more than the burst of the first storm. That storm had one burst and what flowed in meanwhile,
        or two where the bucket had time to fill between its first round and its second.

        Args:
            refusal: The refusal that found it empty.
            burst: What got through in the storm.
            lasted: Seconds the storm took.
        """
        rate = refusal.through / (refusal.closed - refusal.before)
        for at, ticket in self._marks:
            span = refusal.closed - at
            if ticket >= refusal.first and span > lasted + 0.2:
                through = refusal.through - (ticket - refusal.first)
                rate = max(rate, min((through - burst) / (span - lasted), (through - burst / 2) / span))
        return rate

    def last_window(self, refusal: Refusal, window: float) -> int:
        """Return how many requests were sent in the window, of so many seconds, that ended with the refused one."""
        end, count = refusal.closed, 0
        for at, ticket in reversed(self._marks):
            if ticket >= refusal.last:
                continue  # the probe
            if ticket >= refusal.refused:
                end = at
            elif ticket < refusal.first or end - at > window:
                break
            else:
                count = refusal.refused - 1 - ticket
        return count
