"""A bare client for the tests: no retries, no parsing beyond JSON, raw paths."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from welkin_async.sandbox import Sandbox, SandboxProcess

SECRET = {"secret": "sandbox-secret"}
NOBODY = "00000000-0000-4000-8000-000000000000"


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The one object of an error array."""
        assert self.headers["Content-Type"] == "application/json"
        items = self.json
        assert isinstance(items, list)
        assert len(items) == 1
        assert {"errorCode", "componentType", "message", "details"} <= set(items[0])
        return dict(items[0])

    @property
    def code(self) -> str:
        return str(self.error["errorCode"])


class Api:
    """Calls one server with one token."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session = session
        self.base = base
        self.token: str | None = None

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        # Any, because an unpacked mapping of query parameters is checked against these as well.
        data: Any = None,
        token: Any = None,
        timeout: Any = 5.0,
        **query: str,
    ) -> Reply:
        """Send once. A path without a leading slash is within the instance; it goes out as it is written."""
        raw = path if path.startswith("/") else f"/gh/sb-demo/{path}"
        url = URL(self.base + raw, encoded=True)
        if query:
            url = url.with_query(query)
        used = token or self.token
        headers = {"Authorization": f"Bearer {used}"} if used else {}
        content = data if body is None else json.dumps(body).encode()
        limits = aiohttp.ClientTimeout(total=timeout)
        async with self.session.request(method, url, data=content, headers=headers, timeout=limits) as answer:
            return Reply(answer.status, answer.headers.copy(), await answer.read())

    async def login(self, secret: Any = SECRET, client: str = "SANDBOX") -> Reply:
        reply = await self("POST", f"/gh/admin/api_clients/{client}", secret)
        if reply.status == 200:
            self.token = reply.json["token"]
        return reply

    async def patient(self, **fields: Any) -> str:
        reply = await self("POST", "patients", {"firstName": "Charlie", "lastName": "Taylor", **fields})
        assert reply.status == 201
        return str(reply.json["id"])


@asynccontextmanager
async def connected_to(server: Sandbox | SandboxProcess, tenant: str = "gh") -> AsyncIterator[Api]:
    """As `connected`, for another tenant, given percent-encoded; no token when `tenant` is empty."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        session._retry_connection = False
        api = Api(session, server.base_url)
        if tenant:
            reply = await api("POST", f"/{tenant}/admin/api_clients/SANDBOX", SECRET)
            assert reply.status == 200
            api.token = reply.json["token"]
        yield api


@asynccontextmanager
async def connected(server: Sandbox | SandboxProcess) -> AsyncIterator[Api]:
    """An `Api` that holds a token and never sends a request twice."""
    async with connected_to(server) as api:
        yield api
