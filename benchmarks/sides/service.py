"""A service that calls the API at a steady pace, beside a task that wants to run every ten milliseconds."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.sides.work import Job

__all__ = ["share_loop"]

_EVERY = 0.01  # seconds between two turns of the task
_SETTLING = 1.0  # seconds that do not count


async def share_loop(job: Job, call: Callable[[int], Awaitable[bool]]) -> dict[str, Any]:
    """Call at the job's rate while its seconds last, and measure how late the task's turns are.

    Args:
        job: How many calls a second, for how many seconds.
        call: Does the call with a number, and tells whether it was answered well.
    """
    loop = asyncio.get_running_loop()
    clock = time.perf_counter  # uvloop's own counts whole milliseconds
    began = clock()
    end = began + _SETTLING + job.seconds
    late: list[float] = []
    cpu = 0.0

    async def turns() -> None:
        nonlocal cpu
        due = began
        while due < end:
            due += _EVERY
            await asyncio.sleep(due - clock())
            if due >= began + _SETTLING:
                cpu = cpu or time.process_time()
                late.append(clock() - due)

    async def calls() -> int:
        number = good = 0
        tasks: set[asyncio.Task[bool]] = set()

        async def one(number: int) -> bool:
            return await call(number)

        def count(task: asyncio.Task[bool]) -> None:
            nonlocal good
            tasks.discard(task)
            good += task.result()

        while (now := clock()) < end:
            while began + number / job.rate <= now:
                task = loop.create_task(one(number))
                tasks.add(task)
                task.add_done_callback(count)
                number += 1
            await asyncio.sleep(began + number / job.rate - clock())
        while tasks:
            await asyncio.wait(tasks)
        if good != number:
            raise RuntimeError(f"{good} of {number} calls were answered well")
        return number

    done, _ = await asyncio.gather(calls(), turns())
    cpu = time.process_time() - cpu
    measured = done * job.seconds / (_SETTLING + job.seconds)
    percentiles = statistics.quantiles(late, n=100)
    return {
        "late_p50_ms": percentiles[49] * 1e3,
        "late_p99_ms": percentiles[98] * 1e3,
        "late_most_ms": max(late) * 1e3,
        "cpu_us": cpu / measured * 1e6,
    }
