"""When the next request may go out: steady rate, pool-wide pause, adaptive concurrency.

`Limiter` holds no lock, task or event and does no I/O. Time is handed to it, so a test drives it through an hour in a
millisecond. The rule, in the order it is asked:

1. **Gate.** A throttling answer closes the gate until a moment every caller can read.
2. **Probe.** When the gate has reopened, one request goes ahead; the others wait for what it meets.
3. **Slots.** At most so many requests are out at once: unlimited until the server says it is overloaded (503), then
   half of what was out, growing by one for each round that gets through.
4. **Pace.** The caller's own rate, and the one installed by the first 429: what got through over the window with its
   pause. Until a second 429 tells where the ceiling is, the pace grows by a fixed share a second. Afterwards it
   follows a cubic curve: just below the ceiling at first, flat around it, probing beyond only after a while, because
   each refusal costs the whole pool a pause.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import attrs

__all__ = ["Limiter"]

LONGEST_PAUSE = 300.0
"""Seconds; no answer can close the gate for longer."""

_FIRST_PAUSE, _LONGEST_GUESS = 0.5, 60.0  # where a throttling answer names no time: 0.5, 1, 2 ... 60 s
_JITTER = 0.1  # of the pause, at most; only ever added, so that nobody comes early
_FLOOR = 1.0  # requests per second
_CATCH_UP = 0.05  # seconds of lateness a pace may make good, so that late timers do not lower it
# (base, ceiling) of the next curve, as shares of the rate that was refused: the first where the last cut had held for
# ten seconds, the last where it did not hold for one.
_CUTS = ((0.96, 1.0), (0.85, 0.95), (0.7, 0.9))
_SLACK = 1.25  # what got through is counted late; the pace may have been this much above it
_ASCENT, _PLATEAU = 8.0, 30.0  # seconds to the middle of the flat part: of the first guess, of a known ceiling
_GROWTH = 0.3  # per second, exponential, once the first guess has held
_FREE_AGAIN = 4.0  # times the ceiling: above this the pace is lifted
_BUCKET, _WINDOW = 0.1, 10.0  # seconds; what got through is counted in buckets and remembered for a window


@attrs.frozen
class _Curve:
    """How an installed rate grows: steeply towards the ceiling, flat around it, then beyond.

    Attributes:
        start: When it begins, in monotonic seconds.
        base: The rate it begins with.
        ceiling: The rate it is flat around.
        plateau: Seconds from the beginning to the middle of the flat part.
        growth: Exponential growth per second after one and a half plateaus, where the ceiling is a guess; else 0.
    """

    start: float
    base: float
    ceiling: float
    plateau: float
    growth: float

    def at(self, now: float) -> float:
        """Return the rate at a moment, in requests per second."""
        elapsed = max(0.0, now - self.start)
        beyond = elapsed - 1.5 * self.plateau
        if self.growth and beyond > 0.0:
            return self.ceiling * math.exp(self.growth * beyond)
        depth = max(self.ceiling - self.base, 0.0 if self.growth else 0.04 * self.ceiling)
        return self.ceiling + depth * (elapsed / self.plateau - 1.0) ** 3


class Limiter:
    """Decides when a request may go out.

    Args:
        rate: Requests per second the caller allows itself; None for no bound.
        concurrency: Requests out at once; None for no bound until the server is overloaded.
        jitter: Returns a number in [0, 1) to spread the reopening of several processes.
    """

    def __init__(
        self,
        *,
        rate: float | None = None,
        concurrency: int | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._own_rate = rate
        self._jitter = jitter
        self._most_slots = math.inf if concurrency is None else float(concurrency)
        self._slots = self._most_slots
        self.in_flight = 0
        self._serial = 0
        self._cut_serial = 0  # requests up to this one belong to the last throttling, whenever they answer
        self._gate_until = -math.inf
        self._opened_at = -math.inf
        self._probe_due = False
        self._probe: int | None = None
        self._strikes = 0  # throttlings in a row with nothing let through between them
        self._next_at = -math.inf
        self._curve: _Curve | None = None
        self._peak = 0.0
        self._passed: list[tuple[float, int]] = []
        self._last_taken = -math.inf
        self._window_start = -math.inf
        self.throttles = 0

    def wait(self, now: float) -> float:
        """Return how long a request must wait: 0.0 for not at all, infinity for until one that is out returns.

        Args:
            now: Monotonic seconds.
        """
        if now < self._gate_until:
            return self._gate_until - now
        if self.in_flight >= self._slots:
            return math.inf
        if self._probe_due:
            return 0.0 if self._probe is None else math.inf
        if now < self._next_at and self.rate(now) is not None:
            return self._next_at - now
        return 0.0

    def closed_for(self, now: float) -> float:
        """Return for how many seconds the gate stays closed; 0.0 where it is open."""
        return max(0.0, self._gate_until - now)

    def throttled(self, now: float) -> bool:
        """Tell whether the server, not the caller's own settings, may be holding requests back."""
        return self._probe_due or now < self._gate_until or self._curve is not None or self._slots < self._most_slots

    def rate(self, now: float) -> float | None:
        """Return the pace in force, in requests per second; None for no bound."""
        installed = self._installed_rate(now)
        if installed is None:
            return self._own_rate
        return installed if self._own_rate is None else min(installed, self._own_rate)

    @property
    def slots(self) -> float:
        """How many requests may be out at once; infinity for no bound."""
        return self._slots

    def take(self, now: float) -> int:
        """Let a request out that `wait` held no longer.

        Args:
            now: Monotonic seconds.

        Returns:
            Its ticket, to be handed to `release` and to the report of how it went.
        """
        self._serial += 1
        self.in_flight += 1
        if self._probe_due:
            self._probe = self._serial
        if self._own_rate is not None or self._curve is not None:
            rate = self.rate(now)
            if rate is not None:
                self._next_at = max(self._next_at, now - _CATCH_UP) + 1.0 / rate
        if now - self._last_taken > 1.0 and now - self._gate_until > 1.0:
            self._window_start = now
        self._last_taken = now
        return self._serial

    def release(self, ticket: int) -> None:
        """Note that a request is no longer out, however it ended; a probe without a verdict lets the next one probe."""
        self.in_flight -= 1
        if ticket == self._probe:
            self._probe = None

    def passed(self, ticket: int, now: float) -> None:
        """Note that the server dealt with a request instead of throttling it."""
        if self._passed and now - self._passed[-1][0] < _BUCKET:
            start, count = self._passed[-1]
            self._passed[-1] = (start, count + 1)
        else:
            self._passed.append((now, 1))
            if now - self._passed[0][0] > 2 * _WINDOW:
                self._passed = [entry for entry in self._passed if now - entry[0] <= _WINDOW]
        if ticket > self._cut_serial:
            self._probe_due = False
            self._strikes = 0
        if self._slots < self._most_slots:
            self._slots = min(self._most_slots, self._slots + 1.0 / self._slots)

    def throttle(self, ticket: int, now: float, retry_after: float | None, *, overloaded: bool = False) -> float:
        """Note a throttling answer: close the gate, and cut the pace (429) or the slots (503).

        Answers to requests that were already out when the last cut was made belong to that cut.

        Args:
            ticket: The ticket of the refused request.
            now: Monotonic seconds.
            retry_after: Seconds the server asks for; None where it does not say.
            overloaded: Whether it said 503 rather than 429.

        Returns:
            Seconds for which the gate is closed now.
        """
        self.throttles += 1
        if ticket <= self._cut_serial:
            if now < self._gate_until and retry_after is not None:
                self._gate_until = max(self._gate_until, now + min(max(retry_after, 0.0), LONGEST_PAUSE))
            return self.closed_for(now)
        if retry_after is None:
            pause = min(_LONGEST_GUESS, _FIRST_PAUSE * 2.0**self._strikes)
        else:
            pause = min(max(retry_after, 0.0), LONGEST_PAUSE)
        was_probe = self._probe_due
        reopens = now + pause * (1.0 + _JITTER * self._jitter())
        if not was_probe:  # a probe that was refused says "not yet", not "too fast"
            if overloaded:
                self._slots = max(1.0, self.in_flight / 2)
            else:
                self._cut(now, reopens)
        self._strikes += 1
        self._cut_serial = self._serial
        self._gate_until = reopens
        self._opened_at = reopens
        self._probe_due = True
        return self.closed_for(now)

    def _installed_rate(self, now: float) -> float | None:
        """Return where the growth since the last cut has brought the installed rate."""
        curve = self._curve
        if curve is None:
            return None
        rate = curve.at(now)
        if rate > _FREE_AGAIN * max(curve.ceiling, self._peak):
            self._curve = None
            return None
        return rate

    def _cut(self, now: float, reopens: float) -> None:
        """Install a rate at or below what got through."""
        paced = self._installed_rate(now)
        if paced is None:
            self._curve = self._first_curve(now, reopens)
        else:
            steady = now - self._opened_at
            span = min(max(steady, _BUCKET), 2.0)
            through = self._count_since(now - span) / span
            ceiling = min(paced, _SLACK * through) if steady >= 1.0 else paced
            cut, hope = _CUTS[0] if steady >= 10.0 else _CUTS[1] if steady >= 1.0 else _CUTS[2]
            self._curve = _Curve(reopens, max(cut * ceiling, _FLOOR), max(hope * ceiling, _FLOOR), _PLATEAU, 0.0)
        self._peak = self._curve.ceiling
        self._next_at = reopens

    def _first_curve(self, now: float, reopens: float) -> _Curve:
        """Guess from what got through before the first refusal.

        Over the window with its pause it is a rate the server certainly bears. If it counts by the second, it bears
        what got through per second; that is taken for the ceiling, to be passed only after a while. A server that
        names no time is more likely to leak steadily behind a small burst: there the growth starts at once.
        """
        start = max(self._window_start, now - _WINDOW)
        count = self._count_since(start)
        borne = max(count / max(reopens - start, _BUCKET), _FLOOR)
        by_the_second = 0.98 * count / max(now - start, 1.0)
        return _Curve(reopens, borne, max(borne, by_the_second), _ASCENT, _GROWTH)

    def _count_since(self, start: float) -> int:
        return sum(count for at, count in self._passed if at >= start - _BUCKET)
