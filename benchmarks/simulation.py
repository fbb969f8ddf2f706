"""A discrete-event simulation of an import: workers, a way to deal with refusals, and a server.

Nothing waits: a minute of three thousand requests a second takes about a second. The decisions are made by the very
classes the package uses: the rate controller, the rows set aside, and the circuits of patients.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Protocol

import attrs

from benchmarks.simulated_servers import Answer, Server
from welkin_async.bulk.engine.refused_rows import GroupCircuits, RefusedRow, RefusedRows
from welkin_async.http.rate_limit.controller import RateController

__all__ = ["ByHand", "Controlled", "Policy", "Run", "simulate"]

_READ = -2  # in place of a row: a read, which all of these servers answer
_TIMER_LATENESS = 0.0008
"""Seconds by which a timer of an event loop is late, at most."""


@attrs.define
class Run:
    """What a simulated import came to.

    Attributes:
        accepted: Requests accepted, by second.
        refused: Requests refused, by second.
        given_up: Rows given up.
        first_accepted: When the first row was accepted at or after the moment that was asked about.
        finished: When the last row was accepted.
    """

    accepted: list[int]
    refused: list[int]
    given_up: int = 0
    first_accepted: float = math.inf
    finished: float = 0.0

    @property
    def total(self) -> int:
        """Requests accepted."""
        return sum(self.accepted)

    @property
    def refused_share(self) -> float:
        """Share of all requests that were refused."""
        refused = sum(self.refused)
        return refused / max(1, refused + self.total)

    def reached(self, rate: float, since: int, until: int) -> float:
        """Return the seconds after which a rate was first held for two seconds; infinity for never.

        Args:
            rate: Requests per second.
            since: The second to count from.
            until: The second to stop at.
        """
        seconds = (at for at in range(since, until - 1) if sum(self.accepted[at : at + 2]) >= 2 * rate)
        return next(seconds, math.inf) - since


class Policy(Protocol):
    """What a client does about the rate, as the simulation sees it."""

    sets_aside: bool

    def wait(self, now: float) -> float:
        """Return the seconds the next request must wait; infinity for until one comes back."""
        ...

    def paused(self, now: float) -> float:
        """Return the seconds for which everybody pauses."""
        ...

    def send(self, now: float) -> int:
        """Let a request out; return its ticket."""
        ...

    def answered(self, ticket: int, sent: float, now: float, answer: Answer) -> None:
        """Note an answer."""
        ...


class Controlled:
    """The package's own controller.

    Args:
        chance: Source of randomness.
        concurrency: Requests in flight that the session allows itself; an import's own are a part of them.
        rate: Requests per second that it allows itself; None for no bound.
    """

    sets_aside = True

    def __init__(self, chance: random.Random, concurrency: int, *, rate: float | None = None) -> None:
        self.now = 0.0
        self.controller = RateController(
            rate=rate, concurrency=concurrency, clock=lambda: self.now, jitter=chance.random
        )

    def wait(self, now: float) -> float:
        """Ask the controller."""
        return self.controller.wait_time(now)

    def paused(self, now: float) -> float:
        """Ask the controller."""
        return self.controller.paused_for(now)

    def send(self, now: float) -> int:
        """Take a ticket."""
        return self.controller.acquire(now)

    def answered(self, ticket: int, sent: float, now: float, answer: Answer) -> None:
        """Report how it went."""
        self.now = now
        if answer.status == 201:
            self.controller.accepted(ticket, sent)
        else:
            self.controller.refused(ticket, now, answer.retry_after, overloaded=answer.status == 503)
        self.controller.release(ticket)


class ByHand:
    """A loop with back-off per request, as one writes it: nobody learns from what another was told."""

    sets_aside = False

    def wait(self, now: float) -> float:
        """Never hold anything back."""
        return 0.0

    def paused(self, now: float) -> float:
        """Never pause."""
        return 0.0

    def send(self, now: float) -> int:
        """Send."""
        return 0

    def answered(self, ticket: int, sent: float, now: float, answer: Answer) -> None:
        """Learn nothing."""


@attrs.define(order=False)
class _Attempt:
    row: RefusedRow[int]
    ticket: int
    sent: float
    answer: Answer


class _Simulation:
    def __init__(
        self,
        policy: Policy,
        server: Server,
        chance: random.Random,
        *,
        workers: int,
        rows: int | None,
        patients: int,
        block: int,
    ) -> None:
        self.policy = policy
        self.server = server
        self.chance = chance
        self.patients = patients
        self.block = block
        self.out: Counter[object] = Counter()  # requests, by patient
        self.reading = False  # whether a read is out, to tell a patient from the server
        self.source: Iterator[int] = iter(range(rows if rows is not None else 1 << 60))
        self.aside: RefusedRows[int] = RefusedRows(4 * workers, jitter=chance.random)
        self.circuits = GroupCircuits(jitter=chance.random)
        self.idle = workers
        self.queue: deque[RefusedRow[int]] = deque()  # rows whose workers wait for the policy
        self.events: list[tuple[float, int, Callable[[float, _Attempt], None], _Attempt]] = []
        self.serial = 0
        self.timer = math.inf
        self.watch = math.inf
        self.given_up = 0
        self.on_accepted: Callable[[float], None] = lambda now: None
        self.on_refused: Callable[[float], None] = lambda now: None

    def at(self, when: float, what: Callable[[float, _Attempt], None], attempt: _Attempt) -> None:
        self.serial += 1
        heapq.heappush(self.events, (when, self.serial, what, attempt))

    def patient(self, index: int) -> int:
        """Return whom a row belongs to."""
        return (index // self.block) % self.patients

    def next_row(self, now: float) -> RefusedRow[int] | None:
        """Return what a free worker does next: a row set aside that is due, else the next of the source."""
        while True:
            row = self.aside.take_due(now)
            if row is None:
                index = next(self.source, None)
                if index is None:
                    return None
                row = RefusedRow(index, self.patient(index))
            if self.admitted(row, now):
                return row
            if self.circuits.given_up(row.group) or (self.aside.full and self.circuits.fails_fast(row.group)):
                self.given_up += 1
            elif self.aside.full:
                self.idle -= 1
                self.at(row.due, self.resent, _Attempt(row, 0, 0.0, Answer()))  # its worker waits with it
                return None
            else:
                self.aside.set_aside(row)

    def admitted(self, row: RefusedRow[int], now: float) -> bool:
        """Ask the circuit of the row's patient, after one that queues in a pause; else say when to ask again."""
        if not self.policy.sets_aside:
            return True
        if self.aside.full and not self.reading and self.circuits.is_doubtful(row.group):
            self.reading = True
            self.queue.append(RefusedRow(_READ, row.group))
        paused = max(self.policy.paused(now), 0.05 if self.circuits.is_suspect(row.group) else 0.0)
        if paused and (self.out[row.group] or any(each.group == row.group for each in self.queue)):
            row.due = now + paused
            return False
        if self.circuits.admits(row.group, now):
            return True
        row.due = max(now + 0.001, self.circuits.open_until(row.group) or 0.0)
        return False

    def pump(self, now: float) -> None:
        """Put free workers to work, and send what the policy lets out."""
        while self.idle:
            row = self.next_row(now)
            if row is None:
                break
            self.idle -= 1
            self.queue.append(row)
        if self.idle and self.aside.next_due < self.watch:
            self.watch = self.aside.next_due
            self.at(self.watch, self.watched, _NONE)
        while self.queue:
            wait = self.policy.wait(now)
            if wait > 0.0:
                if wait < math.inf and not now < self.timer <= now + wait:
                    self.timer = now + wait + _TIMER_LATENESS * self.chance.random()
                    self.at(self.timer, self.timed, _NONE)
                return
            attempt = _Attempt(self.queue.popleft(), self.policy.send(now), now, Answer())
            self.out[attempt.row.group] += 1
            self.at(now + 0.1 * self.server.latency, self.arrived, attempt)

    def timed(self, now: float, _: _Attempt) -> None:
        if now >= self.timer:
            self.timer = math.inf
        self.pump(now)

    def watched(self, now: float, _: _Attempt) -> None:
        if now >= self.watch:
            self.watch = math.inf
        self.pump(now)

    def arrived(self, now: float, attempt: _Attempt) -> None:
        if attempt.row.item != _READ:
            attempt.answer = self.server.decide(now, self.patient(attempt.row.item), attempt.row.item)
        self.at(now + self.server.service(attempt.answer), self.answered, attempt)

    def answered(self, now: float, attempt: _Attempt) -> None:
        row, answer = attempt.row, attempt.answer
        self.out[row.group] -= 1
        self.policy.answered(attempt.ticket, attempt.sent, now, answer)
        if row.item == _READ:
            self.reading = False
            self.circuits.vouch(row.group)
        elif answer.status == 201:
            self.server.finished()
            self.on_accepted(now)
            self.aside.accepted += 1
            self.circuits.accepted(row.group)
            self.idle += 1
        else:
            self.on_refused(now)
            self.refused(now, row, answer)
        self.pump(now)

    def refused(self, now: float, row: RefusedRow[int], answer: Answer) -> None:
        """Decide what becomes of a row that was refused."""
        exhausted = self.aside.refused(row, now, answer.retry_after or None, throttled=answer.status == 429)
        if not self.policy.sets_aside:
            self.at(row.due, self.resent, _Attempt(row, 0, 0.0, answer))
            return
        self.circuits.refused(row.group, now)
        if exhausted or self.circuits.given_up(row.group):
            self.given_up += 1
            self.idle += 1
        elif self.aside.full:
            self.at(row.due, self.resent, _Attempt(row, 0, 0.0, answer))  # its worker waits with it
        else:
            self.aside.set_aside(row)
            self.idle += 1

    def resent(self, now: float, attempt: _Attempt) -> None:
        row = attempt.row
        if self.admitted(row, now):
            self.queue.append(row)
        elif self.circuits.given_up(row.group) or self.circuits.fails_fast(row.group):
            self.given_up += 1
            self.idle += 1
        else:
            self.at(row.due, self.resent, attempt)
        self.pump(now)


