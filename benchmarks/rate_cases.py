"""The simulated servers against which the rate controller is held, and what must be shown against each."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial

import attrs

from benchmarks.simulated_servers import (
    AtMost,
    BadPatient,
    Bucket,
    Chance,
    FixedWindow,
    Outage,
    PoisonRow,
    Server,
    SlidingWindow,
)
from benchmarks.simulation import ByHand, Controlled, Run, simulate

__all__ = ["CASES", "Case", "Figures", "measure"]

_FULL = 64 / (1.1 * 0.05)  # requests per second of 64 workers at 50 ms, as a client sees it


@attrs.frozen
class Case:
    """One server, and what must be shown against it.

    Attributes:
        server: Makes it from a source of randomness.
        median: Share of what is possible, at least, in the median over the seeds.
        worst: The same in the worst.
        refused: Share of requests refused, at most, in the median.
        seconds: How long it goes on.
        workers: Rows in hand at once.
        rows: How many rows there are; None for as many as can be sent.
        bad: How many of them are never accepted.
        patients: How many patients they belong to.
        block: How many of a patient come one after the other.
        changes: Seconds at which the server's limit changes, with the requests per second possible from then on: nine
            tenths of them must be reached within five seconds.
        back: When the server comes back from an outage, with its full speed: a row is accepted within two seconds,
            and nine tenths of the speed are reached within five.
    """

    server: Callable[[random.Random], Server]
    median: float
    worst: float
    refused: float
    seconds: int = 60
    workers: int = 64
    rows: int | None = None
    bad: int = 0
    patients: int = 50
    block: int = 1
    changes: tuple[tuple[int, float], ...] = ()
    back: tuple[int, float] | None = None


@attrs.frozen
class Figures:
    """What one run came to.

    Attributes:
        share: Of what is possible.
        refused: Share of requests refused.
        reached: The longest time, in seconds, until nine tenths of a new speed were reached; 0 where none changed.
        first: Seconds from the end of an outage to the first row accepted; 0 where there was none.
        requests_refused: How many were.
    """

    share: float
    refused: float
    reached: float
    first: float
    requests_refused: int


def _halved(now: float) -> float:
    return 0.5 if 30.0 <= now < 60.0 else 1.0


def _other(now: float) -> float:
    return 100.0 if 20.0 <= now < 40.0 or 60.0 <= now < 75.0 else 0.0


def _behind(retry_after: float | None, chance: random.Random) -> Server:
    return Chance(chance, throttled=0.02, unavailable=0.02, behind=Bucket(chance, burst=200, retry_after=retry_after))


_HALVED = ((30, 100.0), (60, 200.0))
_OTHER = ((20, 100.0), (40, 200.0), (60, 100.0), (75, 200.0))
_GRACE = 2.0  # seconds that one bad row, or one bad patient, may cost all the others
_BARELY = 1 / 1.2  # of the undisturbed speed: 1.2 times the time


def _limit(server: Callable[[random.Random], Server]) -> Case:
    """A plain limit of 200 requests a second."""
    return Case(server, 0.93, 0.90, 0.035)


def _chance(median: float, refused: float, **given: float | bool | None) -> Case:
    """Refusals by chance alone; how many is what chance gives."""
    return Case(partial(Chance, **given), median, 0.75, refused)  # type: ignore[arg-type]


CASES: dict[str, Case] = {
    "no limit": Case(Server, 0.97, 0.97, 0.0, seconds=20),
    "window of 1 s, Retry-After": _limit(FixedWindow),
    "window of 1 s": _limit(partial(FixedWindow, retry_after=None)),
    "sliding log, Retry-After": _limit(SlidingWindow),
    "sliding log": _limit(partial(SlidingWindow, retry_after=None)),
    "bucket of 20, Retry-After": _limit(partial(Bucket, burst=20)),
    "bucket of 20": _limit(partial(Bucket, burst=20, retry_after=None)),
    "bucket of 200, Retry-After": _limit(partial(Bucket, burst=200)),
    "bucket of 200": _limit(partial(Bucket, burst=200, retry_after=None)),
    "bucket of 1, Retry-After": Case(partial(Bucket, burst=1), 0.75, 0.75, 0.03),
    "bucket of 1": Case(partial(Bucket, burst=1, retry_after=None), 0.75, 0.75, 0.03),
    "1 000 a minute, Retry-After": Case(
        partial(FixedWindow, window=60.0, rate=1000 / 60, tells=True), 0.85, 0.75, 0.07, seconds=300
    ),
    "1 000 a minute": Case(
        partial(FixedWindow, window=60.0, rate=1000 / 60, retry_after=None), 0.80, 0.0, 0.07, seconds=300
    ),
    "16 at once, 503": Case(partial(AtMost, status=503, retry_after=0.0), 0.90, 0.0, 0.02),
    "16 at once, 503, Retry-After": Case(partial(AtMost, status=503, retry_after=1.0), 0.90, 0.0, 0.02),
    "16 at once, 503, tail": Case(partial(AtMost, status=503, retry_after=0.0, tail=True), 0.90, 0.0, 0.02),
    "16 at once, 429": Case(partial(AtMost, status=429), 0.75, 0.0, 0.02),
    "16 at once, 429, Retry-After": Case(partial(AtMost, status=429, retry_after=1.0), 0.75, 0.0, 0.02),
    "chance 2 % + 2 %": _chance(0.85, 0.045, throttled=0.02, unavailable=0.02),
    "chance 2 % + 2 %, Retry-After": _chance(0.85, 0.045, throttled=0.02, unavailable=0.02, retry_after=1.0),
    "chance 5 %": _chance(0.85, 0.055, throttled=0.05),
    "chance 5 %, Retry-After": _chance(0.85, 0.055, throttled=0.05, retry_after=1.0),
    "chance 5 %, tail": _chance(0.75, 0.055, throttled=0.05, tail=True),
    "chance 2 % + 2 %, tail": _chance(0.75, 0.045, throttled=0.02, unavailable=0.02, tail=True),
    "chance on top of 200/s, Retry-After": Case(partial(_behind, 1.0), 0.90, 0.70, 0.08),
    "chance on top of 200/s": Case(partial(_behind, None), 0.90, 0.70, 0.08),
    "halved, restored, Retry-After": Case(
        partial(Bucket, burst=200, factor=_halved), 0.9, 0.9, 0.04, seconds=90, changes=_HALVED
    ),
    "halved, restored": Case(
        partial(Bucket, burst=200, factor=_halved, retry_after=None), 0.9, 0.9, 0.04, seconds=90, changes=_HALVED
    ),
    "another client, Retry-After": Case(
        partial(Bucket, burst=20, other=_other), 0.9, 0.9, 0.04, seconds=90, changes=_OTHER
    ),
    "another client": Case(
        partial(Bucket, burst=20, other=_other, retry_after=None), 0.9, 0.9, 0.04, seconds=90, changes=_OTHER
    ),
    "outage of 30 s": Case(partial(Outage, start=20.0, end=50.0), 0.85, 0.80, 0.01, seconds=80, back=(50, _FULL)),
    "outage of 30 s, 429": Case(
        partial(Outage, start=20.0, end=50.0, status=429, retry_after=None), 0.85, 0.80, 0.01, seconds=80
    ),
    "200/s, 512 workers": Case(partial(SlidingWindow, latency=0.02), 0.80, 0.80, 0.08, workers=512),
    "200/s, 500 ms": Case(partial(Bucket, burst=200, latency=0.5), 0.80, 0.80, 0.08),
    "200/s, 512 workers, 500 ms": Case(partial(Bucket, burst=200, latency=0.5), 0.80, 0.80, 0.08, workers=512),
    "one poison row": Case(partial(PoisonRow, row=1_000), _BARELY, _BARELY, 0.005, rows=20_000, bad=1),
    "one bad patient": Case(
        partial(BadPatient, patient=7), _BARELY, _BARELY, 0.01, rows=20_000, bad=1_000, patients=20
    ),
    "one bad patient, 429": Case(
        partial(BadPatient, patient=7, status=429, retry_after=None),
        *(_BARELY, _BARELY, 0.01),
        rows=20_000,
        bad=1_000,
        patients=20,
    ),
    "one bad patient in a row": Case(
        partial(BadPatient, patient=7), _BARELY, _BARELY, 0.01, rows=20_000, bad=1_000, patients=20, block=1_000
    ),
    "one bad patient in a row, 429": Case(
        partial(BadPatient, patient=7, status=429, retry_after=None),
        *(_BARELY, _BARELY, 0.01),
        rows=20_000,
        bad=1_000,
        patients=20,
        block=1_000,
    ),
}


def measure(name: str, side: str, seed: int) -> Figures:
    """Run a case once.

    Args:
        name: Of the case.
        side: "controller" or "by hand".
        seed: Of everything random.
    """
    case = CASES[name]
    chance = random.Random(seed)
    server = case.server(random.Random(seed + 99))
    policy = Controlled(chance, case.workers) if side == "controller" else ByHand()
    run = simulate(
        policy,
        server,
        chance,
        seconds=case.seconds,
        workers=case.workers,
        rows=case.rows,
        patients=case.patients,
        block=case.block,
        since=math.inf if case.back is None else case.back[0],
    )
    return _figures(case, server, run)


def _figures(case: Case, server: Server, run: Run) -> Figures:
    possible = server.possible(case.seconds, case.workers)
    changes = case.changes if case.back is None else (case.back,)
    ends = ([at for at, _ in changes] + [case.seconds])[1:]
    reached = [run.reached(0.9 * rate, at, end) for (at, rate), end in zip(changes, ends, strict=True)]
    share = run.total / possible
    if case.rows is not None:  # the time it would take undisturbed, over what it took
        done = run.total >= case.rows - case.bad
        took = run.finished - _GRACE if done else case.seconds
        share = run.total / server.capacity(case.workers) / took
    return Figures(
        share=share,
        refused=run.refused_share,
        reached=max(reached, default=0.0),
        first=0.0 if case.back is None else run.first_accepted - case.back[0],
        requests_refused=sum(run.refused),
    )
