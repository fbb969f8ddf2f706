"""Ends what lasts too long: one timer for all exchanges, however many are out.

A timer for each exchange has to be made and cancelled every time, though it hardly ever goes off. Here an exchange
leaves its deadline in a mapping, and the one timer is set for the earliest of them: with a timeout of 30 seconds it
wakes about twice a minute.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

__all__ = ["Watchdog"]


class Watchdog:
    """Cancels tasks that are past their deadline, as `asyncio.timeout` does.

    Args:
        loop: The event loop of the tasks.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: dict[asyncio.Task[Any], tuple[float, int]] = {}
        self._bitten: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._wakes = math.inf

    def watch(self, task: asyncio.Task[Any], deadline: float) -> None:
        """Begin to watch a task, or give it another deadline.

        Args:
            task: A task that is in no other watched exchange.
            deadline: The moment, on the loop's clock, at which it is cancelled.
        """
        self._watched[task] = (deadline, task.cancelling())
        if deadline < self._wakes:
            self._wake(deadline)

    def leave(self, task: asyncio.Task[Any]) -> bool:
        """Watch a task no longer.

        Returns:
            Whether it was cancelled here, and by nobody else: then its `CancelledError` is a timeout.
        """
        _, cancelling = self._watched.pop(task)
        if task not in self._bitten:
            return False
        self._bitten.discard(task)
        return task.uncancel() <= cancelling

    def close(self) -> None:
        """Stop the timer; nothing is watched any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wakes = math.inf

    def _wake(self, when: float) -> None:
        self.close()
        self._wakes = when
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        """Cancel whoever is late, and set the timer for the next."""
        self.close()
        now = self._loop.time()
        earliest = math.inf
        for task, (deadline, _) in self._watched.items():
            if task in self._bitten:
                continue
            if deadline <= now:
                self._bitten.add(task)
                task.cancel()
            else:
                earliest = min(earliest, deadline)
        if earliest < math.inf:
            self._wake(earliest)
