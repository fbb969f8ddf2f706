"""Request queue: requests leave in the order they came, when the rate controller lets them.

A thin shell around `RateController`: one deque of waiters, one timer for the next to go and one for the next whose
patience ends; no task, no lock. Everything that may let a waiter go (a timer, a returning request) ends in the same
pump, so a cancelled waiter cannot hold the others up.
"""

from __future__ import annotations

import asyncio
import contextlib
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
        self._deadlines: dict[asyncio.Future[int], float] = {}
        self._patience: asyncio.TimerHandle | None = None
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

    async def enter(self, deadline: float, *, ahead: bool = False) -> int:
        """Wait for the way to be clear.

        Args:
            deadline: The moment, on the clock, past which the server's throttling may not hold the request;
                infinity for no bound. The caller's own rate and concurrency are not bounded by it.
            ahead: Whether it goes before all that wait.

        Returns:
            Its ticket, to be given to `leave`.

        Raises:
            AdmissionTimeout: the throttling lasts longer than that.
        """
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self._over is not None:
            raise self._over()
        if ahead:
            self._waiters.appendleft(waiter)
        else:
            self._waiters.append(waiter)
        if self.on_wait is not None:
            self.on_wait()
        self._pump()
        try:
            if deadline < math.inf and not waiter.done():
                now = self._clock()
                paused = self.limiter.paused_for(now)
                if self.limiter.limited and (now + paused > deadline or now >= deadline):
                    raise AdmissionTimeout(max(paused, 1.0))
                self._deadlines[waiter] = deadline
                if self._patience is None or deadline < self._patience.when():
                    self._look_at(max(deadline, now))
            return await waiter
        except BaseException:
            self._give_up(waiter)
            raise
        finally:
            self._deadlines.pop(waiter, None)

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
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error())

    def close(self) -> None:
        """Stop the timers; waiters are their callers' to cancel."""
        self._stop_timer()
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _stop_timer(self) -> None:
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
            with contextlib.suppress(ValueError):  # the pump has passed over it
                self._waiters.remove(waiter)

    def _look_at(self, when: float) -> None:
        """Set the timer for the next whose patience ends."""
        if self._patience is not None:
            self._patience.cancel()
        self._patience = asyncio.get_running_loop().call_at(when, self._turn_away)

    def _turn_away(self) -> None:
        """Turn those away whose deadline is past; while nothing is limited they are looked at again each second."""
        self._patience = None
        now = self._clock()
        if self.limiter.limited:
            paused = self.limiter.paused_for(now)
            for waiter in [waiter for waiter, deadline in self._deadlines.items() if deadline <= now]:
                del self._deadlines[waiter]
                if not waiter.done():
                    self._waiters.remove(waiter)
                    waiter.set_exception(AdmissionTimeout(max(paused, 1.0)))
        if self._deadlines:
            earliest = min(self._deadlines.values())
            self._look_at(earliest if earliest > now else now + 1.0)

    def _pump(self) -> None:
        """Let out the requests that may go, and set the timer for the next."""
        self._stop_timer()
        now = self._clock()
        while self._waiters:
            wait = self.limiter.wait_time(now)
            if wait > 0.0:
                if wait < math.inf:
                    self._timer = asyncio.get_running_loop().call_later(wait, self._pump)
                return
            waiter = self._waiters.popleft()
            if not waiter.done():  # it may have been cancelled in this moment
                waiter.set_result(self.limiter.acquire(now))
