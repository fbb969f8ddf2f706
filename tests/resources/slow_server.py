"""A server on a real socket for lists and files: pages with a delay, files of any size, and what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from welkin_async import Welkin

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handle: Handler, **settings: Any) -> AsyncIterator[Welkin]:
    """Serve with the handler, which never sees the token's requests, and open a session."""

    async def route(request: web.BaseRequest) -> web.StreamResponse:
        if "/api_clients/" in request.path:
            return web.json_response({"token": "a-token"})
        return await handle(request)

    runner = web.ServerRunner(web.Server(route), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with Welkin(
            tenant="t", instance="i", api_client="c", secret_key="s", base_url=f"http://{host}:{port}", **settings
        ) as welkin:
            yield welkin
    finally:
        await runner.cleanup()


class Patients:
    """A list of patients in pages.

    Args:
        pages: How many there are.
        size: Patients on a page.
        delay: Seconds an answer takes.
        later: Seconds more for each page before it.
    """

    def __init__(self, pages: int, size: int = 3, delay: float = 0.0, later: float = 0.0) -> None:
        self.pages = pages
        self.size = size
        self.delay = delay
        self.later = later
        self.asked: list[int] = []
        self.out = self.most_out = 0
        self.change: Callable[[int, dict[str, Any]], dict[str, Any]] = lambda number, page: page

    def ids(self, pages: int | None = None) -> list[str]:
        """The ids in order."""
        return [f"{n}-{k}" for n in range(self.pages if pages is None else pages) for k in range(self.size)]

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        number = int(request.query["page"])
        self.asked.append(number)
        self.out += 1
        self.most_out = max(self.most_out, self.out)
        try:
            await asyncio.sleep(self.delay + self.later * number)
        finally:
            self.out -= 1
        page = {
            "content": [{"id": f"{number}-{k}"} for k in range(self.size)],
            "number": number,
            "last": number == self.pages - 1,
            "totalPages": self.pages,
            "totalElements": self.pages * self.size,
        }
        return web.json_response(self.change(number, page))
