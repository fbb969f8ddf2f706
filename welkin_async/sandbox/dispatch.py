"""A request's way through the server: outage, route, token, rate, fault, work, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import attrs
from aiohttp import web

from .delivery import deliver, reset, stream, truncate
from .errors import ApiError, unauthorized
from .faults import Fault, FaultKind, Faults
from .routing import Match, Routes
from .site import Clock
from .stats import LoggedRequest, Stats
from .throttle import Throttle
from .tokens import TOKEN_OPERATION, Tokens
from .uploads import is_multipart, read_parts
from .wire import Answer, Call, error_answer

__all__ = ["Dispatcher", "Dropped"]

_GARBAGE = b"<html><head><title>Gateway</title></head><body><h1>It works!</h1></body></html>"
_HTML = {"Content-Type": "text/html"}


class Dropped(Exception):  # noqa: N818 - not an error: the way a connection ends without an answer
    """The connection is to be reset, or cut after half of `answer`.

    Args:
        answer: What to send half of; None sends nothing.
    """

    def __init__(self, answer: Answer | None = None) -> None:
        super().__init__()
        self.answer = answer


@attrs.define
class Dispatcher:
    """Serves every route of the API.

    Attributes:
        clock: Time source.
        routes: The routing table.
        tokens: Checks every use of a token.
        throttle: The rate limit; all routes but the token call count.
        faults: The script of faults.
        stats: Where requests are counted.
        latency: Seconds every request waits before its work is done.
        outage_until: Monotonic second of the clock until which no request is served.
        outage_status: Status answered in an outage; None resets the connection.
    """

    clock: Clock
    routes: Routes
    tokens: Tokens
    throttle: Throttle
    faults: Faults
    stats: Stats
    latency: float = 0.0
    outage_until: float = 0.0
    outage_status: int | None = None
    _late: dict[asyncio.TimerHandle, Callable[[], Answer]] = attrs.field(factory=dict, repr=False)
    _landed: asyncio.Event = attrs.field(factory=asyncio.Event, repr=False)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or break its connection.

        Args:
            request: As aiohttp read it.
        """
        target = request.raw_path
        if not target.startswith("/"):
            # The absolute form, which a client sends to a proxy: scheme, host, then the path.
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("?")
        entry = self.stats.arrive(request.method, path, query, self.clock.monotonic())
        status = 0
        try:
            answer = await self._answer(request, entry, path, query)
            status = answer.status
            return deliver(answer) if answer.file is None else await stream(request, answer)
        except Dropped as dropped:
            return reset(request) if dropped.answer is None else await truncate(request, dropped.answer)
        except (ConnectionError, web.RequestPayloadError):
            # The client left while its body was being read: nobody is there to be answered.
            return web.Response()
        finally:
            self.stats.leave(entry, status)

    async def _answer(self, request: web.BaseRequest, entry: LoggedRequest, path: str, query: str) -> Answer:
        try:
            match, missing = self.routes.find(request.method, path), None
            entry.operation = match.operation
        except ApiError as error:
            match, missing = None, error
        # All of the body first: a client that was still sending would see another error than one that waits.
        call = Call(path, query, b"", request.headers.get("Content-Type", ""))
        if match is not None and match.multipart and is_multipart(call.content_type):
            call.parts = await read_parts(request)
        else:
            call.body = await request.content.read()
        if entry.operation == TOKEN_OPERATION:
            self.stats.token_requests += 1
        try:
            self._check_outage()
            if entry.operation != TOKEN_OPERATION:
                self.tokens.check(request.headers.get("Authorization"))
                self.throttle.admit()
            if match is None:
                raise missing or ApiError.of_status(404)
        except ApiError as error:
            return error_answer(error, self.clock.stamp())
        fault = self.faults.meet(match.operation) if self.faults else None
        if self.latency:
            await asyncio.sleep(self.latency)
        if fault is None:
            return self._perform(match, call)
        return await self._meet(fault, partial(self._perform, match, call))

    def _check_outage(self) -> None:
        if self.clock.monotonic() < self.outage_until:
            if self.outage_status is None:
                raise Dropped
            raise ApiError.of_status(self.outage_status)

    def _perform(self, match: Match, call: Call) -> Answer:
        try:
            answer = match.handler(call, *match.arguments)
        except ApiError as error:
            return error_answer(error, self.clock.stamp())
        self.stats.performed[match.operation] += 1
        return answer

    async def _meet(self, fault: Fault, work: Callable[[], Answer]) -> Answer:
        match fault.kind:
            case FaultKind.STATUS:
                if fault.work_done:
                    work()
                return self._status(fault)
            case FaultKind.RESET_BEFORE:
                raise Dropped
            case FaultKind.RESET_AFTER:
                work()
                raise Dropped
            case FaultKind.RESET_LATE:
                self._postpone(fault.delay, work)
                raise Dropped
            case FaultKind.STALL_BEFORE:
                await asyncio.sleep(fault.delay)
                return work()
            case FaultKind.STALL_AFTER:
                answer = work()
                await asyncio.sleep(fault.delay)
                return answer
            case FaultKind.TRUNCATED:
                raise Dropped(work())
            case FaultKind.GARBAGE:
                return Answer(work().status, _GARBAGE, _HTML)
            case FaultKind.EMPTY:
                return Answer(work().status, b"", {})

    def _status(self, fault: Fault) -> Answer:
        # A client may look at the code of a 401 before it asks for another token.
        expired = unauthorized("TOKEN_EXPIRED", "The token has expired")
        error = expired if fault.status == 401 else ApiError.of_status(fault.status)
        usual = error_answer(error, self.clock.stamp())
        headers = {**usual.headers, **fault.headers}
        if fault.retry_after is not None:
            headers["Retry-After"] = str(fault.retry_after)
        return Answer(fault.status, usual.body if fault.body is None else fault.body, headers)

    def _postpone(self, delay: float, work: Callable[[], Answer]) -> None:
        def land() -> None:
            del self._late[handle]
            try:
                work()
            finally:
                if not self._late:
                    self._landed.set()

        # A timer rather than a task: it outlives the handler, and cancelling it leaves nothing pending.
        handle = asyncio.get_running_loop().call_later(delay, land)
        self._late[handle] = work
        self._landed.clear()

    @property
    def late(self) -> int:
        """Works that were cut off and are still to land."""
        return len(self._late)

    async def settle(self) -> None:
        """Wait until all late work has landed."""
        while self._late:
            await self._landed.wait()

    def abandon(self) -> None:
        """Drop late work that has not landed: the state it would land in is going away."""
        for handle in self._late:
            handle.cancel()
        self._late.clear()
        self._landed.set()
