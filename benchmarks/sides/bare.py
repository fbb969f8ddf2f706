"""The limit: an asyncio protocol on httptools and no client around it. It checks nothing and bears no failure."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httptools
import orjson

from benchmarks import payloads
from benchmarks.sides.service import share_loop
from benchmarks.sides.work import Job, measured

__all__ = ["create", "create_single", "get", "loop_share", "walk"]


class _Connection(asyncio.Protocol):
    """Sends a request and parses what comes back."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._answered: asyncio.Future[bytes]
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body."""
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """Hand the body over."""
        body, self._parts = b"".join(self._parts), []
        self._answered.set_result(body)

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send a request; its answer's body is the future's result."""
        self._answered = answered = self._loop.create_future()
        self._transport.write(request)
        return answered


class _Client:
    """Connections to the server, and the head of every request."""

    def __init__(self, job: Job) -> None:
        url = urlsplit(job.base_url)
        self._where = url.hostname or "", url.port or 0
        self._context = ssl.create_default_context() if url.scheme == "https" else None
        self._host = f" HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
        self._idle: list[_Connection] = []

    async def log_in(self) -> None:
        """Fetch the token."""
        path = f"/{payloads.TENANT}/admin/api_clients/{payloads.API_CLIENT}"
        answer = await self.ask("POST", path, orjson.dumps({"secret": payloads.SECRET}))
        self._host += f"Authorization: Bearer {answer['token']}\r\n"

    async def ask(self, method: str, path: str, body: bytes = b"") -> Any:
        """Send a request over an idle connection, or a new one; return the parsed answer."""
        connection = self._idle.pop() if self._idle else await self._connect()
        head = f"{method} {path}{self._host}Content-Length: {len(body)}\r\n\r\n"
        answer = orjson.loads(await connection.ask(head.encode() + body))
        self._idle.append(connection)
        return answer

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, *self._where, ssl=self._context)
        return connection


async def _client(job: Job) -> _Client:
    client = _Client(job)
    await client.log_in()
    return client


async def create(job: Job) -> dict[str, Any]:
    """Create records."""
    client = await _client(job)

    async def worker(rows: Iterator[tuple[str, dict[str, Any]]]) -> int:
        created = 0
        for patient_id, fields in rows:
            record = await client.ask("POST", payloads.cdt_path(patient_id), orjson.dumps(fields))
            created += record["id"] is not None
        return created

    async def work(count: int) -> int:
        rows = payloads.rows(job.patients, count)
        return sum(await asyncio.gather(*(worker(rows) for _ in range(job.concurrency))))

    return await measured(job, work)


create_single = create


async def _read(client: _Client, number: int) -> bool:
    path = f"/{payloads.TENANT}/{payloads.INSTANCE}/patients/{payloads.patient_id(number)}"
    return bool((await client.ask("GET", path))["firstName"] == "Charlie")


async def get(job: Job) -> dict[str, Any]:
    """Read patients one by one."""
    client = await _client(job)

    async def worker(ids: Iterator[int]) -> int:
        return sum([await _read(client, number) for number in ids])

    async def work(count: int) -> int:
        ids = iter(range(count))
        return sum(await asyncio.gather(*(worker(ids) for _ in range(job.concurrency))))

    return await measured(job, work)


async def loop_share(job: Job) -> dict[str, Any]:
    """Read patients at a steady pace, beside a task that wants to run."""
    client = await _client(job)
    return await share_loop(job, lambda number: _read(client, number))


async def walk(job: Job) -> dict[str, Any]:
    """Walk a list page by page and look at two fields of each record."""
    client = await _client(job)
    path = payloads.cdt_path(payloads.patient_id(0))

    async def work(count: int) -> int:
        seen = number = 0
        last = False
        while not last and seen < count:
            page = (await client.ask("GET", f"{path}?page={number}&size={job.size}"))["data"]
            for record in page["content"]:
                seen += record["id"] is not None and record["version"] == 1
            last, number = page["last"], number + 1
        return seen

    return await measured(job, work)
