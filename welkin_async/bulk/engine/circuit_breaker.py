"""Circuit breaker: an outage pauses an import instead of failing its rows.

When so many requests in a row went without an answer, nothing more is sent. A harmless read is tried now and then; once
it is answered one row goes ahead, and its answer sets the others going. `CircuitBreaker` decides, `ServerGuard` waits
and reads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import Enum

from welkin_async.bulk.reconciliation.lookup import is_silence
from welkin_async.errors import RequestError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0  # seconds between two tries at the server


class CircuitState(Enum):
    """State of a circuit breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class CircuitBreaker:
    """Counts requests without an answer. Pure.

    Args:
        threshold: How many of them in a row make an outage.

    Attributes:
        state: How the server is thought to be.
        ever_answered: Whether it ever gave an answer.
        untroubled: Whether the last request was answered, so that another answer changes nothing.
    """

    def __init__(self, threshold: int) -> None:
        self._threshold = threshold
        self._silent = 0
        self.state = CircuitState.CLOSED
        self.ever_answered = False
        self.untroubled = False

    def answered(self) -> None:
        """Note an answer, whatever it says: the server is there."""
        self._silent = 0
        self.state = CircuitState.CLOSED
        self.ever_answered = self.untroubled = True

    def silent(self) -> bool:
        """Note a request without an answer.

        Returns:
            Whether the server has just come to be thought down.
        """
        self._silent += 1
        self.untroubled = False
        was = self.state
        if was is CircuitState.HALF_OPEN or self._silent >= self._threshold:
            self.state = CircuitState.OPEN
        return self.state is CircuitState.OPEN and was is not CircuitState.OPEN

    def try_one(self) -> None:
        """Note that a read was answered: one row may go ahead."""
        if self.state is CircuitState.OPEN:
            self.state = CircuitState.HALF_OPEN


class ServerGuard:
    """Holds workers back while the server is down.

    Args:
        read: A harmless read; raises `RequestError` while the server is down.
        threshold: How many requests without an answer make an outage.

    Attributes:
        seconds: How long the import has been paused in all.
        count: How many outages there were.
    """

    def __init__(self, read: Callable[[], Awaitable[object]], *, threshold: int) -> None:
        self._read = read
        self.breaker = CircuitBreaker(threshold)
        self._way = asyncio.Event()
        self._way.set()
        self._trial_taken = False
        self._tried = 0.0  # when a row was last let go ahead
        self._task: asyncio.Task[None] | None = None
        self._since = 0.0
        self._answers = 0
        self._answers_seen: int | None = None  # by the last read that failed
        self.seconds = 0.0
        self.count = 0

    @property
    def held(self) -> bool:
        """Whether workers must wait."""
        return self.breaker.state is not CircuitState.CLOSED

    @property
    def down_for(self) -> float | None:
        """Seconds since which the server is down; None where it is not."""
        return time.monotonic() - self._since if self.held else None

    async def wait(self) -> None:
        """Wait until the server is up, or until it is this caller's turn to try."""
        while self.breaker.state is not CircuitState.CLOSED:
            if self.breaker.state is CircuitState.HALF_OPEN and not self._trial_taken:
                self._trial_taken = True
                return
            self._way.clear()
            await self._way.wait()

    def answered(self) -> None:
        """Note that a row was answered."""
        self._answers += 1
        if self.breaker.untroubled:
            return
        if self.breaker.state is not CircuitState.CLOSED:
            self.seconds += time.monotonic() - self._since
            self._way.set()
        self.breaker.answered()

    def silent(self) -> None:
        """Note that a row went without an answer."""
        began = not self.held
        if self.breaker.silent():
            if began:  # not where the one row that went ahead has failed: that is the same outage
                self._since = time.monotonic()
                self.count += 1
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._probe(), name="welkin_async bulk outage")

    async def down(self) -> bool:
        """Tell a server that is down from one that does not answer a certain request: try a read.

        Where nothing was ever answered the address is wrong rather than the server down, and where rows are answered
        all the time it is the read that is not.
        """
        try:
            await self._read()
        except RequestError as error:
            if not is_silence(error) or not self.breaker.ever_answered:
                return False
            before, self._answers_seen = self._answers_seen, self._answers
            return self.held or before in (None, self._answers)
        self.reached()
        return False

    async def is_there(self) -> bool:
        """Tell whether the server answers a read."""
        try:
            await self._read()
        except RequestError:
            return False
        self.reached()
        return True

    def reached(self) -> None:
        """Note that something other than a row was answered: the address is right, and one row may go ahead.

        Not with every answer, because reads may be answered all the time in which rows are not.
        """
        self.breaker.ever_answered = True
        self._answers_seen = None
        if self.breaker.state is CircuitState.OPEN and time.monotonic() - self._tried >= _FIRST_PAUSE:
            self._try_one()

    async def aclose(self) -> None:
        """Stop trying."""
        if self.held:
            self.seconds += time.monotonic() - self._since
        self._way.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _probe(self) -> None:
        pause = _FIRST_PAUSE
        while self.breaker.state is not CircuitState.CLOSED:
            await asyncio.sleep(pause)
            pause = min(pause * 2.0, _LONGEST_PAUSE)
            if self.breaker.state is not CircuitState.OPEN:
                if not self._trial_taken:
                    self._way.set()  # a worker may have come to wait since
                continue
            try:
                await self._read()
            except RequestError as error:
                if is_silence(error):
                    continue
            except Exception:  # noqa: S110 - the row that goes ahead meets the same, and ends the import with it
                pass
            self._try_one()
            pause = _FIRST_PAUSE

    def _try_one(self) -> None:
        """Let one row go ahead."""
        if self.breaker.state is CircuitState.OPEN:
            self._tried = time.monotonic()
            self._trial_taken = False
            self.breaker.try_one()
            self._way.set()
