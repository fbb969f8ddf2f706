"""Request queue: requests leave in the order they came, when the rate controller lets them.

A thin shell around `RateController`: one deque of waiters and one timer, no task, no lock. Everything that may let a
waiter go (a timer, a returning request) ends in the same pump, so a cancelled waiter cannot hold the others up.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

from welkin_async.http.rate_limit.controller import RateController


class AdmissionTimeout(Exception):  # noqa: N818 - not an error of the caller's: a signal to the transport
    """The server's throttling would hold a request back for longer than it may wait.

    Attributes:
        retry_after: Seconds until it is worth asking again.
    """

    def __init__(self, retry_after: float) -> None:
        super().__init__()
        self.retry_after = retry_after


class AdmissionQueue:
    """Admission queue: lets requests out one by one.

    Args:
        limiter: Decides when.
        clock: Returns monotonic seconds; the event loop's own clock, so that timers agree with it.

    Attributes:
        on_wait: Called when a request begins to wait; None for nothing.
    """

    def __init__(self, limiter: RateController, clock: Callable[[], float]) -> None:
        self.limiter = limiter
        self._clock = clock
        self._waiters: deque[asyncio.Future[int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._over: Callable[[], Exception] | None = None
        self.on_wait: Callable[[], None] | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiters)

    def try_enter(self, now: float) -> int:
        """Let a request out at once if no other waits and the controller agrees.

        Args:
            now: Monotonic seconds.

        Returns:
            Its ticket, or 0 where it must wait.
        """
        if self._waiters:
            return 0
        return self.limiter.try_acquire(now)

    async def enter(self, deadline: float) -> int:
        """Wait for the way to be clear.

        Args:
            deadline: The moment, on the clock, past which the server's throttling may not hold the request;
                infinity for no bound. The caller's own rate and concurrency are not bounded by it.

        Returns:
            Its ticket, to be given to `leave`.

        Raises:
            AdmissionTimeout: the throttling lasts longer than that.
        """
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self._over is not None:
            raise self._over()
        self._waiters.append(waiter)
        if self.on_wait is not None:
            self.on_wait()
        self._pump()
        try:
            while not waiter.done():
                now = self._clock()
                paused = self.limiter.paused_for(now)
                if self.limiter.limited and (now + paused > deadline or now >= deadline):
                    raise AdmissionTimeout(max(paused, 1.0))
                # Woken at the deadline to look again; where nothing is limited then, a look each second is enough.
                patience = None if deadline == math.inf else (deadline - now if deadline > now else 1.0)
                await asyncio.wait((waiter,), timeout=patience)
            return waiter.result()
        except BaseException:
            self._give_up(waiter)
            raise

    def leave(self, ticket: int) -> None:
        """Note that a request is back, and let the next one go."""
        self.limiter.release(ticket)
        if self._waiters:
            self._pump()

    def changed(self) -> None:
        """Note that the controller may let requests out that it held back before."""
        if self._waiters:
            self._pump()

    def end(self, error: Callable[[], Exception]) -> None:
        """Close the queue: requests that wait, or come later, get the error."""
        self._over = error
        self.close()
        while self._waiters:
            self._waiters.popleft().set_exception(error())

    def close(self) -> None:
        """Stop the timer; waiters are their callers' to cancel."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self, waiter: asyncio.Future[int]) -> None:
        """Withdraw a waiter; a place it was given in the same moment goes to the next."""
        if waiter.done() and not waiter.cancelled():
            if waiter.exception() is None:
                self.leave(waiter.result())
        else:
            waiter.cancel()
            self._waiters.remove(waiter)

    def _pump(self) -> None:
        """Let out the requests that may go, and set the timer for the next."""
        self.close()
        now = self._clock()
        while self._waiters:
            wait = self.limiter.wait_time(now)
            if wait > 0.0:
                if wait < math.inf:
                    self._timer = asyncio.get_running_loop().call_later(wait, self._pump)
                return
            waiter = self._waiters.popleft()
            waiter.set_result(self.limiter.acquire(now))
