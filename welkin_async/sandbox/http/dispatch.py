"""Dispatcher: what is done with a request, from outage, token and rate limit to fault, work and answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from itertools import count

import attrs
from aiohttp import web

from welkin_async.sandbox.faults import Fault, FaultKind, Faults
from welkin_async.sandbox.http.errors import ApiError, unauthorized
from welkin_async.sandbox.http.messages import Answer, Call, Stray, error_answer, ok
from welkin_async.sandbox.http.multipart import is_multipart, read_parts
from welkin_async.sandbox.http.responses import deliver, deliver_with_stray, reset, stream, truncate
from welkin_async.sandbox.http.routing import Found, Routes
from welkin_async.sandbox.http.throttle import Throttle
from welkin_async.sandbox.http.tokens import TOKEN_OPERATION, Tokens
from welkin_async.sandbox.site import Site
from welkin_async.sandbox.stats import Stats

_HTML = {"Content-Type": "text/html"}


class ConnectionDropped(Exception):  # noqa: N818 - not an error: the way a connection ends without an answer
    """Signal that the connection is to be reset, or cut after half of `answer`.

    Args:
        answer: What to send half of; None sends nothing.
    """

    def __init__(self, answer: Answer | None = None) -> None:
        super().__init__()
        self.answer = answer


def _page(text: str) -> bytes:
    return f"<html><head><title>Gateway</title></head><body><h1>{text}</h1></body></html>".encode()


def _no_resource() -> ApiError:
    return ApiError.of_status(404, "No such resource")


@attrs.define
class Dispatcher:
    """Dispatcher: serves every operation of the API.

    Attributes:
        site: Clock, and the names of tenant and instance: any other is a path that does not exist.
        routes: The operations, by their paths.
        tokens: Checks every use of a token.
        throttle: The rate limit; all routes but the token call count.
        faults: The script of faults.
        stats: Where requests are counted.
        latency: Seconds every request waits before its work is done.
        skew: Seconds by which the clock of one of the backends is ahead; negative when it is behind.
        skew_every: That backend does each `skew_every`-th work.
        outage_until: Monotonic second of the clock until which no request is served.
        outage_status: Status answered in an outage; None resets the connection.
    """

    site: Site
    routes: Routes
    tokens: Tokens
    throttle: Throttle
    faults: Faults
    stats: Stats
    latency: float = 0.0
    skew: float = 0.0
    skew_every: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    outage_until: float = 0.0
    outage_status: int | None = None
    _works: Iterator[int] = attrs.field(factory=lambda: count(1), repr=False)  # not a number: each change is validated
    _unrouted: set[tuple[str, str]] = attrs.field(factory=set, repr=False)
    _late: dict[asyncio.TimerHandle, Callable[[], Answer]] = attrs.field(factory=dict, repr=False)
    _landed: asyncio.Event = attrs.field(factory=asyncio.Event, repr=False)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request for an operation, or for none, or break its connection.

        Args:
            request: As it came.
        """
        url = request.rel_url
        path, query = url.raw_path, url.raw_query_string
        entry = self.stats.arrive(request.method, path, query, self.site.clock.monotonic())
        target = self._target(request.method, url.path_safe)
        if isinstance(target, Found):
            entry.operation = target.operation.id
        status = 0
        try:
            call = Call(path, query, content_type=request.headers.get("Content-Type", ""))
            answer = await self._answer(request, call, target)
            status = answer.status
            if answer.stray is not None:
                return await deliver_with_stray(request, answer, answer.stray)
            return deliver(request, answer) if answer.file is None else await stream(request, answer)
        except ConnectionDropped as dropped:
            return reset(request) if dropped.answer is None else await truncate(request, dropped.answer)
        except (ConnectionError, web.RequestPayloadError):
            # The client left while its body was being read: there is no one to answer.
            return web.Response()
        finally:
            self.stats.leave(entry, status)

    def _target(self, method: str, path: str) -> Found | ApiError:
        """What is asked for: an operation with its parameters but tenant and instance, or the error to answer."""
        found = self.routes.find(method, path)
        if not isinstance(found, Found):
            allowed = {"Allow": ", ".join(sorted(found))}
            return ApiError.of_status(405, f"{method} is not supported here", allowed) if found else _no_resource()
        site, scoped = self.site, found.operation.path.startswith("/{tenant}/{instance}/")
        tenant, *rest = found.parameters
        if tenant != site.tenant or (scoped and rest.pop(0) != site.instance):
            return _no_resource()
        return Found(found.operation, rest)

    async def _answer(self, request: web.BaseRequest, call: Call, target: Found | ApiError) -> Answer:
        # All of the body first: a client that was still sending would see another error than one that waits.
        if isinstance(target, Found) and target.operation.multipart and is_multipart(call.content_type):
            call.parts = await read_parts(request)
        elif request.body_exists:
            call.body = await request.content.read()
        operation = target.operation.id if isinstance(target, Found) else None
        if operation == TOKEN_OPERATION:
            self.stats.token_requests += 1
        try:
            self._check_outage()
            if operation != TOKEN_OPERATION:
                self.tokens.check(request.headers.get("Authorization"))
                self.throttle.admit()
            if isinstance(target, ApiError):
                raise target
        except ApiError as error:
            return error_answer(error, self.site.clock.stamp())
        fault = self.faults.meet(target.operation.id) if self.faults else None
        if self.latency:
            await asyncio.sleep(self.latency)
        if fault is None:
            return self._perform(target, call)
        return await self._meet(fault, partial(self._perform, target, call), (target.operation.id, call.path))

    def _check_outage(self) -> None:
        if self.site.clock.monotonic() < self.outage_until:
            if self.outage_status is None:
                raise ConnectionDropped
            raise ApiError.of_status(self.outage_status)

    def _perform(self, target: Found, call: Call) -> Answer:
        clock = self.site.clock
        clock.skew = self.skew if next(self._works) % self.skew_every == 0 else 0.0
        try:
            answer = target.operation.handler(call, *target.parameters)
        except ApiError as error:
            answer = error_answer(error, clock.stamp())
        else:
            self.stats.performed[target.operation.id] += 1
        if clock.skew:
            date = formatdate(time.time() + clock.skew, usegmt=True)
            answer = answer._replace(headers={**answer.headers, "Date": date})
            clock.skew = 0.0
        return answer

    async def _meet(self, fault: Fault, work: Callable[[], Answer], place: tuple[str, str]) -> Answer:
        match fault.kind:
            case FaultKind.STATUS:
                if fault.work_done:
                    work()
                return self._status(fault)
            case FaultKind.RESET_BEFORE:
                raise ConnectionDropped
            case FaultKind.RESET_AFTER:
                work()
                raise ConnectionDropped
            case FaultKind.RESET_LATE:
                self._postpone(fault.delay, work)
                raise ConnectionDropped
            case FaultKind.STALL_BEFORE:
                await asyncio.sleep(fault.delay)
                return work()
            case FaultKind.STALL_AFTER:
                answer = work()
                await asyncio.sleep(fault.delay)
                return answer
            case FaultKind.TRUNCATED:
                raise ConnectionDropped(work())
            case FaultKind.GARBAGE:
                return Answer(work().status, _page("It works!"), _HTML)
            case FaultKind.EMPTY:
                return Answer(work().status, b"", {})
            case FaultKind.QUEUED:
                if fault.work_done:
                    self._postpone(fault.delay, work)
                return ok({"id": f"pending-{self.site.new_id()}", "status": "QUEUED"}, 202)
            case FaultKind.STRAY:
                answer = work()
                second = answer if 200 <= fault.status < 300 else self._status(fault)
                return answer._replace(stray=Stray(second, fault.delay))
            case FaultKind.GATEWAY:
                status = 404 if place in self._unrouted else 502
                self._unrouted.add(place)
                return Answer(status, _page(HTTPStatus(status).phrase), _HTML)

    def _status(self, fault: Fault) -> Answer:
        # A client may look at the code of a 401 before it asks for another token.
        expired = unauthorized("TOKEN_EXPIRED", "The token has expired")
        error = expired if fault.status == 401 else ApiError.of_status(fault.status)
        usual = error_answer(error, self.site.clock.stamp())
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
        """Works that are still to land."""
        return len(self._late)

    async def settle(self) -> None:
        """Wait until all late work has landed."""
        while self._late:
            await self._landed.wait()

    def cancel_late_work(self) -> None:
        """Drop late work that has not landed: the state it would land in is going away."""
        for handle in self._late:
            handle.cancel()
        self._late.clear()
        self._landed.set()