_NONE = _Attempt(RefusedRow(-1, None), 0, 0.0, Answer())


def simulate(
    policy: Policy,
    server: Server,
    chance: random.Random,
    *,
    seconds: int = 60,
    workers: int = 64,
    rows: int | None = None,
    patients: int = 50,
    block: int = 1,
    since: float = math.inf,
) -> Run:
    """Import rows through a policy to a server.

    Args:
        policy: What is done about the rate.
        server: Answers.
        chance: Source of randomness.
        seconds: When to stop.
        workers: Rows in hand at once.
        rows: How many there are; None for as many as can be sent.
        patients: How many patients they belong to, in turn.
        block: How many of a patient come one after the other.
        since: From when on to look for the first row accepted.
    """
    run = Run([0] * (seconds + 1), [0] * (seconds + 1))
    simulation = _Simulation(policy, server, chance, workers=workers, rows=rows, patients=patients, block=block)

    def accepted(now: float) -> None:
        run.accepted[int(now)] += 1
        run.finished = now
        if since <= now < run.first_accepted:
            run.first_accepted = now

    def refused(now: float) -> None:
        run.refused[int(now)] += 1

    simulation.on_accepted, simulation.on_refused = accepted, refused
    simulation.pump(0.0)
    events = simulation.events
    while events:
        now, _, act, attempt = heapq.heappop(events)
        if now > seconds:
            break
        act(now, attempt)
    run.given_up = simulation.given_up
    return run
