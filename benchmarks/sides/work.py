"""What every side is given and gives back."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from benchmarks.memory import peak

__all__ = ["Job", "Watch", "measured", "measured_sync", "peak_rss"]


@attrs.frozen(kw_only=True)
class Job:
    """What is to be done.

    Attributes:
        base_url: The server.
        records: How many records are measured.
        warm: How many go before, unmeasured.
        concurrency: Tasks at a time.
        patients: Patients the rows belong to, in turn.
        size: Page size of walks.
        seconds: How long workloads run that end by time.
        kind: Which record, for decoding.
        rate: Requests per second: what the server allows, or what a service does.
        chance: Share of creates that the server refuses by chance.
        side: The side's name.
        speed: Whether on uvloop with orjson.
    """

    base_url: str = ""
    records: int = 0
    warm: int = 0
    concurrency: int = 64
    patients: int = 100
    size: int = 20
    seconds: float = 0.0
    kind: str = ""
    rate: float = 0.0
    chance: float = 0.0
    side: str = ""
    speed: bool = False


class Watch:
    """Takes the processor time of this process, all threads, and the time on the wall."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def stop(self, records: int, *, least: int = 1) -> dict[str, float]:
        """Return what the records took.

        Args:
            records: How many were done.
            least: How many had to be: a walk may go on to the end of its page, nothing may stop short.
        """
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        if records < least:
            raise RuntimeError(f"{records} records done of {least}: what was measured is not the work")
        return {"records": records, "cpu_us": cpu / records * 1e6, "per_s": records / wall}


async def measured(job: Job, work: Callable[[int], Awaitable[int]]) -> dict[str, Any]:
    """Warm up, then measure.

    Args:
        job: How many records of each.
        work: Does so many records and returns how many it did.
    """
    if job.warm:
        await work(job.warm)
    watch = Watch()
    return watch.stop(await work(job.records), least=job.records)


def measured_sync(job: Job, work: Callable[[int], int]) -> dict[str, Any]:
    """Do as `measured` does, without a loop."""
    if job.warm:
        work(job.warm)
    watch = Watch()
    return watch.stop(work(job.records), least=job.records)


def peak_rss() -> float:
    """Return the most memory this process ever had, in MB."""
    return peak() / 1e6
