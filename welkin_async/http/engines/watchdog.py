"""Watchdog: one timer for the deadlines of all exchanges, and it judges what has arrived.

Where the event loop was held up for longer than a timeout (a blocking call, a stopped process, a laptop's sleep), the
deadline has passed before the answer that lies in the socket could be read. So an exchange is ended only after the loop
has had a turn at its sockets: a late timer first grants a short grace, and the last look comes behind the tasks that
an arrived answer has woken.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_LATE = 0.1  # seconds after which a timer shows that the loop was held up
_GRACE = 0.1  # seconds in which what lies in the sockets is read then
_LAST_LOOK = 0.001  # seconds in which the loop turns to its sockets once more


class Watchdog(Generic[K]):
    """Watchdog: ends what is past its deadline.

    Args:
        loop: The event loop.
        end: Ends one; called once for each, which is watched no longer then.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, end: Callable[[K], None]) -> None:
        self._loop, self._end = loop, end
        self._watched: dict[K, float] = {}
        self._graced: dict[K, float] = {}  # once for a deadline: a busy loop must end exchanges too
        self._timer: asyncio.TimerHandle | None = None
        self._wakes = math.inf

    def watch(self, key: K, deadline: float) -> None:
        """Begin to watch, or set another deadline.

        Args:
            key: What is watched.
            deadline: The moment, on the loop's clock, at which it is ended; infinity for none.
        """
        self._watched[key] = deadline
        if deadline < self._wakes:
            self._wake(deadline)

    def move(self, key: K, deadline: float) -> None:
        """Set another deadline for what is still watched; arguments as for `watch`."""
        if key in self._watched:
            self.watch(key, deadline)

    def leave(self, key: K) -> None:
        """Watch it no longer."""
        self._watched.pop(key, None)
        if self._graced:
            self._graced.pop(key, None)

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
        late: dict[K, float] = {}
        for key, deadline in self._watched.items():
            if deadline <= now:
                if now - deadline < _LATE or self._graced.get(key) == deadline:
                    late[key] = deadline
                    continue
                deadline = self._graced[key] = now + _GRACE
                self._watched[key] = deadline
            earliest = min(earliest, deadline)
        if late:
            # uvloop turns to its timers before its sockets, and to woken tasks after both.
            self._loop.call_later(_LAST_LOOK, self._loop.call_soon, self._end_late, late)
        if earliest < math.inf:
            self._wake(earliest)

    def _end_late(self, late: dict[K, float]) -> None:
        """End what is still late: the tasks that an answer has woken have run by now."""
        for key, deadline in late.items():
            if self._watched.get(key) == deadline:
                self.leave(key)
                self._end(key)


class TaskWatchdog(Watchdog[asyncio.Task[Any]]):
    """Task watchdog: cancels tasks that are past their deadline, as `asyncio.timeout` does.

    Args:
        loop: The event loop of the tasks.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, self._cancel)
        self._before: dict[asyncio.Task[Any], int] = {}  # cancellations that were there already
        self._cancelled: set[asyncio.Task[Any]] = set()

    def watch(self, key: asyncio.Task[Any], deadline: float) -> None:
        """Begin to watch a task that is in no other watched exchange, or set another deadline; see `Watchdog.watch`."""
        if key not in self._cancelled:
            self._before[key] = key.cancelling()
            self._watched[key] = deadline  # as the base does: `super()` costs more than what it does
            if deadline < self._wakes:
                self._wake(deadline)

    def was_late(self, task: asyncio.Task[Any]) -> bool:
        """Watch a task no longer.

        Args:
            task: A task that was watched.

        Returns:
            Whether it was cancelled here alone: then its `CancelledError` is a timeout.
        """
        self.leave(task)
        before = self._before.pop(task)
        if task not in self._cancelled:
            return False
        self._cancelled.discard(task)
        return task.uncancel() <= before

    def _cancel(self, task: asyncio.Task[Any]) -> None:
        self._cancelled.add(task)
        task.cancel()
