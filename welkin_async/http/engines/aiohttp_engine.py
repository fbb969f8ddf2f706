"""The aiohttp engine: a connection pool, set up so that one attempt is one request on the wire.

aiohttp keeps what a server sends on an idle connection, and takes it for the next request's answer. The connections
here say that they cannot be used again once they have received anything unasked, and aiohttp closes them.
"""

from __future__ import annotations

import asyncio
import math
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from welkin_async.http.attempt import Reply
from welkin_async.http.engines.engine import (
    BODY_SHARE,
    DNS_CACHE,
    KEEP_ALIVE,
    OWN_HEADERS,
    SMALL_ANSWER,
    NotPermittedError,
    answer_limit,
    connect_timeout,
)
from welkin_async.http.engines.watchdog import TaskWatchdog
from welkin_async.http.retry import AnswerTooLargeError
from welkin_async.http.settings import Settings, checked_proxy
from welkin_async.wire.exchange import Exchange
from welkin_async.wire.request import Streamed, StreamError

if TYPE_CHECKING:
    from aiohttp.tracing import Trace
    from aiohttp.typedefs import LooseHeaders

_CHUNK = 1 << 18  # bytes of a streamed body at a time


class _Connection(ResponseHandler):
    """A connection of aiohttp's that counts its answers; see `wire.exchange.Connection`, whose ``close`` it has."""

    # Slots: with more attributes than share their keys, Python would look each of aiohttp's own up the slow way.
    __slots__ = ("answers", "confirmed", "disordered", "ended")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.answers = self.confirmed = self.ended = 0
        self.disordered = False

    @property
    def open(self) -> bool:
        """Whether another request may still go over it."""
        if self.answers > self.ended:  # an answer is on its way
            return super().is_connected()
        return self.is_connected()

    def is_connected(self) -> bool:
        """Tell aiohttp whether it can be used again: not where bytes came that would be taken for the next answer."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return False
        if self.should_close:
            self.disordered = True
            return False
        return True

    def retire(self) -> None:
        """Send no further request over it; an exchange that is under way on it may end."""
        self.force_close()


class _Response(aiohttp.ClientResponse):
    """A response that remembers which answer on which connection it is: aiohttp forgets that at the body's end."""

    __slots__ = ("place",)

    place: Exchange

    def exchange(self) -> Exchange | None:
        """Note that the whole answer was read, and return its place."""
        try:
            place = self.place
        except AttributeError:
            return None
        connection = place.connection
        if type(connection) is _Connection:
            connection.ended = place.number
        return place

    # No coroutine function, but one that returns the coroutine of the base: that saves a frame at every request.
    def start(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, connection: aiohttp.connector.Connection
    ) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        """Wait for the head of the answer."""
        protocol = connection.protocol
        if type(protocol) is _Connection:
            protocol.answers = number = protocol.answers + 1
            self.place = Exchange(protocol, number)
        return _start(self, connection)


_start = aiohttp.ClientResponse.start  # called at every request, and `super()` takes three times as long


class _Request(aiohttp.ClientRequest):
    """A request that takes the headers as aiohttp has merged them: it would look at each to see whether it is Host."""

    def update_headers(self, headers: LooseHeaders | None) -> None:
        """Begin the headers with Host, as aiohttp does; nobody states another here."""
        self.headers = CIMultiDict({hdrs.HOST: self.url.host_port_subcomponent or ""})
        self.headers.extend(headers or ())


class _GuardedBody(aiohttp.BytesPayload):
    """A body that asks whether it may go out when it is written, with the head, in one piece.

    aiohttp writes it in a task of its own, which on some versions of Python runs after others.

    Args:
        body: The bytes.
        permit: Tells whether they may go out.
    """

    def __init__(self, body: bytes, permit: Callable[[], bool]) -> None:
        super().__init__(body)
        self._permit = permit
        self.refused = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write it, called by aiohttp; the head is still held back then, and goes nowhere where this raises."""
        if not self._permit():
            self.refused = True
            raise NotPermittedError
        await super().write_with_length(writer, content_length)


class _Connector(aiohttp.TCPConnector):
    """A connector whose connections are not used again once bytes came while nothing was asked.

    aiohttp looks at a connection's state when it is given back, and not when it is taken out again: what came
    meanwhile would answer the next request.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        protocol: type[ResponseHandler] = _Connection
        self._factory = partial(protocol, loop=self._loop)  # there is no public way to give it another


class _Finder(aiohttp.BaseConnector):
    """A connector that takes a certain connection out of another one's pool, if it is idle there.

    Args:
        pool: The other connector.
    """

    def __init__(self, pool: _Connector) -> None:
        super().__init__(force_close=True)
        self._pool = pool
        self.wanted: ResponseHandler | None = None

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        """Take idle connections out until the wanted one comes, and give the others back."""
        wanted, self.wanted = self.wanted, None
        others = [await self._pool.connect(req, traces, timeout)]
        try:
            while (
                wanted is not None
                and others[-1].protocol is not wanted
                and wanted.is_connected()
                and _used_before(others[-1])
            ):
                others.append(await self._pool.connect(req, traces, timeout))
            return others.pop()
        finally:
            for other in others:
                other.release()


