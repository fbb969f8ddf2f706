"""Share pacer: keeps a session within its share of what all processes may send together.

No request waits for the store but the first after a while without any: while a session sends it reports what it sent
every 200 ms and gets its share, by a task of its own. One that is idle does not report, and one that the store knows to
be alone reports less often, as long as nothing is refused and its share suffices: a report costs as much as several
requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
from collections.abc import Callable

from welkin_async.http.rate_limit.queue import AdmissionQueue
from welkin_async.http.sharing import REPORT_INTERVAL, PaceReport, PaceShare, SharedPace

_log = logging.getLogger("welkin_async")

_IDLE = 1.0  # seconds without a request after which a session gives its share back
_LEAVING = 1.0  # seconds for which a session that closes waits for a store that does not answer
_HALF_LIFE = 60.0  # seconds in which a share shrinks by half while the store does not answer
_ALONE = 0.125  # of the rate that all were told: what a session takes that has never reached the store


def remaining(share: PaceShare, rate: float | None, silent: float) -> float | None:
    """Return how much of a share is left while the store does not answer.

    Args:
        share: The last one.
        rate: Requests per second that all may send, as the session was told; None for no bound.
        silent: Seconds since the share was asked for.

    Returns:
        Requests per second; None for no bound.
    """
    if share.rate is None:
        return None
    least = share.rate if rate is None else max(share.rate, _ALONE * rate * (silent > share.lasts))
    return least * math.exp2(-max(0.0, silent - share.lasts) / _HALF_LIFE)


class SharePacer:
    """Share pacer of one session. A thin shell: what a share is, the store's side decides.

    Args:
        pace: Divides among sessions what all may send.
        key: Names what the pace is for.
        queue: Lets requests out; its controller is told the share.
        rate: Requests per second that all may send together; None for no bound but what the server sets.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self, pace: SharedPace, key: str, queue: AdmissionQueue, *, rate: float | None, clock: Callable[[], float]
    ) -> None:
        self._pace = pace
        self._key = key
        self._queue = queue
        self._limiter = queue.limiter
        self._rate = rate
        self._clock = clock
        self._member = secrets.token_hex(8)
        self._share = PaceShare(None if rate is None else _ALONE * rate, 0.0)
        self._asked_at = clock()
        self._reported = (0, 0, 0)
        self._waited = False  # whether requests waited at the last report
        self._unreachable = False
        self._task: asyncio.Task[None] | None = None
        self._limiter.limit(0.0, self._asked_at)
        queue.on_wait = self._begin

    async def aclose(self) -> None:
        """Stop, and give the share back."""
        self._queue.on_wait = None
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
            if not self._unreachable:
                with contextlib.suppress(TimeoutError):  # the share runs out by itself meanwhile
                    async with asyncio.timeout(_LEAVING):
                        await self._report(leaving=True)

    def _begin(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="welkin_async share of the pace")

    async def _run(self) -> None:
        last, sent = self._clock(), self._limiter.sent
        due = last
        while True:
            began = self._clock()
            if self._limiter.sent != sent or self._queue.waiting:
                last, sent = began, self._limiter.sent
            if began - last > _IDLE:
                break
            pause = REPORT_INTERVAL
            if began >= due or self._presses(began):
                await self._report()
                pause = min(pause, self._share.every)
                due = began + self._share.every - pause / 2.0  # whichever look is next to it
            await asyncio.sleep(max(0.0, began + pause - self._clock()))
        self._limiter.limit(0.0, self._clock())  # the next request asks again
        await self._report(leaving=True)
        self._task = None
        if self._queue.waiting:
            self._begin()

    def _presses(self, now: float) -> bool:
        """Tell whether something is to be reported before the next report is due."""
        limiter, share = self._limiter, self._share.rate
        if self._unreachable or limiter.throttled != self._reported[2] or limiter.paused_for(now) > 0.0:
            return True
        more = share is not None and (self._rate is None or share < self._rate)  # may be had, if it is asked for
        return more and self._queue.waiting > 0 and not self._waited

    async def _report(self, *, leaving: bool = False) -> None:
        """Report what was sent, and take the share."""
        now, counts = self._clock(), self._limiter.snapshot(self._clock())
        total = self._limiter.sent, counts.accepted, self._limiter.throttled
        sent, accepted, refused = (new - old for new, old in zip(total, self._reported, strict=True))
        report = PaceReport(
            member=self._member,
            seconds=now - self._asked_at,
            sent=sent,
            waiting=self._queue.waiting,
            accepted=accepted,
            refused=refused,
            rate=self._rate,
            paused=counts.paused_for > 0.0,
            leaving=leaving,
        )
        held: float | None
        try:
            self._share = await self._pace.report(self._key, report)
        except Exception as error:  # whatever it is: requests must not wait for a store for ever
            if not self._unreachable:
                self._unreachable = True
                _log.warning("the shared pace cannot be had (%s); going on with the last share", type(error).__name__)
            held = remaining(self._share, self._rate, self._clock() - self._asked_at)
        else:
            self._asked_at, self._reported, self._unreachable = now, total, False
            self._waited = report.waiting > 0
            held = self._share.rate
        if not leaving:
            self._limiter.limit(held, self._clock())
            self._queue.changed()
