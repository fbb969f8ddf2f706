"""A server on a real socket that writes down what it is asked and answers with a documented shape."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

from aiohttp import web

from welkin_async import Welkin

from .catalogue import Endpoint
from .samples import answer_to

TENANT, INSTANCE, CLIENT = "tenant-é", "instance-é", "api_client-é"
TOKEN_PATH = f"/{quote(TENANT)}/admin/api_clients/{quote(CLIENT)}"

Reply = Callable[[web.Request], web.StreamResponse]


class Seen(NamedTuple):
    """A request as it came over the wire."""

    method: str
    raw_path: str
    query: dict[str, str]


class Recorder:
    """What the server was asked, and what it answers.

    Attributes:
        seen: Every request but those for a token, in order.
        tokens: The requests for a token.
        reply: Makes the answer; see `answering`.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.tokens: list[Seen] = []
        self.reply: Reply = lambda request: web.Response(status=404)

    def answering(self, endpoint: Endpoint, *, failures: int = 0) -> None:
        """Answer as documented, after so many failures that leave the outcome unknown."""
        self.seen.clear()

        def reply(request: web.Request) -> web.StreamResponse:
            if len(self.seen) <= failures:
                return web.Response(status=500)
            status = endpoint.success or 200
            if endpoint.answer == "empty":
                return web.Response(status=status)
            if endpoint.answer == "file":
                return web.Response(status=status, body=b"%PDF", content_type="application/pdf")
            return web.json_response(answer_to(endpoint, dict(request.query)), status=status)

        self.reply = reply

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw_path, _, raw_query = request._message.path.partition("?")
        pairs = (pair.partition("=") for pair in raw_query.split("&") if pair)
        seen = Seen(request.method, raw_path, {name: value for name, _, value in pairs})
        await request.read()
        if raw_path == TOKEN_PATH:
            self.tokens.append(seen)
            return web.json_response({"token": "a-token"})
        self.seen.append(seen)
        return self.reply(request)  # type: ignore[arg-type]


@asynccontextmanager
async def recording(**settings: Any) -> AsyncIterator[tuple[Recorder, Welkin]]:
    """Start the server and open a session with it."""
    recorder = Recorder()
    runner = web.ServerRunner(web.Server(recorder._handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with Welkin(
            check="off",
            tenant=TENANT,
            instance=INSTANCE,
            api_client=CLIENT,
            secret_key="secret",
            base_url=f"http://{host}:{port}",
            **settings,
        ) as welkin:
            yield recorder, welkin
    finally:
        await runner.cleanup()
