"""The direct engine: an exchange with no more between transport and socket than it takes. Extra ``speed``.

It speaks HTTP/1.1 to one server, without a proxy, with whole bodies; what it does not do goes to the engine beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache

from multidict import CIMultiDict
from yarl import URL

from welkin_async.errors import InvalidInputError
from welkin_async.http.attempt import Reply
from welkin_async.http.engines.direct_connection import DirectConnection
from welkin_async.http.engines.direct_pool import ConnectionPool
from welkin_async.http.engines.direct_response import ResponseParser
from welkin_async.http.engines.engine import BODY_SHARE, OWN_HEADERS, Engine, NotPermittedError, connect_timeout
from welkin_async.http.engines.lazy_headers import LazyHeaders
from welkin_async.http.engines.watchdog import Watchdog
from welkin_async.http.settings import Settings
from welkin_async.wire.exchange import Exchange
from welkin_async.wire.request import Streamed

_JOINED = 1 << 16  # bytes of a body up to which it is written together with the head
_VISIBLE = bytes(range(0x21, 0x7F))  # what a request line may have between its blanks
_NO_LENGTH = frozenset({"GET", "OPTIONS", "TRACE"})  # verbs whose requests without a body state no length


class DirectEngine:
    """Exchanges requests for answers over httptools; see `Engine`.

    Args:
        settings: Base URL, TLS, how large an answer may be.
        other: Takes streamed bodies, HEAD, and other servers.
    """

    name = "direct"

    def __init__(self, settings: Settings, other: Engine) -> None:
        self._loop = asyncio.get_running_loop()
        self._other = other
        self._max_answer = settings.max_answer
        origin = URL(settings.base_url)
        self._authority = origin.raw_authority
        self._pool = ConnectionPool(origin, settings.ssl)
        self._watchdog: Watchdog[DirectConnection] = Watchdog(self._loop, lambda late: late.close(TimeoutError()))
        self._own = {"Host": origin.host_port_subcomponent or "", **OWN_HEADERS}
        self._heads: dict[int, tuple[CIMultiDict[str], bytes]] = {}
        self._line = lru_cache(maxsize=1024)(_write_line)  # many rows go to the same places; reads seldom do

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
        """Send one request and read its whole answer; see `Engine.exchange`.

        Raises:
            InvalidInputError: method, path or headers cannot be sent; nothing was.
            NotPermittedError: it may not go out; nothing was sent.
        """
        if method == "HEAD" or url.raw_authority != self._authority:
            return await self._other.exchange(
                method, url, body, headers, timeout, started, fresh, via, max_answer, permit
            )
        large = body if body and len(body) > _JOINED else None
        request = self._written(method, url, body, headers, b"" if large else body or b"")
        connection = None if fresh else self._pool.take(started, via)
        if connection is None:
            connection = await self._pool.connect(connect_timeout(timeout), self._begun)
        try:
            if permit is not None and not permit():
                raise NotPermittedError
            self._watchdog.watch(connection, started + timeout)
            parser = ResponseParser(max_answer or self._max_answer)
            ended = connection.send(request, parser, timeout)
            if large:
                await connection.send_body(large)
            if (failure := await ended) is not None:
                raise failure
            content = parser.body()
        except BaseException:
            connection.close()
            raise
        finally:
            self._watchdog.leave(connection)
        connection.answers = number = connection.answers + 1
        if fresh or not parser.reusable:
            connection.retire()
        self._pool.put(connection)
        return Reply(parser.status, LazyHeaders(parser.head), content, 0, Exchange(connection, number))

    async def transfer(
        self, method: str, url: URL, stream: Streamed, headers: CIMultiDict[str], timeout: float, *, fresh: bool = False
    ) -> Reply:
        """Leave streamed bodies to the other engine; see `Engine.transfer`."""
        return await self._other.transfer(method, url, stream, headers, timeout, fresh=fresh)

    async def aclose(self) -> None:
        """Close every connection, the other engine's too."""
        self._watchdog.close()
        await self._pool.aclose()
        await self._other.aclose()

    def _begun(self, connection: DirectConnection) -> None:
        """Give an answer that has begun its own time for the rest."""
        self._watchdog.watch(connection, self._loop.time() + BODY_SHARE * connection.timeout)

    def _written(self, method: str, url: URL, body: bytes | None, headers: CIMultiDict[str], joined: bytes) -> bytes:
        """Write request line and headers, and what is joined to them; the headers of a token are written once."""
        line = (_write_line if body is None else self._line)(method, url.raw_path_qs)
        kept = self._heads.get(id(headers))
        if kept is None:
            if len(self._heads) >= 8:
                self._heads.clear()
            kept = self._heads[id(headers)] = (headers, _write({**self._own, **headers}))
        if body is None and method in _NO_LENGTH:
            return b"%b%b\r\n" % (line, kept[1])
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (line, kept[1], len(body or b""), joined)


def _write_line(method: str, path: str) -> bytes:
    """Write a request line, and what else goes with its verb."""
    if not (method.isalpha() and method.isascii() and path.isascii()) or path.encode().translate(None, _VISIBLE):
        raise InvalidInputError("a method or path with what a request line cannot hold")
    accepted = "Accept-Encoding: gzip\r\n" if method == "GET" else ""
    return f"{method} {path} HTTP/1.1\r\n{accepted}".encode()


def _write(headers: dict[str, str]) -> bytes:
    for name, value in headers.items():
        if any(character in value for character in "\r\n\0"):
            raise InvalidInputError("a header with a line break or NUL", (name,))
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
