"""``python -m benchmarks.shared_pace``: sessions of several processes that share a pace, against a simulated server.

Nothing waits: the event loop's clock jumps from timer to timer. Rate controller, request queue and share pacer are the
package's own, and so is the decision in the store; the store, the server and the processes are simulated. A seed gives
the same figures everywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import selectors
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import attrs

from benchmarks.simulated_servers import Answer, Bucket, FixedWindow, Server, SlidingWindow
from welkin_async.http.rate_limit.controller import RateController
from welkin_async.http.rate_limit.queue import AdmissionQueue
from welkin_async.http.retry import backoff
from welkin_async.http.share_pacer import SharePacer
from welkin_async.http.sharing import PaceReport, PaceShare
from welkin_async.shared.allotment import allot
from welkin_async.shared.documents import encode
from welkin_async.shared.errors import StoreUnreachableError

__all__ = ["CASES", "EVEN", "UNEVEN", "Case", "Figures", "main", "measure", "simulated"]

T = TypeVar("T")

LIMIT = 200.0  # requests per second that each server allows
EVEN, UNEVEN = (1250,) * 4, (3500, 500, 500, 500)  # rows of each process
_AT_ONCE = 32  # rows that a process has in hand
_ROUND_TRIP = 0.003  # seconds until the store answers
_START = 0.3  # seconds within which all processes begin


class _Jumping(selectors.DefaultSelector):
    """Waits for nothing, and tells for how long it would have."""

    def __init__(self, passed: Callable[[float], None]) -> None:
        super().__init__()
        self._passed = passed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everything waits for something that never happens"
        self._passed(timeout)
        return super().select(0.0)


class _SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps from timer to timer."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jumping(self._pass))

    def time(self) -> float:
        return self.now

    def _pass(self, seconds: float) -> None:
        self.now += seconds


class _Store:
    """A shared pace in a store that may be away.

    Args:
        clock: Its own.
        away: From when to when it does not answer.
        forgets: Whether it comes back empty.
    """

    def __init__(self, clock: Callable[[], float], away: tuple[float, float], *, forgets: bool) -> None:
        self._clock = clock
        self._away = away
        self._forgets = forgets
        self._kept: bytes | None = None
        self.reports = 0

    async def report(self, key: str, report: PaceReport) -> PaceShare:
        self.reports += 1
        await asyncio.sleep(_ROUND_TRIP)
        start, end = self._away
        if start <= self._clock() < end:
            if self._forgets:
                self._kept = None
            raise StoreUnreachableError("it is away")
        state, share = allot(None if self._kept is None else json.loads(self._kept), report, self._clock())
        self._kept = encode(state)
        return share


@attrs.frozen
class Case:
    """What four processes are to do.

    Attributes:
        server: Makes the server from a source of randomness.
        rows: How many rows each has.
        rate: What the sessions are told; None for nothing.
        away: From when to when the store does not answer, in seconds.
        forgets: Whether it is empty then.
        starts: When each process begins, in seconds; all at once by default, but for a fraction of a second.
        used: Share of what is allowed that must be used.
        refused: Share of the requests that may be refused.
    """

    server: Callable[[random.Random], Server]
    rows: Sequence[int]
    rate: float | None
    used: float
    refused: float
    away: tuple[float, float] = (math.inf, math.inf)
    forgets: bool = False
    starts: Sequence[float] = (0.0, 0.0, 0.0, 0.0)


@attrs.frozen
class Figures:
    """What came of a run.

    Attributes:
        used: Share of what was allowed that was used, until the last process took its last row.
        refused: Share of the requests that were refused, of the whole run.
        accepted: How many were accepted, by second.
        refusals: How many were refused, by second.
        first: Seconds from a process' beginning until its first row was accepted, of the one that waited the longest.
        reports: How many reports the store was sent.
    """

    used: float
    refused: float
    accepted: Sequence[int]
    refusals: Sequence[int]
    first: float
    reports: int


class _Run:
    """Some processes at a server."""

    def __init__(self, case: Case, seed: int) -> None:
        self._case = case
        self._chance = random.Random(seed)
        self._server = case.server(random.Random(seed + 1))
        self._clock = asyncio.get_running_loop().time
        self.store = _Store(self._clock, case.away, forgets=case.forgets)
        self.accepted: list[float] = []
        self.refused: list[float] = []
        self.dry: list[float] = []
        self.first: list[float] = []

    async def process(self, rows: int, start: float) -> None:
        """Send rows, so many at once, as the transport does."""
        await asyncio.sleep(start + _START * self._chance.random())
        began = self._clock()
        limiter = RateController(
            rate=self._case.rate, concurrency=1000, clock=self._clock, jitter=self._chance.random, learns=False
        )
        queue = AdmissionQueue(limiter, self._clock)
        pacer = SharePacer(self.store, "pace", queue, rate=self._case.rate, clock=self._clock)
        left = iter(range(rows))
        done = await asyncio.gather(*(self._work(left, queue) for _ in range(_AT_ONCE)))
        self.first.append(min(done) - began)
        await pacer.aclose()

    async def _work(self, left: Iterator[int], queue: AdmissionQueue) -> float:
        """Send rows; return when the first was accepted."""
        first = math.inf
        for row in left:
            refusals = 0
            while (answer := await self._send(queue, row)).status != 201:
                refusals += 1
                pause = answer.retry_after
                await asyncio.sleep(backoff(refusals, jitter=self._chance.random) if pause is None else pause)
            first = min(first, self._clock())
        self.dry.append(self._clock())
        return first

    async def _send(self, queue: AdmissionQueue, row: int) -> Answer:
        limiter, sent = queue.limiter, self._clock()
        ticket = queue.try_enter(sent) or await queue.enter(math.inf)
        sent = self._clock()
        await asyncio.sleep(0.1 * self._server.latency)
        answer = self._server.decide(self._clock(), 0, row)
        await asyncio.sleep(self._server.service(answer))
        now = self._clock()
        if answer.status == 201:
            self.accepted.append(now)
            limiter.accepted(ticket, sent)
        else:
            self.refused.append(now)
            limiter.refused(ticket, now, answer.retry_after)
        queue.leave(ticket)
        return answer


def measure(case: Case, seed: int) -> Figures:
    """Play a case.

    Args:
        case: What the processes do.
        seed: Source of randomness.
    """

    async def play() -> Figures:
        run = _Run(case, seed)
        await asyncio.gather(*(run.process(rows, start) for rows, start in zip(case.rows, case.starts, strict=True)))
        # A process is dry when its first worker finds no row; the last process' is what counts.
        dry = sorted(run.dry)[(len(case.rows) - 1) * _AT_ONCE]
        accepted, refused = Counter(map(int, run.accepted)), Counter(map(int, run.refused))
        return Figures(
            used=sum(at <= dry for at in run.accepted) / dry / LIMIT,
            refused=len(run.refused) / (len(run.refused) + len(run.accepted)),
            accepted=[accepted[second] for second in range(int(dry) + 1)],
            refusals=[refused[second] for second in range(int(dry) + 1)],
            first=max(run.first),
            reports=run.store.reports,
        )

    return simulated(play())


def simulated(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on an event loop whose clock jumps.

    Args:
        work: What is run.
    """
    with asyncio.Runner(loop_factory=_SimulatedLoop) as runner:
        return runner.run(work)


