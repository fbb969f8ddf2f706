"""What the tests of this folder share: sessions on any server, and a server that answers whatever bytes it is told."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

import attrs

from welkin_async import MemoryTokenStore, StoredToken, Welkin
from welkin_async.sandbox import Fault, FaultKind, Sandbox

TENANT, INSTANCE, CLIENT, SECRET = "gh", "sb-demo", "SANDBOX", "sandbox-secret"
HERE = f"/{TENANT}/{INSTANCE}"
TOKEN_PATH = f"/{TENANT}/admin/api_clients/{CLIENT}"
NOBODY = "00000000-0000-4000-8000-000000000000"


def connect(server: Sandbox | RawServer | str, /, **settings: Any) -> Welkin:
    """A session on a server, or on a base URL; open it with `async with`. It reads no formation of its own accord."""
    given: dict[str, Any] = {"tenant": TENANT, "instance": INSTANCE, "api_client": CLIENT, "secret_key": SECRET}
    given["check"] = "off"
    given["base_url"] = server if isinstance(server, str) else server.base_url
    return Welkin(**(given | settings))


def connections_of(welkin: Welkin) -> tuple[int, int]:
    """How many connections a session's engine has in use, and how many are idle."""
    engine: Any = welkin.transport._engine
    if engine.name == "direct":
        return len(engine._pool._open) - len(engine._pool._idle), len(engine._pool._idle)
    return len(engine._connector._acquired), sum(len(held) for held in engine._connector._conns.values())


@attrs.define
class Seen:
    """One request as a raw server read it."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    arrived: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


class Reset:
    """Ends a connection with a TCP RST instead of an answer."""


class Close:
    """Ends a connection after some bytes, or after none."""

    def __init__(self, sent: bytes = b"") -> None:
        self.sent = sent


class Hang:
    """Answers nothing and leaves the connection open."""


class Trickle:
    """Sends a head at once, then a byte now and then.

    Args:
        head: What is sent at once.
        every: Seconds between two bytes.
    """

    def __init__(self, head: bytes, every: float) -> None:
        self.head = head
        self.every = every


class Record:
    """201 with a record that is the one asked for: its id and its patient's are those of the path.

    Args:
        more: Further members.
    """

    def __init__(self, **more: Any) -> None:
        self.more = more

    def bytes_for(self, seen: Seen) -> bytes:
        segments = [unquote(segment) for segment in re.sub(r"^https?://[^/]+", "", seen.path).split("/")[3:]]
        ids: dict[str, Any] = {"id": "r1"}
        if len(segments) >= 2 and segments[0] == "patients":
            ids["id" if len(segments) == 2 else "patientId"] = segments[1]
        if len(segments) == 5 and segments[2] == "cdts":
            ids["id"] = segments[4]
        if segments[:1] == ["formations"]:
            ids["name"] = segments[-1]
        return http(201, ids | self.more)


Reaction = bytes | Record | Reset | Close | Hang | Trickle
Behaviour = Callable[[Seen], Reaction | Awaitable[Reaction]]


def http(status: int, body: object = b"", **headers: str) -> bytes:
    """An answer as bytes; a body that is not bytes goes out as JSON. Header names are given with underscores."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}"]
    if data:
        lines.append("Content-Type: application/json")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


def record(**more: Any) -> Record:
    """201 with something that passes for the record asked for."""
    return Record(**more)


class RawServer:
    """A server on loopback that does what it is told with each request and keeps what it read.

    Token calls are answered with a token unless `tokens` is False. A greeting is sent to whoever connects, and nothing
    is read then.
    """

    def __init__(
        self, behaviour: Behaviour, *, tokens: bool = True, token: str = "t0ken", greeting: bytes = b""
    ) -> None:
        self.behaviour = behaviour
        self.greeting = greeting
        self.tokens = tokens
        self.token = token
        self.seen: list[Seen] = []
        self.token_requests = 0
        self.connections = 0
        self.open = 0
        self.writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def methods(self) -> list[str]:
        return [seen.method for seen in self.seen]

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        task = asyncio.create_task(self._serve(self.connections, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while await self._one(number, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.transport.abort()

    async def _one(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self.greeting:
            writer.write(self.greeting)
            await writer.drain()
            return False
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        seen = Seen(method, target, headers, body, number, asyncio.get_running_loop().time())
        if self.tokens and method == "POST" and seen.path.endswith(TOKEN_PATH):
            self.token_requests += 1
            writer.write(http(200, {"token": self.token}))
            await writer.drain()
            return True
        self.seen.append(seen)
        found = self.behaviour(seen)
        reaction = await found if isinstance(found, Awaitable) else found
        if isinstance(reaction, Record):
            reaction = reaction.bytes_for(seen)
        if isinstance(reaction, bytes):
            writer.write(reaction)
            await writer.drain()
            return True
        if isinstance(reaction, Hang):
            await asyncio.sleep(60)
        if isinstance(reaction, Trickle):
            writer.write(reaction.head)
            for _ in range(1000):
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(reaction.every)
        if isinstance(reaction, Reset):
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if isinstance(reaction, Close):
            writer.write(reaction.sent)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        return False


class OneToken(MemoryTokenStore):
    """A store that always has a token: no token call is made."""

    async def load(self, key: str) -> StoredToken | None:
        return StoredToken("t0ken", life=3600.0, wall=time.time(), monotonic=time.monotonic())


def always(reaction: Reaction) -> Behaviour:
    """The same to every request."""
    return lambda _: reaction


def in_turn(*reactions: Reaction) -> Behaviour:
    """One after the other, the last for good."""
    left = list(reactions)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def script(server: Sandbox, kind: FaultKind, operation: str | None = None, **more: Any) -> None:
    server.faults.add(Fault(kind, operation, **more))


def on_wire(server: Sandbox, operation: str) -> int:
    """How many requests of an operation arrived."""
    return sum(1 for entry in server.stats.log if entry.operation == operation)


def other_tasks() -> set[asyncio.Task[Any]]:
    """The tasks that run beside the current one."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
