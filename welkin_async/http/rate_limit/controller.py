"""The rate controller: when the next request may go out.

It learns what the server bears from its answers alone, and judges by the **share** that is refused, never by a single
refusal: a shared quota, a flaky node or one bad row refuses a few by chance, at whatever rate.

- **Windows.** Answers are counted in windows. The least share refused in recent windows is held to be chance; what is
  above it is the excess. Up to the tolerated excess nothing happens. Above it there is a cut.
- **Cut.** A token bucket, off until then, gets a pace just below what was accepted. Where the server says that it is
  overloaded (503), the slots go to accepted rate x latency instead (Little's law), by half at most. Cuts after which
  the share did not fall are taken back: what is refused then is chance.
- **Growth.** From there the limit grows, as long as it is used up: back to just below what was accepted, where it stays
  for seconds, then ever faster beyond.
- **Slow start.** A session begins with a few requests in flight and doubles them, slowly: all of them meet the limit.
  What was accepted until then is no rate yet, so nothing is cut while refusals come in a row, but fewer are sent: that
  is over soon, or becomes a pause.
- **Circuit breaker.** When most answers in a row are refusals everybody pauses, as long as Retry-After asks; then one
  request goes ahead as a probe. After a pause for a quota (429) the pace is found anew: by what was accepted in the
  second before a short pause, or with a long pause itself. An outage (503) says nothing about the rate.

Taken from: TCP CUBIC (RFC 9438: the plateau and the convex growth beyond it, slow start, no growth of a limit that is
not used up), TCP Eifel (RFC 4015: taking back a cut that was in vain) and PRR (RFC 6937: fewer go out while answers
say that too many did); botocore's adaptive retry mode (a token bucket that is off until the first throttling and
follows the rate as measured); gradient concurrency controllers such as Netflix's (in flight = rate x latency); BBR
(what is accepted is measured, and decides).

The controller holds no task, lock or timer and does no I/O. All moments are monotonic seconds.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable

from welkin_async.http.rate_limit.growth import BELOW, Cuts, Growth
from welkin_async.http.rate_limit.measurement import Measurement, Window
from welkin_async.http.rate_limit.retry_after import usable_wait
from welkin_async.http.rate_limit.snapshot import RateSnapshot

_TOLERATED = 0.03  # share refused above chance that is borne: what growing past a limit now and then costs
_CHANCE = 0.12  # a window with a larger share refused is trouble, and says nothing about chance
_RECENT = 8  # windows, or seconds, that are recent: enough to hold one without excess between two cuts
_SECONDS, _ANSWERS = 1.0, 50  # a window is at least that: limits are counted by the second, and 50 answers make a share
_DOUBLING = 6.0  # seconds of use to twice the limit: slow enough beyond it, and a limit that is restored is soon used
_FIRST_SLOTS = 10  # in flight at the start, as in TCP: enough to measure, too few to flood
_RAMP = 0.11  # seconds until twice as many, at least: quick, yet a second's limit is met with few of them in flight
_STORM = 20  # refusals in a row, those accepted between them taken off, that are no chance: everybody pauses
_PROBES = 0.5, 2.0, 15.0  # seconds between probes: at first, at most in the first minute of a pause, and after it
_JITTER = 0.05  # of a pause: clients that were refused together do not come back together
_CATCH_UP = 0.05  # seconds of lateness a pace makes good, so that late timers do not lower it


class RateController:
    """Decides when a request may go out.

    Args:
        rate: Requests per second the caller allows itself; None for no bound.
        concurrency: Requests in flight at most.
        clock: Returns monotonic seconds.
        jitter: Returns a number in [0, 1).
        learns: Whether it finds a pace where requests are refused for the rate. Where a pace is shared it does not:
            that is found from the answers of all.

    Attributes:
        in_flight: Requests out.
        throttled: Requests that were refused for the rate (429), without those that say nothing about it: that went
            out before a cut or a pause, or as a probe in one.
    """

    def __init__(
        self,
        *,
        rate: float | None = None,
        concurrency: int,
        clock: Callable[[], float],
        jitter: Callable[[], float] = random.random,
        learns: bool = True,
    ) -> None:
        self._clock, self._jitter, self._learns = clock, jitter, learns
        self._own_rate, self._most_slots = math.inf if rate is None else rate, float(concurrency)
        self._slots = min(float(_FIRST_SLOTS), self._most_slots)
        self._starting = self._slots < self._most_slots  # slow start
        self._pace: Growth | None = None
        self._overload: Growth | None = None  # of the slots
        self._cuts: Cuts | None = None
        self._free = rate is None  # neither gate nor pace
        self._quiet = True  # nothing was cut, and nothing refused lately: an accepted request is only counted
        self.in_flight = self.throttled = self._refused = 0
        self._serial = self._cut_serial = 0  # answers to requests up to the cut belong to it, whenever they come
        self._next_at = self._accepted_at = -math.inf
        self._measured = Measurement()
        self._window, self._share = Window(-math.inf, 0), 0.0
        self._shares: deque[float] = deque(maxlen=_RECENT)
        self._in_a_row = self._row_began = 0  # refusals, less those accepted between them; the ticket of the first
        self._gate = self._paused_at = -math.inf
        self._asked = 0.0  # seconds, by those whose refusal led to the pause
        self._halted = self._outage = False  # from a pause until a probe is accepted; not for a quota, but an outage
        self._probe = self._probes = 0
        self._storm_rate = 0.0  # accepted per second before the pause

    @property
    def sent(self) -> int:
        """How many requests it has let out."""
        return self._serial

    def limit(self, rate: float | None, now: float) -> None:
        """Set what the caller allows itself from now on; None for no bound, 0.0 for nothing until it is set anew."""
        self._own_rate = math.inf if rate is None else rate
        self._free = self._pace is None and self._own_rate == math.inf and not self._halted
        if self._own_rate > 0.0:
            self._next_at = min(self._next_at, now + 1.0 / self._own_rate)

    def try_acquire(self, now: float) -> int:
        """Let a request out if it need not wait, and return its ticket; 0 where it must. Every request asks first."""
        if self._free and now < self._measured.mark_at:
            out = self.in_flight + 1
            if out > self._slots:
                return 0
            self.in_flight = out
            self._serial = ticket = self._serial + 1
            return ticket
        return self.acquire(now) if self.wait_time(now) <= 0.0 else 0

    def wait_time(self, now: float) -> float:
        """Return the seconds a request must wait: 0.0 for none, infinity for until one that is out returns."""
        if now < self._gate:
            return self._gate - now
        if self._own_rate <= 0.0:
            return math.inf
        if self._halted:
            return math.inf if self._probe else 0.0
        if self.in_flight + 1 > self._slots:  # slots grow by fractions
            return math.inf
        return max(0.0, self._next_at - now)

    def acquire(self, now: float) -> int:
        """Let a request out for which `wait_time` is zero; return its ticket, for the report of how it went."""
        self._serial += 1
        self.in_flight += 1
        if now >= self._measured.mark_at:
            seconds, accepted = self._measured.since_mark(now)
            if self._starting and self.in_flight * 2 > self._slots:
                self._slots = min(
                    self._most_slots, self._slots * 2.0 ** min(seconds / _RAMP, 64.0), self._slots + accepted
                )
                self._starting = self._slots < self._most_slots
            if self._measured.mark(now):
                self._window = Window(now, self._measured.accepted)
        if self._halted:
            self._probe = self._serial
        rate = self._rate()
        if rate < math.inf:
            if self._pace is not None and rate < self._own_rate and now - self._next_at <= _CATCH_UP:
                self._pace.age += 1.0 / rate
            self._next_at = max(self._next_at, now - _CATCH_UP) + 1.0 / rate
        return self._serial

    def release(self, ticket: int) -> None:
        """Note that a request is no longer out, however it ended; a probe without a verdict lets the next one probe."""
        self.in_flight -= 1
        if ticket == self._probe:
            self._probe = 0

    def accepted(self, ticket: int, sent: float) -> None:
        """Note that the server dealt with a request, sent at a moment, instead of refusing it; before `release`."""
        self._measured.accepted += 1
        if self._quiet:
            return
        self._accepted_at = now = self._clock()
        self._measured.time(now - sent)
        if self._overload is not None and self.in_flight + 1 > self._slots:
            self._overload.age += self._measured.latency / self._slots
            self._slots = min(self._most_slots, self._overload.value)
            if self._slots == self._most_slots:
                self._overload = None
        if ticket > self._cut_serial:
            if self._halted:
                self._resume(now)
            self._in_a_row = max(0, self._in_a_row - (ticket > self._row_began))
            self._window.accepted += 1
            self._judge(now)

    def refused(self, ticket: int, now: float, retry_after: float | None, *, overloaded: bool = False) -> None:
        """Note a refusal, before `release`.

        Args:
            ticket: What `acquire` returned.
            now: Monotonic seconds.
            retry_after: Seconds the server asks for; None where it does not say.
            overloaded: Whether it said 503 rather than 429.
        """
        self._refused += 1
        asked = usable_wait(retry_after)
        if ticket <= self._cut_serial:
            if now < self._gate and asked is not None and asked > self._asked:
                self._asked, self._gate = asked, max(self._gate, now + asked)
            return
        if self._halted:
            self._probes += 1
            self._pause(now, asked)
            return
        if self._quiet:
            self._quiet, self._accepted_at = False, now
            self._window.accepted = self._measured.accepted - self._window.before
            if max((now - self._window.since) / _SECONDS, self._window.accepted / _ANSWERS) >= 1.0:
                self._shares.append(0.0)
                self._window = Window(now, self._measured.accepted)
        self.throttled += not overloaded
        self._window.refused += 1
        self._window.overloaded += overloaded
        if not self._in_a_row:
            self._row_began = ticket
        self._in_a_row += 1
        if self._starting and self._in_a_row > _STORM / 4:
            self._slots = max(min(self._slots, float(_FIRST_SLOTS)), min(self._slots, float(self.in_flight)) - 1.0)
        if self._in_a_row < self._storm():
            self._judge(now)
        elif overloaded and now - self._accepted_at < 3.0 * self._measured.latency:
            self._cut(now, 0.5)  # others still get through: too many at once rather than an outage, so nobody pauses
            self._in_a_row = 0
        else:
            self._paused_at, self._outage, self._probes = now, overloaded, 0
            self._storm_rate = self._measured.rate(now)
            self._pause(now, asked)

    def paused_for(self, now: float) -> float:
        """Return for how many seconds everybody still pauses; a little while the answer to a probe is awaited."""
        return max(_CATCH_UP if self._halted else 0.0, self._gate - now)

    @property
    def limited(self) -> bool:
        """Whether the server, not the caller's own bounds, may be holding requests back."""
        return self._halted or self._pace is not None or self._overload is not None

    def snapshot(self, now: float) -> RateSnapshot:
        """Return what holds requests back."""
        pace, share = None if self._rate() == math.inf else self._rate(), 0.0 if self._quiet else self._share
        counts = self._measured.accepted, self._refused
        return RateSnapshot(pace, int(self._slots), self.in_flight, share, self.paused_for(now), *counts)

    def _rate(self) -> float:
        return self._own_rate if self._pace is None else min(self._own_rate, self._pace.value)

    def _storm(self) -> float:
        """Return how many refusals in a row are a storm: a quarter of a second's, or what few in flight can show."""
        if self._pace is not None or (not self._learns and self._own_rate < math.inf):
            return min(max(_STORM, self._rate() * _SECONDS / 4.0), 2 * _ANSWERS)
        return min(_STORM, max(3, self.in_flight))

    def _chance(self) -> float:
        return min(self._shares, default=0.0)

    def _borne(self, answers: float) -> float:
        """Return how many of so many answers may be refused; by chance there are a few more or less."""
        chance = self._chance()
        return max(4.0, (chance + _TOLERATED) * answers + 2.0 * math.sqrt(chance * answers))

    def _judge(self, now: float) -> None:
        """Close the window if it is full, or has more refused than a full one may have."""
        if self._pace is None and self._in_a_row > _STORM / 4:
            return  # this may become a storm, and a rate of less than a second says little
        window, seconds = self._window, now - self._window.since
        answers = window.accepted + window.refused
        if answers < _ANSWERS or seconds < _SECONDS:
            full = max(_ANSWERS, answers, min(self._rate(), answers / max(seconds, _CATCH_UP)) * _SECONDS)
            if answers < _STORM or window.refused <= self._borne(full):
                return
        self._share = window.share
        if window.share < _CHANCE:
            self._shares.append(window.share)
        excess = window.refused > self._borne(answers)
        cuts = self._cuts
        if cuts is not None and self._in_vain(cuts, excess):
            self._pace, self._overload = cuts.pace, cuts.overload
            self._slots, self._starting = cuts.slots, cuts.starting
            if excess:
                self._shares.clear()
                self._shares.append(cuts.share)
        elif excess and (self._learns or 2 * window.overloaded > window.refused):
            self._cut(now)
            return
        self._cuts = None
        if self._pace is not None and self._pace.value * self._measured.latency > self._most_slots:
            self._pace = None  # more than all slots can make
        self._free = self._pace is None and self._own_rate == math.inf
        self._quiet = not window.refused and self._pace is None and self._overload is None
        self._window = Window(now, self._measured.accepted)

    def _in_vain(self, cuts: Cuts, excess: bool) -> bool:
        """Tell whether the share did not fall with the cuts; with excess left, the limit may just be far below."""
        if not max(cuts.share / 2.0, _TOLERATED) < self._share < 0.5:
            return False
        return not excess or self._rate() < cuts.first_rate / 4.0 or self._slots < cuts.first_slots / 4.0

    def _cut(self, now: float, most: float = BELOW) -> None:
        """Go just below what was accepted."""
        before = (self._window.share, self._pace, self._slots, self._starting, self._overload)
        rate = self._measured.rate(now)
        if 2 * self._window.overloaded > self._window.refused:
            if self._starting:  # what was accepted lags behind what is in flight
                rate = max(rate, self.in_flight * (1.0 - self._window.share) / max(self._measured.latency, _CATCH_UP))
            at_once = BELOW * rate * self._measured.latency
            self._slots = max(1.0, min(max(at_once, self._slots / 2.0), most * self._slots))
            self._overload = Growth(self._slots, _DOUBLING)
        else:
            start = max(1.0, BELOW * min(rate / (1.0 - self._chance()), self._rate()))
            self._pace = Growth(start, _DOUBLING, held=True)
            self._next_at = max(self._next_at, now + self._window.refused / start)  # pay back what was too much
            if self._starting:
                self._slots = self._most_slots
        self._starting = self._free = False
        if self._cuts is None:
            self._cuts = Cuts(*before, self._rate(), self._slots)
        self._share = self._window.share
        self._cut_serial = self._serial
        self._window = Window(now, self._measured.accepted)

    def _pause(self, now: float, asked: float | None) -> None:
        """Have everybody pause, then one request probe."""
        self._asked = asked or 0.0
        pause = asked
        if pause is None:
            first, most, later = _PROBES
            pause = later if now - self._paused_at > 60.0 else min(most, first * 2.0 ** min(self._probes, 8))
            pause /= 1.0 + _JITTER
        self._gate = now + pause * (1.0 + _JITTER * self._jitter())
        self._halted, self._free, self._probe = True, False, 0
        self._cut_serial = self._serial
        self._in_a_row = 0

    def _resume(self, now: float) -> None:
        """Go on after a probe was accepted: in a slow start after an outage, else at a pace found anew."""
        self._halted, paused = False, self._gate - self._paused_at  # that a probe is not answered is no quota
        if self._outage:
            self._slots, self._starting, self._overload = max(1.0, min(_FIRST_SLOTS, self._slots / 2.0)), True, None
        elif self._learns:
            stretch = min(max(1.0, paused), float(_RECENT))
            long, rate, search = paused > 2.0 * _SECONDS, self._storm_rate, False
            if long or self._pace is None:  # a long pause belongs to its quota; a short one ended what a second allows
                seconds, count = self._measured.total(now if long else self._paused_at)
                rate = max(count / max(_SECONDS, seconds), 0.0 if long else min(rate, count / _SECONDS))
                search = long or count < 2 * _ANSWERS
            start = max(1.0, BELOW * min(rate, self._rate()))
            self._pace = Growth(start, stretch if search else _DOUBLING * stretch, searching=search, held=True)
            self._slots, self._starting, self._overload = self._most_slots, False, None
        self._measured.restart(now)
        self._next_at = max(self._next_at, now)  # the wait for the probe is no lateness to be made good
        self._window = Window(now, self._measured.accepted)
