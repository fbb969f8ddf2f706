"""Servers for the simulation: each decides, at a simulated moment, whether it accepts a request."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

import attrs

__all__ = [
    "Answer",
    "AtMost",
    "BadPatient",
    "Bucket",
    "Chance",
    "FixedWindow",
    "Outage",
    "PoisonRow",
    "Server",
    "SlidingWindow",
    "WindowFromFirst",
]


@attrs.frozen
class Answer:
    """What a server says.

    Attributes:
        status: 201, 429 or 503.
        retry_after: What its Retry-After header says, in seconds; None where there is none.
    """

    status: int = 201
    retry_after: float | None = None


ACCEPTED = Answer()


class Server:
    """Accepts everything.

    Args:
        chance: Source of randomness.
        latency: Seconds an accepted request takes, varying by a tenth; a refusal takes three tenths of it.
        tail: Whether one request of fifty takes ten times as long.
    """

    def __init__(self, chance: random.Random, *, latency: float = 0.02, tail: bool = False) -> None:
        self.chance = chance
        self.latency = latency
        self.tail = tail

    def decide(self, now: float, patient: int, row: int) -> Answer:
        """Answer a request that arrives now."""
        return ACCEPTED

    def finished(self) -> None:
        """Note that an accepted request is done."""

    def service(self, answer: Answer) -> float:
        """Return how long an answer takes, in seconds."""
        if answer.status != 201:
            return 0.3 * self.latency
        slow = self.tail and self.chance.random() < 0.02
        return self.latency * (0.9 + 0.2 * self.chance.random()) * (10.0 if slow else 1.0)

    def possible(self, seconds: float, workers: int) -> float:
        """Return how many requests the server accepts at most in so many seconds."""
        return self.capacity(workers) * seconds

    def capacity(self, in_flight: float) -> float:
        """Return the requests per second that so many in flight come to, by the latency that a client sees."""
        return in_flight / (1.1 * self.latency * (1.18 if self.tail else 1.0))


class _Limited(Server, ABC):
    """Refuses with 429 what is above a rate.

    Args:
        chance: Source of randomness.
        rate: Requests per second.
        retry_after: What a refusal says.
        latency: Seconds.
        tail: Whether the latency has one.
        factor: Of the rate, at a moment: less than 1 while the limit is lowered.
        other: Requests per second that another client sends at a moment, evenly.
    """

    def __init__(
        self,
        chance: random.Random,
        *,
        rate: float = 200.0,
        retry_after: float | None = 1.0,
        latency: float = 0.02,
        tail: bool = False,
        factor: Callable[[float], float] = lambda now: 1.0,
        other: Callable[[float], float] = lambda now: 0.0,
    ) -> None:
        super().__init__(chance, latency=latency, tail=tail)
        self.rate = rate
        self.retry_after = retry_after
        self.factor = factor
        self.other = other
        self._other_at = 0.0

    @abstractmethod
    def admits(self, now: float) -> bool:
        """Count one request; False where it is above the limit."""

    def wait(self, now: float) -> float | None:
        """Return what a refusal's Retry-After says."""
        return self.retry_after

    def decide(self, now: float, patient: int, row: int) -> Answer:
        """Answer a request, after those that another client has sent since the last."""
        while self._other_at < now:
            others = self.other(self._other_at)
            if others:
                self.admits(self._other_at)
            self._other_at += 1.0 / others if others else 0.01
        return ACCEPTED if self.admits(now) else Answer(429, self.wait(now))

    def possible(self, seconds: float, workers: int) -> float:
        """Return what the limit comes to, or the workers where they are slower."""
        steps = [second + 0.5 for second in range(int(seconds))]
        allowed = sum(max(0.0, self.rate * self.factor(at) - self.other(at)) for at in steps)
        return min(allowed, super().possible(seconds, workers))


class FixedWindow(_Limited):
    """Counts in windows of so many seconds; `tells` makes a refusal say when the window ends."""

    def __init__(self, chance: random.Random, *, window: float = 1.0, tells: bool = False, **given: Any) -> None:
        super().__init__(chance, **given)
        self._window, self._tells = window, tells
        self._offset = window * chance.random()
        self._current, self._count = -1, 0

    def admits(self, now: float) -> bool:
        """Count a request in the window of the moment."""
        current = int((now + self._offset) / self._window)
        if current != self._current:
            self._current, self._count = current, 0
        if self._count >= self.rate * self._window:
            return False
        self._count += 1
        return True

    def wait(self, now: float) -> float | None:
        """Return the whole seconds to the window's end, where it tells them."""
        left = self._window - (now + self._offset) % self._window
        return float(math.ceil(left)) if self._tells else self.retry_after

    def possible(self, seconds: float, workers: int) -> float:
        """Return what the windows come to that are touched."""
        windows = int((seconds + self._offset) / self._window) + 1
        return min(windows * self.rate * self._window, super(_Limited, self).possible(seconds, workers))


