"""Progress reporter: snapshots of a running import, for a progress line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from welkin_async.bulk.results import Progress

_EVERY = 0.25  # seconds
_WAITING = 1.0  # seconds, while no row gets its outcome


class ProgressReporter:
    """Progress reporter: hands out a snapshot about four times a second, once a second while no row gets its outcome.

    Args:
        listener: Is called with each.
        snapshot: Makes one.
        failed: Called where the listener raised; it is called no more then.
    """

    def __init__(
        self,
        listener: Callable[[Progress], None],
        snapshot: Callable[[], Progress],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._listener: Callable[[Progress], None] | None = listener
        self._snapshot = snapshot
        self._failed = failed
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, on the running loop."""
        self._next = time.monotonic() + _EVERY
        self._tick()

    def stop(self) -> None:
        """End the timer; `report` still works."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def on_outcome(self) -> None:
        """Note that a row has its outcome."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY
            self.report()

    def report(self) -> None:
        """Hand out a snapshot; a listener that fails costs no row its outcome."""
        if self._listener is not None:
            try:
                self._listener(self._snapshot())
            except Exception as error:
                self._listener = None
                self._failed(error)

    def _tick(self) -> None:
        """Hand out a snapshot where none was for a while: in a pause, say, or before the final scan."""
        now = time.monotonic()
        due = self._next - _EVERY + _WAITING
        if now >= due:
            self._next, due = now + _EVERY, now + _WAITING
            self.report()
        self._timer = asyncio.get_running_loop().call_later(due - now, self._tick)
