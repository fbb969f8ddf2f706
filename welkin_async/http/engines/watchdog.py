"""Watchdog: one timer for the deadlines of all exchanges, and it judges what has arrived.

Where the event loop was held up for longer than a timeout (a blocking call, a stopped process, a laptop's sleep), the
deadline has passed before the answer that lies in the socket could be read. So a task is cancelled only after the loop
has had a turn at its sockets: a late timer first grants a short grace, and the last look comes behind the tasks that
an arrived answer has woken.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

_LATE = 0.1  # seconds after which a timer shows that the loop was held up
_GRACE = 0.1  # seconds in which what lies in the sockets is read then
_LAST_LOOK = 0.001  # seconds in which the loop turns to its sockets once more


class Watchdog:
    """Cancels tasks that are past their deadline, as `asyncio.timeout` does.

    Args:
        loop: The event loop of the tasks.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: dict[asyncio.Task[Any], tuple[float, int]] = {}  # deadline, and cancellations before
        self._graced: dict[asyncio.Task[Any], float] = {}  # once for a deadline: a busy loop must end tasks too
        self._cancelled: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._wakes = math.inf

    def watch(self, task: asyncio.Task[Any], deadline: float) -> None:
        """Begin to watch a task, or give it another deadline.

        Args:
            task: A task that is in no other watched exchange.
            deadline: The moment, on the loop's clock, at which it is cancelled.
        """
        if task not in self._cancelled:
            self._watched[task] = (deadline, task.cancelling())
        if deadline < self._wakes:
            self._wake(deadline)

    def move(self, task: asyncio.Task[Any], deadline: float) -> None:
        """Give a task another deadline if it is still watched.

        Args:
            task: The task.
            deadline: The moment, on the loop's clock; infinity for none.
        """
        if task in self._watched:
            self.watch(task, deadline)

    def leave(self, task: asyncio.Task[Any]) -> bool:
        """Watch a task no longer.

        Returns:
            Whether it was cancelled here alone: then its `CancelledError` is a timeout.
        """
        _, cancelling = self._watched.pop(task)
        if self._graced:
            self._graced.pop(task, None)
        if task not in self._cancelled:
            return False
        self._cancelled.discard(task)
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
        """Find who is late, and set the timer for the next."""
        self.close()
        now = self._loop.time()
        earliest = math.inf
        late: dict[asyncio.Task[Any], float] = {}
        for task, (deadline, cancelling) in self._watched.items():
            if task in self._cancelled:
                continue
            if deadline <= now:
                if now - deadline < _LATE or self._graced.get(task) == deadline:
                    late[task] = deadline
                    continue
                deadline = self._graced[task] = now + _GRACE
                self._watched[task] = (deadline, cancelling)
            earliest = min(earliest, deadline)
        if late:
            # uvloop turns to its timers before its sockets, and to woken tasks after both.
            self._loop.call_later(_LAST_LOOK, self._loop.call_soon, self._cancel, late)
        if earliest < math.inf:
            self._wake(earliest)

    def _cancel(self, late: dict[asyncio.Task[Any], float]) -> None:
        """Cancel the tasks that are still late: those that an answer has woken have run by now."""
        for task, deadline in late.items():
            # Two looks within a millisecond may both have found it late.
            if task not in self._cancelled and task in self._watched and self._watched[task][0] == deadline:
                self._cancelled.add(task)
                task.cancel()
