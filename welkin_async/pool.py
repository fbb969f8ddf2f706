"""The connection pool: one aiohttp session, set up so that one attempt is one request on the wire."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from typing import NamedTuple

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from welkin_async._version import __version__
from welkin_async.request import Streamed, StreamError
from welkin_async.settings import Settings, checked_proxy
from welkin_async.watchdog import Watchdog

__all__ = ["Pool", "Reply", "socket_allowance"]

_CONNECT = 10.0  # seconds at most for a connection, DNS and TLS included
_KEEP_ALIVE = 45.0  # seconds; below the 60 after which a load balancer of AWS drops an idle connection
_DNS_CACHE = 60  # seconds
_CHUNK = 1 << 18  # bytes of a streamed body at a time
_CONNECT_SHARE = 0.8  # of an attempt's timeout, the most that making a connection may take
_BODY_SHARE = 2.0  # how many times an attempt's timeout the rest of an answer may take that has begun


class Reply(NamedTuple):
    """An answer as it came off the wire."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    streamed: int = 0


class Pool:
    """Exchanges a request for a reply, once, over kept-alive connections.

    Opened on the running event loop, to which it belongs.

    Args:
        settings: Base URL, TLS, proxy.
    """

    def __init__(self, settings: Settings) -> None:
        self._loop = asyncio.get_running_loop()
        connector = aiohttp.TCPConnector(
            limit=0,  # waiting is the limiter's affair: in here it would count against the attempt's timeout
            keepalive_timeout=_KEEP_ALIVE,
            ttl_dns_cache=_DNS_CACHE,
            ssl=True if settings.ssl is None else settings.ssl,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            # The load balancer's sticky cookie would pin the whole pool to one backend.
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "User-Agent": f"welkin_async/{__version__}"},
            proxy=_proxy(settings),
        )
        # aiohttp sends GET, PUT and DELETE a second time by itself when a kept-alive connection turns out dead. There
        # is one retry layer, and it is not that one.
        self._session._retry_connection = False  # noqa: SLF001 - there is no public switch
        self._watchdog = Watchdog(self._loop)
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    async def exchange(
        self, method: str, url: URL, body: bytes | None, headers: CIMultiDict[str], timeout: float, started: float
    ) -> Reply:
        """Send one request and read its whole answer.

        Args:
            method: The HTTP verb.
            url: The URL, percent-encoded already.
            body: The bytes to send, or None.
            headers: Headers beside the session's own.
            timeout: Seconds until the answer begins; one that has begun may take twice as long for the rest.
            started: The moment, on the loop's clock.

        Returns:
            Status, headers and body; redirects are not followed, because the token must not travel.

        Raises:
            aiohttp.ClientError: see `retries.judge_error`.
            asyncio.TimeoutError: likewise.
        """
        task = asyncio.current_task()
        assert task is not None
        watchdog = self._watchdog
        watchdog.watch(task, started + timeout)
        try:
            response = await self._session.request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=self._timeouts.get(timeout) or self._timeout(timeout),
                allow_redirects=False,
            )
            if not response.content.is_eof():
                watchdog.watch(task, self._loop.time() + _BODY_SHARE * timeout)
            reply = Reply(response.status, response.headers, await response.read())
        except asyncio.CancelledError:
            if watchdog.leave(task):
                raise TimeoutError from None
            raise
        except BaseException:
            watchdog.leave(task)
            raise
        watchdog.leave(task)
        return reply

    async def transfer(
        self, method: str, url: URL, stream: Streamed, headers: CIMultiDict[str], timeout: float
    ) -> Reply:
        """Send one request whose body, or whose answer's body, passes through a stream.

        Args:
            method: The HTTP verb.
            url: The URL, percent-encoded already.
            stream: Sends, or receives.
            headers: Headers beside the session's own and the stream's.
            timeout: Seconds within which there must be some progress; a transfer may take as long as it needs.

        Returns:
            Status and headers, with a body only where the stream did not take it.

        Raises:
            StreamError: the stream's own end failed.
            aiohttp.ClientError: see `retries.judge_error`.
            asyncio.TimeoutError: likewise.
        """
        headers = CIMultiDict(headers)
        headers.update(stream.headers)
        connect = min(_CONNECT, timeout)
        clock = asyncio.get_running_loop().time
        body = stream.body()
        try:
            async with asyncio.timeout(None) as progress:

                async def watched(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
                    async for chunk in chunks:
                        progress.reschedule(clock() + timeout)  # while the server takes it, not while it is made
                        yield chunk
                        progress.reschedule(None)

                response = await self._session.request(
                    method,
                    url,
                    data=None if body is None else watched(body),
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(connect=connect, sock_connect=connect, sock_read=timeout, total=None),
                    allow_redirects=False,
                )
                async with response:
                    taken = 200 <= response.status < 300 and await stream.receive(
                        response.headers, response.content.iter_chunked(_CHUNK)
                    )
                    rest = b"" if taken else await response.read()
        except (aiohttp.ClientError, OSError, RuntimeError):
            if stream.failure is not None:
                raise StreamError(stream.failure) from None
            raise
        return Reply(response.status, response.headers, rest, stream.received)

    async def aclose(self) -> None:
        """Close every connection."""
        self._watchdog.close()
        await self._session.close()

    def _timeout(self, seconds: float) -> aiohttp.ClientTimeout:
        """Return aiohttp's timeouts: for making a connection alone, the watchdog has the rest.

        A connection that is not made must be known as such, that is, before the watchdog ends the attempt; above five
        seconds aiohttp rounds up to the next whole one.
        """
        connect = min(_CONNECT, _CONNECT_SHARE * seconds)
        made = aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect)
        if len(self._timeouts) < 64:
            self._timeouts[seconds] = made
        return made


def socket_allowance() -> int:
    """Return how many sockets a session may hold open: three quarters of what the process may, 512 where unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return 512
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 16384 if soft == resource.RLIM_INFINITY else max(16, min(16384, soft * 3 // 4))


def _proxy(settings: Settings) -> URL | None:
    """Choose the proxy once.

    aiohttp's own ``trust_env`` looks the proxy up in a thread at every request, and takes credentials for the API from
    a ``.netrc`` file, which collide with the token.
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