def _used_before(connection: aiohttp.connector.Connection) -> bool:
    """Tell whether a connection was idle, and not made just now because none is."""
    return isinstance(connection.protocol, _Connection) and connection.protocol.answers > 0


class AiohttpEngine:
    """Exchanges a request for a reply, once, over kept-alive connections; see `Engine`.

    Opened on the running event loop, to which it belongs.

    Args:
        settings: Base URL, TLS, proxy.
    """

    name = "aiohttp"

    def __init__(self, settings: Settings) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._proxy = chosen_proxy(settings)
        self._connector = self._make_connector(keepalive_timeout=KEEP_ALIVE)
        self._session = self._make_session(self._connector)
        self._fresh: aiohttp.ClientSession | None = None
        self._found: aiohttp.ClientSession | None = None
        self._finder = _Finder(self._connector)
        self._watchdog = TaskWatchdog(self._loop)
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    def _make_connector(self, **options: Any) -> _Connector:
        return _Connector(
            limit=0,  # waiting is the limiter's affair: in here it would count against the attempt's timeout
            ttl_dns_cache=DNS_CACHE,
            ssl=True if self._settings.ssl is None else self._settings.ssl,
            **options,
        )

    def _make_session(self, connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=connector,
            # The load balancer's sticky cookie would pin the whole pool to one backend.
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=OWN_HEADERS,
            proxy=self._proxy,
            request_class=_Request,
            response_class=_Response,
        )
        # aiohttp sends GET, PUT and DELETE a second time by itself when a kept-alive connection turns out dead. There
        # is one retry layer, and it is not that one.
        session._retry_connection = False  # noqa: SLF001 - there is no public switch
        return session

    def _chosen(self, fresh: bool, via: Exchange | None) -> aiohttp.ClientSession:
        """Return the session whose connections a request may go over."""
        if fresh:
            if self._fresh is None:
                self._fresh = self._make_session(self._make_connector(force_close=True))
            return self._fresh
        if via is not None and isinstance(via.connection, _Connection):
            if self._found is None:
                self._found = self._make_session(self._finder)
            self._finder.wanted = via.connection  # nothing runs between here and the connector
            return self._found
        return self._session

    async def exchange(
        self,
        method: str,
        url: URL,
        body: bytes | None,
        headers: CIMultiDict[str],
        timeout: float,
        started: float,
        fresh: bool = False,
        via: Exchange | None = None,
        max_answer: int | None = None,
        permit: Callable[[], bool] | None = None,
    ) -> Reply:
        """Send one request and read its whole answer; see `Engine.exchange`."""
        data: bytes | _GuardedBody | None = body
        if permit is not None:
            if body is not None:
                data = _GuardedBody(body, permit)
            elif not permit():
                raise NotPermittedError
        task = asyncio.current_task(self._loop)  # which saves a system call
        assert task is not None
        watchdog = self._watchdog
        watchdog.watch(task, started + timeout)
        session = self._session if not fresh and via is None else self._chosen(fresh, via)
        try:
            response = await session.request(
                method,
                url,
                data=data,
                headers=headers,
                timeout=self._timeouts.get(timeout) or self._timeout(timeout),
                allow_redirects=False,
            )
            if not response.content.is_eof():
                watchdog.watch(task, self._loop.time() + BODY_SHARE * timeout)
            content = await _whole_body(response, max_answer or self._settings.max_answer)
            exchange = response.exchange() if type(response) is _Response else None
            reply = Reply(response.status, response.headers, content, 0, exchange)
        except asyncio.CancelledError:
            if watchdog.was_late(task):
                raise TimeoutError from None
            raise
        except BaseException as error:
            watchdog.was_late(task)
            if isinstance(error, Exception) and isinstance(data, _GuardedBody) and data.refused:
                raise NotPermittedError from None
            self._note_failure(error)
            raise
        watchdog.was_late(task)
        return reply

    async def transfer(
        self,
        method: str,
        url: URL,
        stream: Streamed,
        headers: CIMultiDict[str],
        timeout: float,
        *,
        fresh: bool = False,
    ) -> Reply:
        """Send one request whose body, or whose answer's body, passes through a stream; see `Engine.transfer`."""
        task = asyncio.current_task()
        assert task is not None
        watchdog = self._watchdog
        watchdog.watch(task, self._loop.time() + timeout)
        try:
            reply = await self._transfer(method, url, stream, headers, timeout, task, self._chosen(fresh, None))
        except asyncio.CancelledError:
            if watchdog.was_late(task):
                raise TimeoutError from None
            raise
        except BaseException as error:
            watchdog.was_late(task)
            self._note_failure(error)
            raise
        watchdog.was_late(task)
        return reply

    async def _transfer(
        self,
        method: str,
        url: URL,
        stream: Streamed,
        headers: CIMultiDict[str],
        timeout: float,
        task: asyncio.Task[Any],
        session: aiohttp.ClientSession,
    ) -> Reply:
        """Send and receive; the deadline moves with each piece, and stands still while our own end has it."""
        headers = CIMultiDict(headers)
        headers.update(stream.headers)
        clock, move = self._loop.time, self._watchdog.move
        body = stream.body()

        async def sent(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            move(task, math.inf)
            async for chunk in chunks:
                move(task, clock() + timeout)  # while the server takes it, not while it is made
                yield chunk
                move(task, math.inf)
            move(task, clock() + timeout)

        async def received(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            size = 0
            move(task, clock() + timeout)
            async for chunk in chunks:
                move(task, math.inf)
                size += len(chunk)
                if stream.max_size is not None and size > stream.max_size:
                    raise AnswerTooLargeError
                yield chunk
                move(task, clock() + timeout)
            move(task, math.inf)

        try:
            response = await session.request(
                method,
                url,
                data=None if body is None else sent(body),
                headers=headers,
                timeout=self._timeouts.get(timeout) or self._timeout(timeout),
                allow_redirects=False,
            )
            async with response:
                taken = 200 <= response.status < 300 and await stream.receive(
                    response.headers, received(response.content.iter_chunked(_CHUNK))
                )
                if not taken:
                    move(task, clock() + BODY_SHARE * timeout)
                rest = b"" if taken else await _whole_body(response, self._settings.max_answer)
            exchange = response.exchange() if type(response) is _Response else None
        except (aiohttp.ClientError, OSError, RuntimeError):
            if stream.failure is not None:
                raise StreamError(stream.failure) from None
            raise
        return Reply(response.status, response.headers, rest, stream.received, exchange)

    async def aclose(self) -> None:
        """Close every connection."""
        self._watchdog.close()
        for session in (self._fresh, self._found, self._session):
            if session is not None:
                await session.close()
        await self._finder.close()

    def _note_failure(self, error: BaseException) -> None:
        """Forget the addresses of the host after a failed connect: another may have taken its place by now."""
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            for session in (self._fresh, self._session):
                if session is not None and isinstance(session.connector, _Connector):
                    session.connector.clear_dns_cache()

    def _timeout(self, seconds: float) -> aiohttp.ClientTimeout:
        """Return aiohttp's timeouts: for making a connection alone, the watchdog has the rest.

        Above five seconds aiohttp rounds up to the next whole one.
        """
        connect = connect_timeout(seconds)
        made = aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect)
        if len(self._timeouts) < 64:
            self._timeouts[seconds] = made
        return made


async def _whole_body(response: aiohttp.ClientResponse, max_answer: int) -> bytes:
    """Read a body to its end, and no more of it than is allowed: aiohttp inflates a piece when the one before is taken.

    Raises:
        AnswerTooLargeError: it is larger.
    """
    if response.content.is_eof():  # what is there came in one read
        body = await response.read()
        # A small one may have any status.
        if len(body) <= min(SMALL_ANSWER, max_answer) or len(body) <= answer_limit(response.status, max_answer):
            return body
        raise AnswerTooLargeError
    limit = answer_limit(response.status, max_answer)
    parts, size = [], 0
    try:
        async for part in response.content.iter_any():
            size += len(part)
            if size > limit:
                raise AnswerTooLargeError
            parts.append(part)
    except BaseException:
        response.close()
        raise
    return b"".join(parts)


def socket_allowance() -> int:
    """Return how many sockets a session may hold open: three quarters of what the process may, 512 where unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return 512
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 16384 if soft == resource.RLIM_INFINITY else max(16, min(16384, soft * 3 // 4))


def chosen_proxy(settings: Settings) -> URL | None:
    """Choose the proxy once; None for none.

    aiohttp's own ``trust_env`` looks the proxy up in a thread at every request, and takes credentials for the API from
    a ``.netrc`` file, which collide with the token.

    Args:
        settings: Base URL, proxy, whether the environment is asked.

    Raises:
        ConfigurationError: the environment's is no URL.
    """
    if settings.proxy is not None:
        return URL(settings.proxy)
    if settings.trust_env:
        base = URL(settings.base_url)
        proxy = urllib.request.getproxies().get(base.scheme)
        # NO_PROXY may name the port too.
        if proxy and not urllib.request.proxy_bypass(f"{base.host}:{base.port}"):
            return URL(checked_proxy(proxy if "://" in proxy else f"http://{proxy}"))
    return None
