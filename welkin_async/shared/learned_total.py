"""Learned total: what all sessions may send together, where nobody told it. Pure: state and clock are handed in.

It judges as the controller of a single session does (`http.rate_limit.controller`), fed by the reports of all: by the
share that is refused in a window above what is chance, with a cut to just below what was accepted, cubic growth from
there as long as it is used up, and cuts taken back that were in vain. What differs comes of the reports:

- They are late, by up to their interval. So what was accepted just before a cut is completed by those that come after
  it, and what is refused until all know of the cut belongs to it. Growth is slower, and held against what the limit was
  when that was sent.
- They come from sessions of which some pause. A window in which one does says nothing.
- They fail to come while the store is away, or all are idle. What is accepted in a second before the shares are used
  again is little, whatever the limit; so what is refused meanwhile leads to no cut.
"""

from __future__ import annotations

import math

import attrs

from welkin_async.http.rate_limit.growth import BELOW, Growth
from welkin_async.http.sharing import PaceReport
from welkin_async.shared.documents import State

TOLERATED = 0.03
"""Share refused above chance that is borne."""

_CHANCE = 0.12  # a window with a larger share refused says nothing about chance
_RECENT = 8  # windows that are recent
_WINDOW, _ANSWERS = 1.0, 50  # a window of answers is at least that many seconds, and has so many
_DOUBLING = 15.0  # seconds of use to twice the limit
_SEARCH = 1.5  # the same while it is searched for
_KNOWN = 0.5  # seconds after which all know of a cut: two reports of each, and what was out
_USED = 0.9  # of a limit that is used up
_LATE = 0.9  # seconds by which what is seen of a limit is late: a slot, another to be told, and half of a second
_GAP = 2.0  # seconds between two reports: twice what a session lets pass that is alone
_REFILLED = 1.4  # seconds after a gap until what was accepted in a second came of the shares that are given now
_SLOT = 0.2  # seconds: what was accepted is counted by slots
_SLOTS = round(1.0 / _SLOT) + 2  # for a second that ended a slot ago


