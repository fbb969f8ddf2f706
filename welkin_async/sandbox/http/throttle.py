"""Throttle: a rate limit by a fixed one-second window, or a token bucket when a burst is given.

The real limit is not known; 429 is in the documented table of statuses, and no recorded answer has Retry-After.
"""

from __future__ import annotations

import math
import time
from email.utils import formatdate
from typing import Literal

import attrs

from welkin_async.sandbox.http.errors import ApiError
from welkin_async.sandbox.site import Clock

RetryAfter = Literal["seconds", "date", "none"]


@attrs.define
class Throttle:
    """Throttle: admits requests at a rate and refuses the others with 429.

    Attributes:
        clock: Time source.
        rate: Requests per second; None admits everything.
        burst: Size of the token bucket; None selects a fixed window of one second (of 1/rate when rate is below 1).
        retry_after: Form of the Retry-After header: whole seconds rounded up, an HTTP date, or no header.
        refused: Requests answered 429 so far.
    """

    clock: Clock
    rate: float | None = None
    burst: float | None = None
    retry_after: RetryAfter = "seconds"
    refused: int = 0
    _window_end: float = 0.0
    _left: float = 0.0
    _filled: float | None = None

    def __attrs_post_init__(self) -> None:
        if self.rate is not None and self.rate <= 0:
            raise ValueError("rate must be positive")
        if self.burst is not None and self.burst < 1:
            raise ValueError("burst must be at least 1")

    def admit(self) -> None:
        """Count one request.

        Raises:
            ApiError: 429, the request is over the limit.
        """
        if self.rate is None:
            return
        now = self.clock.monotonic()
        wait = self._window(now, self.rate) if self.burst is None else self._bucket(now, self.rate, self.burst)
        if wait <= 0:
            return
        self.refused += 1
        raise ApiError.of_status(429, "Too many requests", self._headers(wait))

    def _window(self, now: float, rate: float) -> float:
        if now >= self._window_end:
            self._window_end = now + max(1.0, 1.0 / rate)
            self._left = max(1, math.floor(rate))
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return self._window_end - now

    def _bucket(self, now: float, rate: float, burst: float) -> float:
        gained = math.inf if self._filled is None else (now - self._filled) * rate
        self._left = min(burst, self._left + gained)
        self._filled = now
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / rate

    def _headers(self, wait: float) -> dict[str, str]:
        if self.retry_after == "none":
            return {}
        if self.retry_after == "date":
            # By the machine's clock, as the answer's Date header is.
            return {"Retry-After": formatdate(math.ceil(time.time() + wait), usegmt=True)}
        return {"Retry-After": str(math.ceil(wait))}
