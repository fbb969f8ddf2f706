"""What the tests of the engines share: an engine by name, on either loop, and servers of raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from typing import Any

import pytest
import trustme
import uvloop
from multidict import CIMultiDict
from yarl import URL

from welkin_async.http.attempt import Reply
from welkin_async.http.engines.aiohttp_engine import AiohttpEngine
from welkin_async.http.engines.direct_connection import DirectConnection
from welkin_async.http.engines.direct_engine import DirectEngine
from welkin_async.http.engines.engine import Engine
from welkin_async.http.settings import Settings
from welkin_async.wire.exchange import Exchange

ENGINES = ("aiohttp", "direct")
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "stock": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
NAMES = {"tenant": "gh", "instance": "sb-demo", "api_client": "C", "secret_key": "s"}

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
AsyncTest = Callable[..., Coroutine[Any, Any, None]]


def on_both_loops(test: AsyncTest) -> Callable[..., None]:
    """Run a test on the stock loop and on uvloop."""

    @functools.wraps(test)
    def run(loop: str, **given: Any) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(test(**given))

    signature = inspect.signature(test)
    loop = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), loop])  # type: ignore[attr-defined]
    parametrized: Callable[..., None] = pytest.mark.parametrize("loop", LOOPS)(run)
    return parametrized


def settings_of(base_url: str, **more: Any) -> Settings:
    return Settings.read({**NAMES, "base_url": base_url, **more}, {})


def make(name: str, settings: Settings) -> Engine:
    """Make an engine on the running loop."""
    other = AiohttpEngine(settings)
    return other if name == "aiohttp" else DirectEngine(settings, other)


@contextlib.asynccontextmanager
async def engine_on(
    base_url: str, name: str = "direct", ssl: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[Any]:
    """An engine for a server, closed afterwards."""
    engine = make(name, settings_of(base_url, ssl=ssl, **options))
    try:
        yield engine
    finally:
        await engine.aclose()


async def get(engine: Engine, base_url: str, path: str = "/x", *, timeout: float = 5.0) -> Reply:
    return await send(engine, "GET", base_url + path, timeout=timeout)


async def send(
    engine: Engine,
    method: str,
    url: str,
    body: bytes | None = None,
    *,
    timeout: float = 5.0,
    fresh: bool = False,
    via: Exchange | None = None,
    max_answer: int | None = None,
    **headers: str,
) -> Reply:
    started = asyncio.get_running_loop().time()
    where = URL(url, encoded=True)
    return await engine.exchange(method, where, body, CIMultiDict(headers), timeout, started, fresh, via, max_answer)


@contextlib.asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server; gives its base URL. What its handlers raise when they are cut off is of no interest."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        scheme = "http" if context is None else "https"
        yield f"{scheme}://localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.sleep(0.01)


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """Read one request, its body too."""
    head = await reader.readuntil(b"\r\n\r\n")
    _, _, rest = head.lower().partition(b"\r\ncontent-length: ")
    return head + await reader.readexactly(int(rest.partition(b"\r\n")[0] or b"0"))


def answering(*answers: bytes, then: Sequence[bytes] = ()) -> Serve:
    """Answer each request of a connection, the last answer for good; `then` follows the first answer on its own."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = list(answers)
        extra = list(then)
        while True:
            await request_of(reader)
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()
            for piece in extra:
                await asyncio.sleep(0.02)
                writer.write(piece)
            extra.clear()

    return serve


def port_of(base_url: str) -> int:
    return int(base_url.rpartition(":")[2])


def connections(engine: Any) -> set[DirectConnection]:
    """The connections a direct engine has open."""
    open_now: set[DirectConnection] = engine._pool._open
    return open_now


def descriptors() -> int:
    """How many sockets this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count


async def until(reached: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something is so, and fail where it is not in time."""
    async with asyncio.timeout(seconds):
        while not reached():
            await asyncio.sleep(0.005)


@functools.cache
def certificates() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """SSL contexts of a server named localhost, and of a client that trusts it alone."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@contextlib.contextmanager
def serving_in_threads(
    serve: Callable[[socket.socket], object], context: ssl.SSLContext | None = None
) -> Iterator[str]:
    """A server that runs on while the loop is held up, and does nothing for TLS that it is not told; gives its URL."""
    taken: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            wrapped = connection if context is None else context.wrap_socket(connection, server_side=True)
            taken.append(wrapped)
            serve(wrapped)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                taken.append(connection)
                threads.append(threading.Thread(target=handle, args=(connection,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads.append(threading.Thread(target=accept))
        threads[0].start()
        try:
            yield f"http{'' if context is None else 's'}://localhost:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in taken:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            for thread in threads:
                thread.join()


@contextlib.contextmanager
def dead_port() -> Iterator[int]:
    """A port whose connections are never made: what is queued there is never accepted, and there is no room left."""
    with socket.socket() as listener, contextlib.ExitStack() as queued:
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = queued.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield int(listener.getsockname()[1])
