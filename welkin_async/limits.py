"""When the next request may go out: steady rate, pool-wide pause, adaptive pace and concurrency.

`Limiter` holds no lock, task or event and does no I/O. Time is handed to it, so a test drives it through an hour in a
millisecond. The rule, in the order it is asked:

1. **Gate.** A throttling answer closes the gate until a moment every caller can read.
2. **Slots.** At most so many requests are out at once: unlimited until the server says it is overloaded (503), then
   half of what was out, growing by one for each round that gets through.
3. **Probe.** When the gate has reopened, one request goes ahead; the others wait for what it meets.
4. **Pace.** The caller's own rate, and the one installed by the first 429 (`Pacer`), whichever is lower.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from welkin_async.pace import Pacer
from welkin_async.traffic import Refusal

__all__ = ["Limiter"]

LONGEST_PAUSE = 300.0
"""Seconds; no answer can close the gate for longer."""

_FIRST_PAUSE, _LONGEST_GUESS = 0.5, 60.0  # where a throttling answer names no time: 0.5, 1, 2 ... 60 s
_JITTER = 0.1  # of the pause, at most; only ever added, so that nobody comes early
_CATCH_UP = 0.05  # seconds of lateness a pace may make good, so that late timers do not lower it


class Limiter:
    """Decides when a request may go out.

    Args:
        rate: Requests per second the caller allows itself; None for no bound.
        concurrency: Requests out at once; None for no bound until the server is overloaded.
        jitter: Returns a number in [0, 1) to spread the reopening of several processes.

    Attributes:
        in_flight: Requests out.
        throttles: Throttling answers met.
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
        self.throttles = 0
        self._serial = 0
        self._cut_serial = 0  # requests up to this one belong to the last throttling, whenever they answer
        self._gate_until = -math.inf
        self._probe_due = False  # whenever the gate is closed, and after that until a probe is through
        self._probe: int | None = None
        self._strikes = 0  # throttlings in a row with nothing let through between them
        self._next_at = -math.inf
        self._pacer = Pacer()
        self._mark_at = -math.inf  # when a ticket is to be marked again
        self._through = 0  # since the gate reopened
        self._unpaced = rate is None  # neither gate nor rate: what is left to ask for are the slots
        self._untroubled = True  # an answer that is no refusal changes nothing but the count

    def wait(self, now: float) -> float:
        """Return how long a request must wait: 0.0 for not at all, infinity for until one that is out returns.

        Args:
            now: Monotonic seconds.
        """
        if now < self._gate_until:
            return self._gate_until - now
        if self.in_flight + 1 > self._slots:  # slots grow by fractions
            return math.inf
        if self._probe_due:
            return 0.0 if self._probe is None else math.inf
        return max(0.0, self._next_at - now)

    def closed_for(self, now: float) -> float:
        """Return for how many seconds the gate stays closed; 0.0 where it is open."""
        return max(0.0, self._gate_until - now)

    def throttled(self, now: float) -> bool:
        """Tell whether the server, not the caller's own settings, may be holding requests back."""
        return not self._untroubled or self._pacer.pace is not None or now < self._gate_until

    def rate(self, now: float) -> float | None:
        """Return the pace in force, in requests per second; None for no bound.

        Args:
            now: Monotonic seconds. (Today's rule does not look at it: a pace grows with use only.)
        """
        pace = self._pacer.pace
        if pace is None:
            return self._own_rate
        return pace.rate if self._own_rate is None else min(pace.rate, self._own_rate)

    @property
    def slots(self) -> float:
        """How many requests may be out at once; infinity for no bound."""
        return self._slots

    @property
    def overloaded(self) -> bool:
        """Whether fewer requests may be out than the session allows itself, because the server was overloaded."""
        return self._slots < self._most_slots

    def try_take(self, now: float) -> int:
        """Let a request out if it need not wait; every request asks this first.

        Args:
            now: Monotonic seconds, no earlier than in the calls before.

        Returns:
            Its ticket, or 0 where it must wait.
        """
        if self._unpaced and now < self._mark_at:
            out = self.in_flight + 1
            if out > self._slots:
                return 0
            self.in_flight = out
            self._serial = ticket = self._serial + 1
            return ticket
        return self.take(now) if self.wait(now) <= 0.0 else 0

    def take(self, now: float) -> int:
        """Let a request out that `wait` held no longer.

        Args:
            now: Monotonic seconds.

        Returns:
            Its ticket, to be handed to `release` and to the report of how it went.
        """
        if now >= self._mark_at:
            self._mark_at = self._pacer.traffic.mark(now, self._serial, self._gate_until)
        self._serial += 1
        self.in_flight += 1
        if self._unpaced:
            return self._serial
        if self._probe_due:
            self._probe = self._serial
        rate, pace = self.rate(now), self._pacer.pace
        if rate is not None:
            if pace is not None and now - self._next_at <= _CATCH_UP and (self._own_rate is None or rate == pace.rate):
                pace.age += 1.0 / rate
            self._next_at = max(self._next_at, now - _CATCH_UP) + 1.0 / rate
        return self._serial

    def release(self, ticket: int) -> None:
        """Note that a request is no longer out, however it ended; a probe without a verdict lets the next one probe."""
        self.in_flight -= 1
        if ticket == self._probe:
            self._probe = None

    def passed(self, ticket: int, now: float) -> None:
        """Note that the server dealt with a request instead of throttling it.

        Args:
            ticket: What `take` returned.
            now: Monotonic seconds.
        """
        if ticket > self._cut_serial:
            self._through += 1
            if self._untroubled:
                return
            if self._probe_due:
                self._probe_due = False
                self._next_at = max(self._next_at, now)  # the wait for the probe is no lateness to be caught up
                self._pacer.reopened(now, self._strikes - 1)
                self._strikes = 0
                self._unpaced = self._own_rate is None and self._pacer.pace is None
        else:
            self._pacer.late(ticket)
        self._slots = min(self._most_slots, self._slots + 1.0 / self._slots)
        self._untroubled = not self._probe_due and self._slots == self._most_slots

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
        asked = None if retry_after is None else min(max(retry_after, 0.0), LONGEST_PAUSE)
        if ticket <= self._cut_serial:
            if now < self._gate_until and asked is not None:
                self._gate_until = max(self._gate_until, now + asked)
            return self.closed_for(now)
        pause = min(_LONGEST_GUESS, _FIRST_PAUSE * 2.0**self._strikes) if asked is None else asked
        opened, self._gate_until = self._gate_until, now + pause * (1.0 + _JITTER * self._jitter())
        if self._probe_due:
            self._pacer.traffic.probe_refused(now)  # that says "not yet", not "too fast"
        elif overloaded:
            self._slots = max(1.0, self.in_flight / 2)
        else:
            self._pacer.refused(
                Refusal(
                    closed=now,
                    reopens=self._gate_until,
                    opened=opened,
                    asked=asked,
                    in_flight=self.in_flight,
                    first=self._cut_serial,
                    refused=ticket,
                    last=self._serial,
                    through=self._through,
                    counted=self._through,
                )
            )
        self._next_at = self._gate_until
        self._strikes += 1
        self._cut_serial = self._serial
        self._through = 0
        self._probe_due = True
        self._unpaced = self._untroubled = False
        return self.closed_for(now)
