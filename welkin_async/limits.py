"""When the next request may go out: steady rate, pool-wide pause, adaptive pace and concurrency.

`Limiter` holds no lock, task or event and does no I/O. Time is handed to it, so a test drives it through an hour in a
millisecond. The rule, in the order it is asked:

1. **Gate.** A throttling answer closes the gate until a moment every caller can read.
2. **Probe.** When the gate has reopened, one request goes ahead; the others wait for what it meets.
3. **Slots.** At most so many requests are out at once: unlimited until the server says it is overloaded (503), then
   half of what was out, growing by one for each round that gets through.
4. **Pace.** The caller's own rate, and the one installed by the first 429, whichever is lower.

The installed pace starts with what got through over the window with its pause. What is above that has to be found,
and every refusal costs the whole pool a pause. So a refusal is read for all it tells (`_later_pace`), the pace then
stays just below the limit found, and goes beyond only after a while: slowly at first, then faster and faster, so that
a limit that was raised is found as well. It grows by requests sent, not by time: an idle client stays where it was.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable

import attrs

__all__ = ["Limiter"]

LONGEST_PAUSE = 300.0
"""Seconds; no answer can close the gate for longer."""

_FIRST_PAUSE, _LONGEST_GUESS = 0.5, 60.0  # where a throttling answer names no time: 0.5, 1, 2 ... 60 s
_JITTER = 0.1  # of the pause, at most; only ever added, so that nobody comes early
_FLOOR = 1.0  # requests per second
_CATCH_UP = 0.05  # seconds of lateness a pace may make good, so that late timers do not lower it
_BELOW = 0.97  # of a limit: room for what the network bunches together at the edge of the server's window
_STEADY = 0.98  # of a limit derived from a steady pace: a bucket is not touched by bunching
_HASTY = 1.01  # of a limit derived from less than _SETTLED seconds: whole requests counted, that comes out low
_SETTLED = 3.0  # seconds a pace must have been kept for its refusal to be exact
_SHORT, _STEP = 0.5, 0.9  # a refusal within so many seconds measures nothing: a step down, as a share of the pace
_DEEPEST = 0.7  # a single cut leaves this share of the pace held; a chance refusal is not worth more
_QUIET_OUT, _QUIET_THROUGH = 3, 10  # requests out, and let through in the window, that are too few to tell a rate
_RAMP = 0.5  # seconds from the rate that was borne to the rate held
_HOLD, _DOUBLE = 25.0, 20.0  # seconds: below the limit, then to twice the pace; a lost second in thirty is 3 %
_UNSURE = 2.0  # seconds instead of _HOLD, for a pace that was cut halfway between two explanations
_DOUBLE_FAST = 0.45  # seconds, where a measured burst says nothing of the rate, which may be a hundred times higher
_CHEAPEST, _DEAREST = 0.4, 10.0  # these spans are for a pause of a second; others stretch them so much
_MARK, _MARKS, _WINDOW = 0.02, 1024, 10.0  # seconds between marks of what was sent; their number; seconds counted


@attrs.define
class _Pace:
    """An installed rate: a ramp to the rate held, a plateau, then cubic growth.

    Attributes:
        base: Requests per second at the start.
        hold: Requests per second on the plateau.
        plateau: Seconds until it grows beyond.
        double: Seconds from there to twice the rate held.
        age: Seconds for which it was in force, that is, the reason for waiting.
    """

    base: float
    hold: float
    plateau: float
    double: float
    age: float = 0.0

    @property
    def rate(self) -> float:
        beyond = self.age - self.plateau
        if beyond > 0.0:
            return self.hold * (1.0 + (beyond / self.double) ** 3)
        return min(self.hold, self.base + (self.hold - self.base) * self.age / _RAMP)


@attrs.define
class _Cut:
    """What is known of a refusal. Requests of its stretch are those sent since the gate had last reopened.

    Attributes:
        closed: When the gate closed, in monotonic seconds.
        reopens: When the gate reopens, or would if its probe is not refused.
        opened: When the stretch began.
        before: When the gate had closed before that.
        began: When the sending began that led to the refusal, ten seconds back at most.
        pace: The pace refused; None for the first refusal.
        asked: Seconds of pause the server asked for; None where it did not say.
        in_flight: Requests out, the refused one included.
        first: Tickets of the stretch are above this one.
        refused: The ticket refused.
        last: The last ticket sent.
        through: How many of them got through; answers still under way are added as they come.
        counted: How many were through when the gate closed.
    """

    closed: float
    reopens: float
    opened: float
    before: float
    began: float
    pace: _Pace | None
    asked: float | None
    in_flight: int
    first: int
    refused: int
    last: int
    through: int
    counted: int


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
        self._closed_at = -math.inf
        self._probe_due = False
        self._probe: int | None = None
        self._strikes = 0  # throttlings in a row with nothing let through between them
        self._next_at = -math.inf
        self._pace: _Pace | None = None
        self._cut: _Cut | None = None  # until the probe is through, when every answer to what was out is in
        self._storm: tuple[int, float, float] = (0, 0.0, 1.0)  # got through; seconds it took; the server's window
        self._stretch = 0  # the last ticket before the gate reopened
        self._through = 0
        self._marks: deque[tuple[float, int]] = deque(maxlen=_MARKS)  # when, and the last ticket before
        self._last_taken = -math.inf
        self._busy_since = -math.inf

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
        return self._probe_due or now < self._gate_until or self._pace is not None or self._slots < self._most_slots

    def rate(self, now: float) -> float | None:
        """Return the pace in force, in requests per second; None for no bound.

        Args:
            now: Monotonic seconds. (Today's rule does not look at it: a pace grows with use only.)
        """
        if self._pace is None:
            return self._own_rate
        return self._pace.rate if self._own_rate is None else min(self._pace.rate, self._own_rate)

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
        if not self._marks or now - self._marks[-1][0] >= _MARK:
            self._marks.append((now, self._serial))
            if now - self._last_taken > 1.0 and now - self._gate_until > 1.0:
                self._busy_since = now
        self._last_taken = now
        self._serial += 1
        self.in_flight += 1
        if self._probe_due:
            self._probe = self._serial
        rate = self.rate(now)
        if rate is not None:
            pace = self._pace
            if pace is not None and rate == pace.rate and now - self._next_at <= _CATCH_UP:
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
        cut = self._cut
        if ticket > self._cut_serial:
            self._through += 1
            self._strikes = 0
            if self._probe_due:
                self._probe_due = False
                self._next_at = max(self._next_at, now)  # the wait for the probe is no lateness to be caught up
                if cut is not None:
                    self._pace = self._measured(cut)
                    self._cut = None
        elif cut is not None and cut.first < ticket <= cut.last:
            cut.through += 1
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
        asked = None if retry_after is None else min(max(retry_after, 0.0), LONGEST_PAUSE)
        if ticket <= self._cut_serial:
            if now < self._gate_until and asked is not None:
                self._gate_until = max(self._gate_until, now + asked)
            return self.closed_for(now)
        pause = min(_LONGEST_GUESS, _FIRST_PAUSE * 2.0**self._strikes) if asked is None else asked
        opened = self._gate_until
        self._gate_until = now + pause * (1.0 + _JITTER * self._jitter())
        if not self._probe_due:  # a probe that was refused says "not yet", not "too fast"
            if overloaded:
                self._slots = max(1.0, self.in_flight / 2)
            else:
                self._cut = _Cut(
                    closed=now,
                    reopens=self._gate_until,
                    opened=opened,
                    before=self._closed_at,
                    began=max(self._busy_since, now - _WINDOW),
                    pace=self._pace,
                    asked=asked,
                    in_flight=self.in_flight,
                    first=self._stretch,
                    refused=ticket,
                    last=self._serial,
                    through=self._through,
                    counted=self._through,
                )
                self._closed_at = now
                if self._quiet(self._cut):
                    self._cut = None  # a stray refusal among a few calls says nothing about a rate
                else:
                    self._pace = self._measured(self._cut)
        self._next_at = self._gate_until
        self._strikes += 1
        self._cut_serial = self._stretch = self._serial
        self._through = 0
        self._probe_due = True
        return self.closed_for(now)

    def _quiet(self, cut: _Cut) -> bool:
        """Tell whether too little was going on for a refusal to tell a rate: the gate's pause is enough then."""
        if cut.pace is not None or cut.in_flight > _QUIET_OUT:
            return False
        earlier = next((ticket for at, ticket in self._marks if at >= cut.began), cut.first) - cut.first
        return cut.through - earlier < _QUIET_THROUGH

    def _measured(self, cut: _Cut) -> _Pace:
        return self._first_pace(cut) if cut.pace is None else self._later_pace(cut, cut.pace)

    def _first_pace(self, cut: _Cut) -> _Pace:
        """Guess from what got through before the first refusal.

        Where more got through than was out at once, it is taken for what the server bears in its window. Where less
        did, it may be no more than a burst allowed on top of any rate: then the growth starts at once.
        """
        start = cut.began
        earlier = next((ticket for at, ticket in self._marks if at >= start), cut.first) - cut.first
        through, counted = max(0, cut.through - earlier), max(0, cut.counted - earlier)
        asked = cut.asked or 0.0
        lasted = cut.closed - start
        window = max(1.0, lasted + max(0.0, asked - 1.0))  # a Retry-After may be rounded up by a second
        self._storm = (through, lasted, window)
        borne = max(through / max(cut.reopens - start, 1.0), _FLOOR)
        dear = min(max(asked, 1.0), _DEAREST)
        if counted > cut.in_flight:
            hold = max(_BELOW * max(borne, counted / window), _FLOOR)
            return _Pace(min(borne, hold), hold, _HOLD * dear, _DOUBLE * dear)
        return _Pace(borne, borne, 0.0, _DOUBLE_FAST * dear)

    def _later_pace(self, cut: _Cut, pace: _Pace) -> _Pace:
        """Find the limit that explains why a pace was refused.

        A server that counts by the window let through the `count` in its last one, about what the storm had. One with
        a bucket of tokens let through what flowed in and one burst on top. Which of the two it is shows in

        - a fast growth from a burst: how `count` compares with the storm, twice its size being two windows touched;
        - a slow growth: a `count` above the storm's is either a bucket or a limit that was raised;
        - a pace that was steady: a window refuses it within two windows or never, a bucket whenever it has run dry.

        Where that leaves it open, the pace goes halfway and does not stay there long.
        """
        kept = cut.closed - cut.opened
        storm, _, window = self._storm
        dear = 1.0 if cut.asked is None else min(max(cut.asked, _CHEAPEST), _DEAREST)
        plateau = _HOLD
        if kept < _SHORT:
            hold = _STEP * pace.rate
        else:
            inflow, count = self._inflow(cut), self._last_window(cut, window)
            ceiling = min(pace.rate, count / window)
            halfway = _BELOW * (inflow + ceiling) / 2
            if pace.plateau == 0.0:
                windowed = 0.8 * storm <= count <= 2.1 * storm
                hold = _BELOW * min(ceiling, storm / window) if windowed else _HASTY * inflow
            elif pace.age > pace.plateau:
                hold = _BELOW * ceiling if count <= 1.2 * storm else halfway
            elif kept >= _SETTLED or count < 0.8 * storm:
                hold = _STEADY * inflow
            else:
                hold, plateau = halfway, _UNSURE
        lowest = _DEEPEST * pace.hold if pace.plateau > 0.0 else 0.0
        hold = max(min(hold, _BELOW * pace.rate), lowest, _FLOOR)
        return _Pace(hold, hold, plateau * dear, _DOUBLE * dear)

    def _inflow(self, cut: _Cut) -> float:
        """Return the rate at which a bucket that is empty now was filled, in tokens per second.

        It was empty at the refusal before, so all that got through since flowed in, or was in it at some later moment
        and had been no more than the burst of the storm. That storm had one burst and what flowed in meanwhile, or
        two where the bucket had time to fill between its first round and its second.
        """
        storm, lasted, _ = self._storm
        rate = cut.through / (cut.closed - cut.before)
        for at, ticket in self._marks:
            span = cut.closed - at
            if ticket >= cut.first and span > lasted + 0.2:
                through = cut.through - (ticket - cut.first)
                rate = max(rate, min((through - storm) / (span - lasted), (through - storm / 2) / span))
        return rate

    def _last_window(self, cut: _Cut, window: float) -> int:
        """Return how many requests were sent in the window that ended with the refused one."""
        end, count = cut.closed, 0
        for at, ticket in reversed(self._marks):
            if ticket >= cut.last:
                continue  # the probe
            if ticket >= cut.refused:
                end = at
            elif ticket < cut.first or end - at > window:
                break
            else:
                count = cut.refused - 1 - ticket
        return count
