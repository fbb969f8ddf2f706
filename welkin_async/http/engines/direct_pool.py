"""Connection pool of the direct engine: connections to one server, made, kept and reused."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import aiohappyeyeballs
import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from welkin_async.http.engines.direct_connection import BufferedConnection, DirectConnection
from welkin_async.http.engines.engine import DNS_CACHE, KEEP_ALIVE
from welkin_async.wire.exchange import Exchange

_NEXT_ADDRESS = 0.25  # seconds until the next address is tried beside one that does not answer


class ConnectionPool:
    """Makes connections to a server and keeps those that are idle; the one used last is used first.

    Args:
        origin: Scheme, host and port of the server.
        context: The SSL context for https; None for a default one.
    """

    def __init__(self, origin: URL, context: ssl.SSLContext | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._host, self._port = origin.raw_host or "", origin.port or 0
        self._context = None if origin.scheme == "http" else context or ssl.create_default_context()
        # uvloop alone makes no buffer of its own for each read, and it does for TLS.
        buffered = self._context is not None or isinstance(self._loop, asyncio.BaseEventLoop)
        self._connection = BufferedConnection if buffered else DirectConnection
        self._open: set[DirectConnection] = set()
        self._idle: dict[DirectConnection, None] = {}  # the longest idle first
        self._expiry: asyncio.TimerHandle | None = None
        self._lookup: asyncio.Future[Any] | None = None
        self._looked_up = 0.0
        self._closed = False

    def take(self, now: float, via: Exchange | None) -> DirectConnection | None:
        """Return an idle connection, or None where there is none.

        Args:
            now: The present moment, on the loop's clock.
            via: The exchange whose connection is taken if it is idle; None for any.
        """
        idle = self._idle
        if via is not None and (wanted := via.connection) in idle and isinstance(wanted, DirectConnection):
            del idle[wanted]
            idle[wanted] = None
        while idle:
            connection, _ = idle.popitem()
            if connection.is_open() and now - connection.idle_since < KEEP_ALIVE:
                return connection
            connection.close()
        return None

    def put(self, connection: DirectConnection) -> None:
        """Keep a connection whose exchange has ended in order."""
        if not connection.release() or self._closed:
            connection.close()
            return
        self._idle[connection] = None
        if self._expiry is None:
            self._expire()

    async def connect(self, seconds: float, on_begun: Callable[[DirectConnection], None]) -> DirectConnection:
        """Make a connection.

        Args:
            seconds: How long it may take, DNS and TLS included.
            on_begun: Called with it where the head of an answer was read and its body is still to come.

        Raises:
            aiohttp.ClientConnectorError: it could not be made; its subclasses tell DNS and TLS apart.
            aiohttp.ConnectionTimeoutError: it was not made in time.
            aiohttp.ClientConnectionError: the pool is closed.
        """
        connection = self._connection(self._loop, on_begun, self._lost)
        try:
            async with asyncio.timeout(seconds):
                connected = await aiohappyeyeballs.start_connection(  # uvloop's own connecting knows no Happy Eyeballs
                    await self._addresses(), happy_eyeballs_delay=_NEXT_ADDRESS, interleave=1, loop=self._loop
                )
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                name = None if self._context is None else self._host.rstrip(".")
                await self._loop.create_connection(
                    lambda: connection, sock=connected, ssl=self._context, server_hostname=name
                )
        except OSError as error:
            self._lookup = None  # the next one asks for the addresses anew
            raise self._failure(error) from None
        self._open.add(connection)
        if self._closed:
            connection.close()
            raise aiohttp.ClientConnectionError("the pool is closed")
        return connection

    async def aclose(self) -> None:
        """Abort every connection, and wait until all are gone."""
        self._closed = True
        if self._expiry is not None:
            self._expiry.cancel()
        if self._lookup is not None:
            self._lookup.cancel()
        for connection in self._open:
            connection.close()
        while self._open:  # noqa: ASYNC110 - an abort takes a turn or two of the loop
            await asyncio.sleep(0)

    async def _addresses(self) -> list[aiohappyeyeballs.AddrInfoType]:
        """Look the host up, once for all who wait for it."""
        now = self._loop.time()
        if self._lookup is None or now - self._looked_up >= DNS_CACHE:
            asked = self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            self._lookup, self._looked_up = asyncio.ensure_future(asked), now
        lookup = self._lookup
        await asyncio.wait((lookup,))  # unlike the task itself, it may be cancelled for one of them
        if self._closed:
            raise aiohttp.ClientConnectionError("the pool is closed")
        return [*lookup.result()]

    def _failure(self, error: OSError) -> aiohttp.ClientError:
        """Return what aiohttp raises for the same."""
        if isinstance(error, TimeoutError):
            return aiohttp.ConnectionTimeoutError()
        key = ConnectionKey(self._host, self._port, self._context is not None, True, None, None, None)
        if isinstance(error, ssl.SSLCertVerificationError):
            return aiohttp.ClientConnectorCertificateError(key, error)
        if isinstance(error, ssl.SSLError):
            return aiohttp.ClientConnectorSSLError(key, error)
        dns = isinstance(error, socket.gaierror)
        return (aiohttp.ClientConnectorDNSError if dns else aiohttp.ClientConnectorError)(key, error)

    def _lost(self, connection: DirectConnection) -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)

    def _expire(self) -> None:
        """Drop what was idle for too long, and look again soon."""
        now = self._loop.time()
        for connection in self._idle:
            if now - connection.idle_since >= KEEP_ALIVE:
                connection.close()
        self._expiry = self._loop.call_later(KEEP_ALIVE / 9, self._expire) if self._idle else None