@attrs.define(kw_only=True)
class LearnedTotal:
    """Learned total of all sessions.

    Attributes:
        since: When the window began.
        accepted: Requests accepted in it.
        refused: Requests refused in it.
        best: The most that were accepted in a second, as seen in it: later, those who were refused wait.
        shares: Shares refused in recent windows.
        slot: The latest slot of time.
        slots: Requests accepted in it and those before it, the latest first.
        limit: The limit as it grows; None while none was met.
        seen: When it was last reported to.
        known: When all know of the latest cut, and use their shares again after a gap.
        before: The limit before the cuts without a good window between them; None for no such cut, or no limit.
        share: The share refused that led to the first of them; 0.0 for no such cut.
        first: The limit after the first of them, in requests per second.
        most: What the limit was at the latest cut, in requests per second; None where there was none.
    """

    since: float
    accepted: int = 0
    refused: int = 0
    best: float = 0.0
    shares: list[float] = attrs.Factory(list)
    slot: int = 0
    slots: list[float] = attrs.Factory(lambda: [0.0] * _SLOTS)
    limit: Growth | None = None
    seen: float = 0.0
    known: float = 0.0
    before: Growth | None = None
    share: float = 0.0
    first: float = 0.0
    most: float | None = None

    @classmethod
    def of_state(cls, state: State | None, now: float) -> LearnedTotal:
        """Return it as it was kept; a new one where nothing was.

        Args:
            state: What `to_state` returned; None for nothing.
            now: Seconds of the store's clock.
        """
        if state is None:
            return cls(since=now, seen=now, slot=int(now / _SLOT))
        growths: State = {name: None if state[name] is None else Growth(**state[name]) for name in ("limit", "before")}
        found = cls(**{**state, **growths})
        if now < found.seen:  # the clock was set back
            found._restart(now)
            found.slot, found.slots, found.seen, found.known = int(now / _SLOT), [0.0] * _SLOTS, now, now
        return found

    def to_state(self) -> State:
        """Return what is to be kept."""
        return attrs.asdict(self)

    @property
    def rate(self) -> float | None:
        """Requests per second; None for no bound."""
        return None if self.limit is None else self.limit.value

    def settled(self, report: PaceReport, now: float) -> bool:
        """Tell whether it would be soon enough to be told a second later.

        Args:
            report: The latest, as it was taken in.
            now: Seconds of the store's clock.
        """
        searching = self.limit is not None and self.limit.searching
        return not (report.refused or report.paused or searching or now < self.known)

    def take_in(self, report: PaceReport, now: float, tolerated: float = TOLERATED) -> None:
        """Take in what a session was answered.

        Args:
            report: Its report.
            now: Seconds of the store's clock.
            tolerated: Share refused above chance that is borne.
        """
        self._count(report.seconds, report.accepted, now)
        rate, passed = self._accepted(now), now - self.seen
        self.seen = now
        limit = self.limit
        if limit is not None and passed > _GAP:
            self.known = now + _REFILLED
        if now < self.known:
            self._raise(rate)  # what was accepted before the cut is only now being told
            self._restart(now)
            return
        if limit is not None:
            then = attrs.evolve(limit, age=max(0.0, limit.age - _LATE)).value
            if rate >= _USED * (1.0 - self._chance()) * then:
                limit.age += min(passed, max(_SLOT, min(report.seconds, _WINDOW)))
        self.accepted += report.accepted
        self.refused += report.refused
        self.best = max(self.best, rate)
        self._judge(now, tolerated)
        if report.paused:  # what is sent meanwhile, and how much of it is refused, says nothing
            self._restart(now)

    def _judge(self, now: float, tolerated: float) -> None:
        """Close the window if it is full, or has more refused than a full one may have."""
        answers, seconds = self.accepted + self.refused, now - self.since
        if seconds < _WINDOW or answers < min(_ANSWERS, 2.0 * _ANSWERS / seconds):
            full = max(_ANSWERS, answers, 0.0 if self.limit is None else self.limit.value * _WINDOW)
            if self.refused <= self._borne(full, tolerated):
                return
        share, excess = self.refused / answers, self.refused > self._borne(answers, tolerated)
        if share < _CHANCE:
            self.shares = [*self.shares[1 - _RECENT :], share]
        if self.share and self._in_vain(share, excess, tolerated):
            self.limit = self.before
            if excess:
                self.shares = [self.share]
        elif excess:
            self._cut(share, now)
            return
        self.share, self.before = 0.0, None
        self._restart(now)

    def _chance(self) -> float:
        return min(self.shares, default=0.0)

    def _borne(self, answers: float, tolerated: float) -> float:
        """Return how many of so many answers may be refused; by chance there are a few more or less."""
        chance = self._chance()
        return max(4.0, (chance + tolerated) * answers + 2.0 * math.sqrt(chance * answers))

    def _in_vain(self, share: float, excess: bool, tolerated: float) -> bool:
        """Tell whether the share did not fall with the cuts; with excess left, the limit may just be far below."""
        if not max(self.share / 2.0, tolerated) < share < 0.5:
            return False
        return not excess or (self.limit is not None and self.limit.value < self.first / 4.0)

    def _cut(self, share: float, now: float) -> None:
        """Go just below what was accepted."""
        if not self.share:
            self.before, self.share, self.first = self.limit, share, 0.0
        self.most = None if self.limit is None else self.limit.value
        self.limit = None
        self._raise(self.best)
        self.known = now + _KNOWN
        self._restart(now)

    def _raise(self, rate: float) -> None:
        """Set the limit just below what was accepted, unless it is higher; where that was little, search from there."""
        start = max(1.0, BELOW * min(rate / (1.0 - self._chance()), math.inf if self.most is None else self.most))
        if self.limit is None or start > self.limit.value:
            self.first = max(self.first, start)
            search = self.most is None and rate < 2 * _ANSWERS
            self.limit = Growth(start, _SEARCH if search else _DOUBLING, searching=search)

    def _restart(self, now: float) -> None:
        self.since, self.accepted, self.refused, self.best = now, 0, 0, 0.0

    def _count(self, seconds: float, accepted: int, now: float) -> None:
        """Spread what was accepted over the slots in which it was."""
        slot = int(now / _SLOT)
        if slot > self.slot:
            self.slots = ([0.0] * min(slot - self.slot, _SLOTS) + self.slots)[:_SLOTS]
            self.slot = slot
        left, end = float(accepted), now
        part = accepted / max(seconds, 1e-3)
        for number in range(len(self.slots)):
            begin = max((self.slot - number) * _SLOT, now - seconds)
            if begin < end:
                self.slots[number] += min(left, part * (end - begin))
                end = begin

    def _accepted(self, now: float) -> float:
        """Return how many were accepted in the second that ended a slot ago: of that all have reported."""
        part = min(1.0, now / _SLOT - self.slot)
        _, latest, *whole, oldest = self.slots
        return part * latest + sum(whole) + (1.0 - part) * oldest