_SERVERS: dict[str, Callable[[random.Random], Server]] = {
    "window of 1 s, Retry-After": partial(FixedWindow, tells=True),
    "window of 1 s": partial(FixedWindow, retry_after=None),
    "sliding log, Retry-After": SlidingWindow,
    "bucket of 20": partial(Bucket, burst=20, retry_after=None),
}
CASES: dict[str, Case] = (
    {
        f"{known}, {demand}, {name}": Case(server, rows, rate, *bounds)
        for name, server in _SERVERS.items()
        for known, rate, bounds in (("told", LIMIT, (0.95, 0.02)), ("learned", None, (0.90, 0.04)))
        for demand, rows in (("even", EVEN), ("uneven", UNEVEN))
    }
    | {
        f"{known}, {demand}, store away{', then empty' if forgets else ''}": Case(
            _SERVERS["window of 1 s, Retry-After"],
            rows,
            rate,
            used=0.8,
            # A total that was learned is learned anew from an empty store, with another first storm.
            refused=0.02 if rate else 0.07 if forgets else 0.04,
            away=(5.0, 15.0),
            forgets=forgets,
        )
        for forgets in (False, True)
        for known, rate in (("told", LIMIT), ("learned", None))
        for demand, rows in (("even", EVEN), ("uneven", UNEVEN))
    }
    | {
        # The first is alone for long enough to report seldom.
        f"{known}, three come after 8 s": Case(
            _SERVERS["window of 1 s, Retry-After"], (3500, 500, 500, 500), rate, *bounds, starts=(0.0, 8.0, 8.0, 8.0)
        )
        for known, rate, bounds in (("told", LIMIT, (0.95, 0.02)), ("learned", None, (0.90, 0.04)))
    }
)


def main(arguments: list[str] | None = None) -> int:
    """Run the cases; the exit code is 1 where a bound is not kept.

    Args:
        arguments: Command line; None reads the process' own.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shared_pace", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TEXT", help="cases whose name contains it; all by default")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each case (%(default)s)")
    parser.add_argument("--seconds", action="store_true", help="print what was accepted and refused, by second")
    options = parser.parse_args(arguments)
    missed = 0
    for name, case in CASES.items():
        if options.names and not any(text in name for text in options.names):
            continue
        runs = [measure(case, seed) for seed in range(options.seeds)]
        used, refused = sorted(run.used for run in runs), sorted(run.refused for run in runs)
        kept = statistics.median(used) >= case.used and statistics.median(refused) <= case.refused
        missed += not kept
        sys.stdout.write(
            f"{name}: used {statistics.median(used):.3f} (worst {used[0]:.3f}), "
            f"refused {statistics.median(refused):.3f} (worst {refused[-1]:.3f}), "
            f"first row after {max(run.first for run in runs):.1f} s{'' if kept else '  NOT MET'}\n"
        )
        if options.seconds:
            sys.stdout.write(f"  accepted {' '.join(map(str, runs[0].accepted))}\n")
            sys.stdout.write(f"  refused  {' '.join(map(str, runs[0].refusals))}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
