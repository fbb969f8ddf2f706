"""What goes wrong meanwhile: faults of every kind by chance, outages, tokens that end early.

Storms of 429 are not scripted: the server has a limit, and an import that starts runs into it with all it has.
"""

from __future__ import annotations

import asyncio
import random

from welkin_async.sandbox import Fault, FaultKind, SandboxProcess

LATE = 1.5  # seconds after which work lands whose connection was reset

_CREATE, _LIST, _FORMATION, _TOKEN = "cdts.create", "cdts.list", "formation_cdts.get", "auth.create_token"


def faults(stall: float) -> list[Fault]:
    """Faults by chance, for as long as the server runs.

    Args:
        stall: Seconds a stalled answer takes.
    """

    def chance(kind: FaultKind, share: float, operation: str = _CREATE, **more: object) -> Fault:
        return Fault(kind=kind, operation=operation, times=None, probability=share, **more)  # type: ignore[arg-type]

    return [
        chance(FaultKind.RESET_AFTER, 0.010),
        chance(FaultKind.RESET_BEFORE, 0.004),
        chance(FaultKind.RESET_LATE, 0.002, delay=LATE),
        chance(FaultKind.TRUNCATED, 0.005),
        chance(FaultKind.GARBAGE, 0.003),
        chance(FaultKind.EMPTY, 0.003),
        chance(FaultKind.STATUS, 0.002, status=500),
        chance(FaultKind.STATUS, 0.003, status=502, work_done=True),
        chance(FaultKind.STATUS, 0.001, status=504, work_done=True),
        chance(FaultKind.STATUS, 0.0005, status=503, retry_after=1),
        chance(FaultKind.STALL_AFTER, 0.0004, delay=stall),
        chance(FaultKind.STALL_BEFORE, 0.0004, delay=stall),
        chance(FaultKind.STATUS, 0.02, _LIST, status=503),
        chance(FaultKind.RESET_BEFORE, 0.02, _LIST),
        chance(FaultKind.TRUNCATED, 0.02, _LIST),
        chance(FaultKind.STATUS, 0.1, _FORMATION, status=500),
        chance(FaultKind.RESET_AFTER, 0.1, _FORMATION),
        chance(FaultKind.RESET_BEFORE, 0.03, _TOKEN),
        chance(FaultKind.STATUS, 0.03, _TOKEN, status=503),
        chance(FaultKind.STATUS, 0.05, "patients.get", status=500),
        chance(FaultKind.RESET_AFTER, 0.05, "patients.get"),
    ]


async def weather(server: SandboxProcess, seed: int, *, calm: float, outage: float) -> None:
    """Send outages, and let tokens end, until cancelled.

    Args:
        server: The server.
        seed: Which weather.
        calm: Seconds between two of them, about.
        outage: Seconds an outage lasts.
    """
    chance = random.Random(seed)
    while True:
        await asyncio.sleep(calm * chance.uniform(0.5, 1.5))
        if chance.random() < 0.5:
            await server.outage(outage)
        elif chance.random() < 0.5:
            await server.expire_tokens()
        else:
            await server.add_fault(Fault(kind=FaultKind.STATUS, operation=_CREATE, status=401))
