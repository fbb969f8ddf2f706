"""How fast requests may go: the rate a server's refusals tell.

The first pace installed is what got through over the window with its pause. What is above that has to be found, and
every refusal costs the whole pool a pause. So a refusal is read for all it tells (`Pacer._explained`), the pace then
stays just below the limit found, and goes beyond only after a while: slowly at first, then faster and faster, so that
a limit that was raised is found as well. It grows by requests sent, not by time: an idle client stays where it was.

Not every refusal is about the rate:

- **Outage.** Where probe after probe is refused although the pauses were kept, the server is out of order. That says
  nothing of a rate: what was borne before is come back to, in a slow start.
- **Trial.** A pace that is refused again and again at a rate held to be safe, or after a handful of requests, meets
  refusals by chance or a limit that fell. It goes down as if it were a limit, but only to try, a second later, whether
  the rate known before is borne again. Trials that fail are made more and more rarely, and then believed.
"""

from __future__ import annotations

import attrs

from welkin_async.traffic import Refusal, Traffic

__all__ = ["Pace", "Pacer"]

FLOOR = 1.0
"""Requests per second; no pace is lower."""

_BELOW = 0.97  # of a limit: room for what the network bunches together at the edge of the server's window
_STEADY = 0.98  # of a limit derived from a steady pace: a bucket is not touched by bunching
_HASTY = 1.01  # of a limit derived from less than _SETTLED seconds: whole requests counted, that comes out low
_SETTLED = 3.0  # seconds a pace must have been kept for its refusal to be exact
_SHORT, _STEP = 0.5, 0.9  # a refusal within so many seconds measures nothing: a step down, as a share of the pace
_DEEPEST = 0.7  # a single cut leaves this share of the pace held; a chance refusal is not worth more
_QUIET_OUT, _FEW = 3, 10  # requests out, and let through in the window, that are too few to tell a rate
_BURST = 64  # requests, or as many as are out at once, that may have been let through on top of any rate
_RAMP = 0.5  # seconds from the rate that was borne to the rate held
_HOLD, _DOUBLE = 25.0, 20.0  # seconds: below the limit, then to twice the pace; a lost second in thirty is 3 %
_UNSURE = 2.0  # seconds instead of _HOLD, for a pace that was cut halfway between two explanations
_DOUBLE_FAST = 0.45  # seconds, where a measured burst says nothing of the rate, which may be a hundred times higher
_CHEAPEST, _DEAREST = 0.4, 10.0  # these spans are for a pause of a second; others stretch them so much

_OUTAGE = 2  # probes refused in a row: one may come early where no time was named, two speak of no rate
_SLOW_START, _FRACTION = 1.5, 0.25  # seconds to the rate known before, after an outage from this share of it
_PROVEN = 50  # requests a pace must have carried, besides being settled, for its rate to be known
_DOUBTS, _MORE_DOUBTS = 2, 3  # refusals at rates held to be safe that call for a trial; where no rate is known
_FALLEN = 0.9  # of the known rate: what is left of it is not worth a trial
_TRIAL, _LONGEST = 1.0, 25.0  # seconds until the first trial; the longest, after which the limit is believed
_LONGER, _SHORTER = 3.0, 1.5  # times that after a trial that failed; and less after a refusal that came before it
_DOUBLE_TRIAL = 1.0  # seconds; where no rate is known, a trial grows until it is refused


@attrs.define
class Pace:
    """An installed rate: a ramp to the rate held, a plateau, then cubic growth.

    Attributes:
        base: Requests per second at the start.
        hold: Requests per second on the plateau.
        plateau: Seconds until it grows beyond.
        double: Seconds from there to twice the rate held.
        delay: Seconds before the ramp.
        ramp: Seconds from base to hold.
        trial: Whether it only keeps to its base until it tries out what is above.
        age: Seconds for which it was in force, that is, the reason for waiting.
    """

    base: float
    hold: float
    plateau: float
    double: float
    delay: float = 0.0
    ramp: float = _RAMP
    trial: bool = False
    age: float = 0.0

    @property
    def rate(self) -> float:
        """Requests per second now."""
        return self.at(self.age)

    @property
    def safe(self) -> float:
        """Requests per second that were expected to be borne."""
        return self.base if self.trial else self.hold

    @property
    def beyond(self) -> bool:
        """Whether it has gone beyond what is safe, so that a refusal is no surprise."""
        return self.age > (self.delay if self.trial else self.plateau)

    def at(self, age: float) -> float:
        """Return the requests per second at an age."""
        beyond = age - self.plateau
        if beyond > 0.0:
            return self.hold * (1.0 + (beyond / self.double) ** 3)
        climbed = min(1.0, max(0.0, age - self.delay) / self.ramp)
        return self.base + (self.hold - self.base) * climbed


