"""Orderly stop: work that is cancelled when a stop event is set."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


async def until_stopped(work: Coroutine[Any, Any, ResultT], *stops: asyncio.Event) -> ResultT | None:
    """Do some work, which is cancelled when a stop is asked for.

    Args:
        work: What to do.
        stops: Any of them asks for the stop.

    Returns:
        What it returned; None where it was cancelled so.

    Raises:
        Exception: whatever it raised.
    """
    doing = asyncio.create_task(work)
    tasks = [doing, *(asyncio.create_task(stop.wait()) for stop in stops)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return None if doing.cancelled() else doing.result()
