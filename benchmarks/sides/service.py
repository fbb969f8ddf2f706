"""A service that calls the API at a steady pace, beside a task that wants to run every ten milliseconds."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from benchmarks.sides.work import Job

__all__ = ["share_loop"]

_EVERY = 0.01  # seconds between two turns of the task
_SETTLING = 1.0  # seconds that do not count


@contextlib.contextmanager
def _timer(first: float, every: float) -> Iterator[int]:
    """Make a timer of the kernel (Linux), as a descriptor that can be read each time it is due.

    An event loop's own timers are of whole milliseconds, too coarse to tell most clients apart.

    Args:
        first: The moment it is due first, on the clock of `time.perf_counter`.
        every: Seconds between two such moments.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK)
    parts = [part for moment in (every, first) for part in divmod(round(moment * 1e9), 1_000_000_000)]
    if descriptor < 0 or libc.timerfd_settime(descriptor, 1, (ctypes.c_long * 4)(*parts), None):
        raise OSError(ctypes.get_errno(), "no timer")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def _moments(began: float, end: float) -> AsyncIterator[float]:
    """Give each moment at which the task was to have a turn, as soon as the loop lets it have one."""
    loop = asyncio.get_running_loop()
    due = began
    with _timer(began + _EVERY, _EVERY) as descriptor:
        while due < end:
            turn: asyncio.Future[None] = loop.create_future()
            loop.add_reader(descriptor, turn.set_result, None)
            await turn
            loop.remove_reader(descriptor)
            for _ in range(int.from_bytes(os.read(descriptor, 8), "little")):
                due += _EVERY
                yield due


async def share_loop(job: Job, call: Callable[[int], Awaitable[bool]]) -> dict[str, Any]:
    """Call at the job's rate while its seconds last, and measure how late the task's turns are.

    Args:
        job: How many calls a second, for how many seconds.
        call: Does the call with a number, and tells whether it was answered well.
    """
    loop = asyncio.get_running_loop()
    clock = time.perf_counter
    began = clock()
    end = began + _SETTLING + job.seconds
    late: list[float] = []
    cpu = 0.0

    async def turns() -> None:
        nonlocal cpu
        async for due in _moments(began, end):
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
