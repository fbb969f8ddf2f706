"""Listener: an aiohttp server from its start to its end."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable

from aiohttp import web

# How long a request that is being served may hold up the end; stalled ones would hold it up for their whole stall.
_GRACE = 0.05


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address.

    Args:
        host: The address, or a name; of names ``localhost`` alone counts.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Listener:
    """Listener: serves requests on an address.

    Args:
        handler: Answers a request.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
    """

    def __init__(
        self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], host: str, port: int
    ) -> None:
        self._handler = handler
        self._address = (host, port)
        self._runner: web.ServerRunner | None = None

    @property
    def listening(self) -> bool:
        """Whether it was started and not closed."""
        return self._runner is not None

    @property
    def base_url(self) -> str:
        """Scheme, host and port, such as `http://127.0.0.1:49152`.

        Raises:
            RuntimeError: It is not listening.
        """
        if self._runner is None:
            raise RuntimeError("the sandbox is not serving: use `async with`, or await start()")
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: It is listening already.
            OSError: The address cannot be bound.
        """
        if self._runner is not None:
            raise RuntimeError("the sandbox is serving already")
        # One of aiohttp's applications would look through all routes for each request, and costs a third more.
        server = web.Server(self._handler, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=_GRACE)
        await runner.setup()
        try:
            # A generous backlog: load tests open hundreds of connections at once.
            await web.TCPSite(runner, *self._address, backlog=1024).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner

    async def close(self) -> None:
        """Stop listening and end open connections."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            # Transports close in the turn after; without it a loop that ends at once reports them as unclosed.
            await asyncio.sleep(0)