class WindowFromFirst(_Limited):
    """Counts in seconds of which each begins with the first request after the last, as the sandbox does.

    Args:
        chance: Source of randomness.
        work: Seconds for which one request after the other keeps its only process busy.
        given: As for the others.
    """

    def __init__(self, chance: random.Random, *, work: float = 0.0, **given: Any) -> None:
        super().__init__(chance, **given)
        self._work, self._idle_at, self._queued = work, 0.0, 0.0
        self._end, self._count = -math.inf, 0

    def admits(self, now: float) -> bool:
        """Count a request when its turn has come."""
        self._idle_at = max(self._idle_at, now) + self._work * (0.7 + 0.6 * self.chance.random())
        self._queued = self._idle_at - now
        if self._idle_at >= self._end:
            self._end, self._count = self._idle_at + 1.0, 0
        self._count += 1
        return self._count <= self.rate

    def service(self, answer: Answer) -> float:
        """Return how long it takes with the wait for its turn; a refusal comes at once then."""
        return self._queued + (super().service(answer) if answer.status == 201 else 0.1 * self.latency)


class SlidingWindow(_Limited):
    """Counts what it accepted in the second before."""

    def __init__(self, chance: random.Random, **given: Any) -> None:
        super().__init__(chance, **given)
        self._log: deque[float] = deque()

    def admits(self, now: float) -> bool:
        """Count a request."""
        while self._log and self._log[0] <= now - 1.0:
            self._log.popleft()
        if len(self._log) >= self.rate:
            return False
        self._log.append(now)
        return True


class Bucket(_Limited):
    """A token bucket of so many tokens."""

    def __init__(self, chance: random.Random, *, burst: float, **given: Any) -> None:
        super().__init__(chance, **given)
        self._burst = self._tokens = burst
        self._at = 0.0

    def admits(self, now: float) -> bool:
        """Take a token."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self.rate * self.factor(now))
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class AtMost(Server):
    """Serves so many requests at once and refuses the others."""

    def __init__(
        self,
        chance: random.Random,
        *,
        status: int,
        most: int = 16,
        retry_after: float | None = None,
        latency: float = 0.05,
        tail: bool = False,
    ) -> None:
        super().__init__(chance, latency=latency, tail=tail)
        self._most, self._out = most, 0
        self._refusal = Answer(status, retry_after)

    def decide(self, now: float, patient: int, row: int) -> Answer:
        """Take a place."""
        if self._out >= self._most:
            return self._refusal
        self._out += 1
        return ACCEPTED

    def finished(self) -> None:
        """Free a place."""
        self._out -= 1

    def possible(self, seconds: float, workers: int) -> float:
        """Return what its places come to."""
        return self.capacity(min(self._most, workers)) * seconds


class Chance(Server):
    """Refuses by chance, whatever the rate; asks a server behind it about the rest."""

    def __init__(
        self,
        chance: random.Random,
        *,
        throttled: float,
        unavailable: float = 0.0,
        retry_after: float | None = None,
        behind: Server | None = None,
        latency: float = 0.02,
        tail: bool = False,
    ) -> None:
        super().__init__(chance, latency=latency, tail=tail)
        self._throttled, self._unavailable = throttled, unavailable
        self._retry_after = retry_after
        self._behind = behind

    def decide(self, now: float, patient: int, row: int) -> Answer:
        """Throw the dice."""
        drawn = self.chance.random()
        if drawn < self._throttled:
            return Answer(429, self._retry_after)
        if drawn < self._throttled + self._unavailable:
            return Answer(503, self._retry_after or 0.0)
        return ACCEPTED if self._behind is None else self._behind.decide(now, patient, row)

    def possible(self, seconds: float, workers: int) -> float:
        """Return what would be possible without the chance."""
        if self._behind is None:
            return super().possible(seconds, workers)
        return self._behind.possible(seconds, workers)


class Outage(Server):
    """Refuses everything between two moments."""

    def __init__(
        self,
        chance: random.Random,
        *,
        start: float,
        end: float,
        status: int = 503,
        retry_after: float | None = 0.0,
        latency: float = 0.05,
    ) -> None:
        super().__init__(chance, latency=latency)
        self.start, self.end = start, end
        self._refusal = Answer(status, retry_after)

    def decide(self, now: float, patient: int, row: int) -> Answer:
        """Answer by the moment."""
        return self._refusal if self.start <= now < self.end else ACCEPTED

    def possible(self, seconds: float, workers: int) -> float:
        """Return what is possible outside the outage."""
        return super().possible(seconds - (self.end - self.start), workers)


class PoisonRow(Server):
    """Never accepts one row."""

    def __init__(
        self, chance: random.Random, *, row: int, retry_after: float | None = None, latency: float = 0.02
    ) -> None:
        super().__init__(chance, latency=latency)
        self._row = row
        self._refusal = Answer(429, retry_after)

    def decide(self, now: float, patient: int, row: int) -> Answer:
        """Refuse the row."""
        return self._refusal if row == self._row else ACCEPTED


class BadPatient(Server):
    """Never accepts the rows of one patient."""

    def __init__(
        self,
        chance: random.Random,
        *,
        patient: int,
        status: int = 503,
        retry_after: float | None = 0.0,
        latency: float = 0.02,
    ) -> None:
        super().__init__(chance, latency=latency)
        self._patient = patient
        self._refusal = Answer(status, retry_after)

    def decide(self, now: float, patient: int, row: int) -> Answer:
        """Refuse the patient's rows."""
        return self._refusal if patient == self._patient else ACCEPTED
