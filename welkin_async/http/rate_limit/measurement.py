"""What the server accepts, as measured: how many requests per second, and how long they take."""

from __future__ import annotations

import math
from collections import deque

import attrs

_GRAIN = 0.05  # seconds between notes: finer than any limit is counted, and rare enough to cost nothing
_LEAST, _MOST = 1.0, 8.0  # seconds over which a rate is measured: limits are counted by the second
_ENOUGH = 100  # requests that make a rate; with fewer in the last second, it is measured over longer
_TIMED = 200  # requests over which the latency is averaged


@attrs.define
class Window:
    """Answers counted since a moment, when so many requests had been accepted before."""

    since: float
    before: int
    accepted: int = 0
    refused: int = 0
    overloaded: int = 0

    @property
    def share(self) -> float:
        """The share refused."""
        return self.refused / max(1, self.accepted + self.refused)


class Measurement:
    """Remembers when how many requests had been accepted.

    Attributes:
        accepted: Requests accepted; whoever measures counts them here.
        latency: Seconds an accepted request takes on average; 0.0 before the first was timed.
        mark_at: When the next note is due.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.latency = 0.0
        self.mark_at = -math.inf
        self._timed = 0
        self._marks: deque[tuple[float, int]] = deque(maxlen=int(2 * _MOST / _GRAIN))
        self._since, self._before = -math.inf, 0

    def mark(self, now: float) -> bool:
        """Note how many were accepted until now, and tell whether that is the first note after the start or idleness.

        What was accepted before an idle time says nothing about the rate.
        """
        self.mark_at = now + _GRAIN
        idle = not self._marks or now - self._marks[-1][0] > 2.0 * _LEAST
        if self._since == -math.inf:
            self._since = now
        if idle:
            self._marks.clear()
        self._marks.append((now, self.accepted))
        return idle

    def restart(self, now: float) -> None:
        """Measure from now on."""
        self._since, self._before = now, self.accepted
        self._marks.clear()
        self._marks.append((now, self.accepted))

    def time(self, seconds: float) -> None:
        """Note how long an accepted request took."""
        self._timed = min(self._timed + 1, _TIMED)
        self.latency += (seconds - self.latency) / self._timed

    def rate(self, now: float) -> float:
        """Return the requests accepted per second lately."""
        at, count = now, 0
        for at, accepted in reversed(self._marks):
            count = self.accepted - accepted
            if now - at >= _MOST or (now - at >= _LEAST and count >= _ENOUGH):
                break
        return count / max(now - at, _GRAIN)

    def total(self, now: float) -> tuple[float, int]:
        """Return the seconds from the start to a moment, with every pause, and how many were accepted."""
        return now - self._since, self.accepted - self._before

    def since_mark(self, now: float) -> tuple[float, int]:
        """Return the seconds since the last note, and how many were accepted; zeroes where there is none."""
        at, accepted = self._marks[-1] if self._marks else (now, self.accepted)
        return now - at, self.accepted - accepted
