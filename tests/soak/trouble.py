"""What goes wrong meanwhile: faults by script and by chance, outages, tokens that end early.

The scripted faults come first and win over those by chance, so that every run meets each of them. The server has a
limit as well, and an import that starts runs into it with all it has.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from welkin_async.sandbox import Fault, FaultKind, SandboxProcess

LATE = 1.5  # seconds after which work lands whose connection was reset
LATER = 8.0  # seconds after which it lands when its row has been sent again already

Script = Callable[[int, float], Sequence[Fault]]
"""Makes the faults of a run from how many rows it has and the seconds that a stalled answer takes."""

_CREATE, _LIST, _FORMATION, _TOKEN = "cdts.create", "cdts.list", "formation_cdts.get", "auth.create_token"
_PATIENT = "patients.get"
_TRIES = 3  # what is asked for once, and so often, is answered in the end
_STORM = 1.0  # seconds for which a storm of 429s lasts
_LOOK = 0.05  # seconds between two looks at what the server has served


def calm(rows: int, stall: float) -> list[Fault]:
    """No faults.

    Args:
        rows: How many rows.
        stall: Seconds a stalled answer takes.
    """
    return []


def late(rows: int, stall: float) -> list[Fault]:
    """Five resets whose records land after the rows were sent again.

    Args:
        rows: How many rows.
        stall: Seconds a stalled answer takes.
    """
    return [Fault(FaultKind.RESET_LATE, _CREATE, times=5, after=rows // 10, every=20, delay=LATER)]


def certain(rows: int, stall: float) -> list[Fault]:
    """A few faults of every kind, each at its place in the file.

    Args:
        rows: How many rows.
        stall: Seconds a stalled answer takes.
    """

    def create(share: float, kind: FaultKind, times: int = 3, **more: Any) -> Fault:
        return Fault(kind, _CREATE, times=times, after=round(share * rows), **more)

    return [
        create(0.05, FaultKind.STATUS, 12, status=429, retry_after=1),
        create(0.10, FaultKind.RESET_AFTER),
        create(0.15, FaultKind.STATUS, every=40, status=401),
        create(0.20, FaultKind.RESET_BEFORE),
        create(0.25, FaultKind.RESET_LATE, delay=LATE),
        create(0.30, FaultKind.TRUNCATED),
        create(0.33, FaultKind.GARBAGE),
        create(0.36, FaultKind.EMPTY),
        create(0.40, FaultKind.STATUS, status=500),
        create(0.43, FaultKind.STATUS, status=502, work_done=True),
        create(0.46, FaultKind.STATUS, status=504, work_done=True),
        create(0.49, FaultKind.STATUS, status=503, retry_after=1),
        create(0.52, FaultKind.STALL_AFTER, delay=stall),
        create(0.60, FaultKind.STALL_BEFORE, delay=stall),
        Fault(FaultKind.STATUS, _LIST, times=2, status=503),
        Fault(FaultKind.RESET_BEFORE, _LIST, times=2),
        Fault(FaultKind.TRUNCATED, _LIST, times=2),
        Fault(FaultKind.STATUS, _LIST, times=2, status=429, retry_after=1),
        Fault(FaultKind.STALL_AFTER, _LIST, delay=stall),
        Fault(FaultKind.STATUS, _FORMATION, status=500),
        Fault(FaultKind.RESET_AFTER, _FORMATION),
        Fault(FaultKind.RESET_BEFORE, _TOKEN),
        Fault(FaultKind.STATUS, _TOKEN, status=503),
        Fault(FaultKind.STATUS, _PATIENT, status=500),
        Fault(FaultKind.RESET_AFTER, _PATIENT),
    ]


def _chance(kind: FaultKind, share: float, operation: str = _CREATE, **more: Any) -> Fault:
    return Fault(kind, operation, times=None, probability=share, **more)


_BESIDE = (
    _chance(FaultKind.STATUS, 0.02, _LIST, status=503),
    _chance(FaultKind.RESET_BEFORE, 0.02, _LIST),
    _chance(FaultKind.TRUNCATED, 0.02, _LIST),
    _chance(FaultKind.STATUS, 0.1, _FORMATION, status=500, after=_TRIES),
    _chance(FaultKind.RESET_AFTER, 0.1, _FORMATION, after=_TRIES),
    _chance(FaultKind.RESET_BEFORE, 0.03, _TOKEN, after=_TRIES),
    _chance(FaultKind.STATUS, 0.03, _TOKEN, status=503, after=_TRIES),
    _chance(FaultKind.STATUS, 0.02, _PATIENT, status=500),
    _chance(FaultKind.RESET_AFTER, 0.02, _PATIENT),
)


def usual(rows: int, stall: float) -> list[Fault]:
    """What every run meets, and for as long as the server runs a fault in three creates of a hundred.

    Args:
        rows: How many rows.
        stall: Seconds a stalled answer takes.
    """
    return [
        *certain(rows, stall),
        _chance(FaultKind.RESET_AFTER, 0.010),
        _chance(FaultKind.RESET_BEFORE, 0.004),
        _chance(FaultKind.RESET_LATE, 0.002, delay=LATE),
        _chance(FaultKind.TRUNCATED, 0.005),
        _chance(FaultKind.GARBAGE, 0.003),
        _chance(FaultKind.EMPTY, 0.003),
        _chance(FaultKind.STATUS, 0.002, status=500),
        _chance(FaultKind.STATUS, 0.003, status=502, work_done=True),
        _chance(FaultKind.STATUS, 0.001, status=504, work_done=True),
        _chance(FaultKind.STATUS, 0.0005, status=503, retry_after=1),
        _chance(FaultKind.STALL_AFTER, 0.0004, delay=stall),
        _chance(FaultKind.STALL_BEFORE, 0.0004, delay=stall),
        *_BESIDE,
    ]


def dense(rows: int, stall: float) -> list[Fault]:
    """What every run meets, and a fault in about sixteen creates of a hundred, refusals by chance among them.

    Args:
        rows: How many rows.
        stall: Seconds a stalled answer takes.
    """
    return [
        *certain(rows, stall),
        _chance(FaultKind.STATUS, 0.020, status=429),
        _chance(FaultKind.STATUS, 0.020, status=503),
        _chance(FaultKind.RESET_AFTER, 0.025),
        _chance(FaultKind.RESET_BEFORE, 0.020),
        _chance(FaultKind.RESET_LATE, 0.015, delay=LATE),
        _chance(FaultKind.TRUNCATED, 0.015),
        _chance(FaultKind.GARBAGE, 0.010),
        _chance(FaultKind.EMPTY, 0.010),
        _chance(FaultKind.STATUS, 0.010, status=500),
        _chance(FaultKind.STATUS, 0.010, status=502, work_done=True),
        _chance(FaultKind.STATUS, 0.005, status=504, work_done=True),
        *_BESIDE,
    ]


def cuts(rows: int, stall: float) -> list[Fault]:
    """Creates that were carried out and not answered, or not carried out at all, five of a hundred.

    Args:
        rows: How many rows.
        stall: Seconds a stalled answer takes.
    """
    return [
        _chance(FaultKind.RESET_AFTER, 0.020),
        _chance(FaultKind.RESET_BEFORE, 0.010),
        _chance(FaultKind.RESET_LATE, 0.005, delay=LATE),
        _chance(FaultKind.TRUNCATED, 0.010),
        _chance(FaultKind.STATUS, 0.005, status=504, work_done=True),
    ]


def strays(rows: int, stall: float) -> list[Fault]:
    """Answers that nobody asked for, behind four of a hundred answers of every kind, and a few cuts.

    Args:
        rows: How many rows.
        stall: Seconds a stalled answer takes.
    """
    return [
        *(
            _chance(FaultKind.STRAY, 0.01, operation, status=status, delay=delay)
            for operation in (_CREATE, _LIST, _PATIENT)
            for status, delay in ((200, 0.0), (404, 0.001), (422, 0.003), (500, 0.001))
        ),
        _chance(FaultKind.RESET_AFTER, 0.005),
        _chance(FaultKind.TRUNCATED, 0.005),
    ]


def met(reports: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """How often faults were met, by operation and kind; 0 for those that never were.

    Args:
        reports: What the server says of them.
    """
    counts: Counter[str] = Counter()
    for report in reports:
        fault = report["fault"]
        status = f" {fault['status']}" if fault["kind"] in (FaultKind.STATUS, FaultKind.STRAY) else ""
        counts[f"{fault['operation']} {fault['kind']}{status}"] += report["met"]
    return counts


async def created(server: SandboxProcess) -> int:
    """Creates that have reached the server.

    Args:
        server: The server.
    """
    return int((await server.stats())["operations"].get(_CREATE, 0))


@attrs.define
class Weather:
    """Outages, storms of 429s, and tokens that end.

    Attributes:
        server: The server.
        seed: Which weather.
        calm: Seconds between two changes by chance, about.
        outage: Seconds an outage by chance lasts, at least.
        refused: How many requests each outage has refused, at least.
    """

    server: SandboxProcess
    seed: int
    calm: float
    outage: float
    refused: list[int] = attrs.field(factory=list)
    _lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)

    async def by_chance(self) -> None:
        """Send outages and storms, end tokens and refuse creates until cancelled."""
        chance = random.Random(self.seed)
        while True:
            await asyncio.sleep(self.calm * chance.uniform(0.5, 1.5))
            match chance.randrange(5):
                case 0 | 1:
                    await self._outage(self.outage)
                case 2:
                    await self.server.expire_tokens()
                case 3:
                    await self.server.add_fault(Fault(FaultKind.STATUS, _CREATE, status=401))
                case _:
                    await self._outage(_STORM, 429)

    async def outage_after(self, creates: float, seconds: float, status: int | None = None) -> None:
        """Send an outage at a place in the file.

        Args:
            creates: How many creates are to have reached the server.
            seconds: How long it lasts; as often again as it takes until something was refused.
            status: What every request is answered; None resets the connection.
        """
        while await created(self.server) < creates:
            await asyncio.sleep(_LOOK)
        await self._outage(seconds, status)

    async def _outage(self, seconds: float, status: int | None = None) -> None:
        # One at a time: an outage that begins within another would end it.
        async with self._lock:
            await self._until_busy()
            await self.server.outage(seconds, status)
            before = await self.server.stats()
            await asyncio.sleep(seconds)
            while (refused := await self._refused_since(before)) <= 0:  # nothing was sent: it was killed, or waits
                await self.server.outage(seconds, status)
                await asyncio.sleep(seconds)
            self.refused.append(refused)

    async def _until_busy(self) -> None:
        """Wait until creates go out: an outage that nobody meets is none."""
        before = await created(self.server)
        while (now := await created(self.server)) <= before:
            before = now
            await asyncio.sleep(_LOOK)

    async def _refused_since(self, before: Mapping[str, Any]) -> int:
        """How many requests an outage has refused, at least: those being served when it began are answered."""
        after = await self.server.stats()
        return int(after["total"] - before["total"] - before["in_flight"])