class Pacer:
    """Finds the pace.

    Attributes:
        pace: The pace installed; None for no bound.
        traffic: What was sent.
    """

    def __init__(self) -> None:
        self.pace: Pace | None = None
        self.traffic = Traffic()
        # The refusal and the pace refused, until the probe is through, when every answer to what was out is in.
        self._open: tuple[Refusal, Pace | None] | None = None
        self._storm: tuple[int, float, float] = (0, 0.0, 1.0)  # got through; seconds it took; the server's window
        self._known: float | None = None  # the last rate that was borne for long enough
        self._doubts = 0  # refusals at rates held to be safe, since a pace was last borne for long enough
        self._patience = _TRIAL

    def refused(self, refusal: Refusal) -> None:
        """Install or cut the pace.

        Args:
            refusal: What happened; not to be the refusal of a probe.
        """
        self.traffic.refused(refusal)
        if self.pace is None and self._quiet(refusal):
            self._open = None  # a stray refusal among a few calls says nothing about a rate
            return
        self._open = refusal, self.pace
        if self.pace is not None:
            self._weigh(self.pace, refusal.through)
        self.pace = self._measured(refusal, self.pace)

    def late(self, ticket: int) -> None:
        """Note that a request got through that was out when the gate closed."""
        if self._open is not None:
            refusal, _ = self._open
            if refusal.first < ticket <= refusal.last:
                refusal.through += 1

    def reopened(self, now: float, probes: int) -> None:
        """Note that a probe got through.

        Args:
            now: Monotonic seconds.
            probes: How many were refused before it.
        """
        outage = probes >= _OUTAGE
        if outage:
            self.traffic.restart(now)
        if self._open is not None:
            refusal, pace = self._open
            self.pace = self._comeback(pace) if outage else self._measured(refusal, pace)
            self._open = None

    def _quiet(self, refusal: Refusal) -> bool:
        """Tell whether too little was going on for a refusal to tell a rate: the gate's pause is enough then."""
        return refusal.in_flight <= _QUIET_OUT and refusal.through - self.traffic.earlier(refusal) < _FEW

    def _measured(self, refusal: Refusal, pace: Pace | None) -> Pace:
        return self._first(refusal) if pace is None else self._later(refusal, pace)

    def _first(self, refusal: Refusal) -> Pace:
        """Guess from what got through before the first refusal.

        That is taken for what the server bears in its window, unless it is no more than may be a burst allowed on top
        of any rate, or what a client with little to do had to send in the seconds before: then the growth starts at
        once.
        """
        start = refusal.began
        earlier = self.traffic.earlier(refusal)
        through, counted = max(0, refusal.through - earlier), max(0, refusal.counted - earlier)
        asked = refusal.asked or 0.0
        lasted = refusal.closed - start
        window = max(1.0, lasted + max(0.0, asked - 1.0))  # a Retry-After may be rounded up by a second
        self._storm = (through, lasted, window)
        borne = max(through / max(refusal.reopens - start, 1.0), FLOOR)
        dear = min(max(asked, 1.0), _DEAREST)
        idle = refusal.in_flight <= _QUIET_OUT and asked < _SETTLED <= lasted
        if counted > max(refusal.in_flight, _BURST) and not idle:
            hold = max(_BELOW * max(borne, counted / window), FLOOR)
            return Pace(min(borne, hold), hold, _HOLD * dear, _DOUBLE * dear)
        return Pace(borne, borne, 0.0, _DOUBLE_FAST * dear)

    def _later(self, refusal: Refusal, pace: Pace) -> Pace:
        """Cut a pace that was refused."""
        dear = 1.0 if refusal.asked is None else min(max(refusal.asked, _CHEAPEST), _DEAREST)
        few = refusal.through < _FEW
        hold, plateau = self._explained(refusal, pace)
        lowest = _DEEPEST * pace.safe if few or pace.plateau > 0.0 else 0.0
        hold = max(min(hold, _BELOW * pace.rate), lowest, FLOOR)
        known, delay = self._known, self._patience * dear
        if known is None:
            if few or self._doubts >= _MORE_DOUBTS:
                return Pace(hold, hold, delay, max(1.0, dear) * _DOUBLE_TRIAL, delay, trial=True)
        elif (few or self._doubts >= _DOUBTS) and hold < _FALLEN * known:
            plateau = delay + _SLOW_START + _HOLD * dear
            return Pace(hold, known, plateau, _DOUBLE * dear, delay, _SLOW_START, trial=True)
        return Pace(hold, hold, plateau * dear, _DOUBLE * dear)

    def _explained(self, refusal: Refusal, pace: Pace) -> tuple[float, float]:
        """Return the pace below the limit that explains a refusal, and for how many seconds to keep it.

        A server that counts by the window let through the `count` in its last one, about what the storm had. One with
        a bucket of tokens let through what flowed in and one burst on top. Which of the two it is shows in

        - a fast growth from a burst: how `count` compares with the storm, twice its size being two windows touched;
        - a slow growth: a `count` above the storm's is either a bucket or a limit that was raised;
        - a pace that was steady: a window refuses it within two windows or never, a bucket whenever it has run dry.

        Where that leaves it open, the pace goes halfway and does not stay there long.
        """
        kept = refusal.closed - refusal.opened
        storm, lasted, window = self._storm
        if kept < _SHORT:
            lost = self._known is None and self._doubts >= _MORE_DOUBTS
            return (_DEEPEST if lost else _STEP) * pace.rate, _HOLD
        inflow, count = self.traffic.inflow(refusal, storm, lasted), self.traffic.last_window(refusal, window)
        ceiling = min(pace.rate, count / window)
        halfway = _BELOW * (inflow + ceiling) / 2
        if pace.plateau == 0.0:
            windowed = 0.8 * storm <= count <= 2.1 * storm
            return (_BELOW * min(ceiling, storm / window) if windowed else _HASTY * inflow), _HOLD
        if pace.beyond:
            return (_BELOW * ceiling if count <= 1.2 * storm and not pace.trial else halfway), _HOLD
        if kept >= _SETTLED or count < 0.8 * storm:
            return _STEADY * inflow, _HOLD if kept >= _SETTLED else _UNSURE
        return halfway, _UNSURE

    def _weigh(self, pace: Pace, through: int) -> None:
        """Note what a pace that is refused says of the rates that were held to be safe."""
        if not pace.beyond and pace.age < _SETTLED:
            self._doubts += 1
        if pace.trial and pace.age < pace.delay + pace.ramp + _SETTLED:
            if pace.beyond:
                self._patience *= _LONGER
            elif self._known is not None:
                self._patience = max(_TRIAL, self._patience / _SHORTER)
            if self._patience > _LONGEST:  # refused above this rate time after time, and never at it: a limit
                self._known, self._doubts, self._patience = None, 0, _LONGEST
        elif pace.age >= _SETTLED and through >= _PROVEN:
            self._known, self._doubts, self._patience = pace.at(pace.age - _SETTLED), int(not pace.beyond), _TRIAL

    def _comeback(self, pace: Pace | None) -> Pace | None:
        """Return the pace after an outage: the one before it, reached in a slow start."""
        if pace is None:
            return None
        if pace.plateau == 0.0 or (pace.trial and self._known is None):  # it had not found its limit
            start = max(pace.rate / 2.0, FLOOR)
            return Pace(start, start, 0.0, pace.double)
        hold = self._known or max(pace.hold, pace.at(pace.age - _SETTLED))
        return Pace(max(_FRACTION * hold, FLOOR), hold, _HOLD, pace.double, ramp=_SLOW_START)
