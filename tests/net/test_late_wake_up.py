"""A timeout judges what has arrived: an event loop that was held up has not read what lies in its sockets."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from welkin_async import ConnectionLostError

from .helpers import OneToken, connect

RECORD = {"id": "r1", "patientId": "p", "jsonBody": {"text": "x" * 100}}


class Slow:
    """Where a server in a thread of its own is, and whether it has been asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._asked = threading.Event()

    def note(self) -> None:
        self._asked.set()

    async def asked(self) -> None:
        while not self._asked.is_set():
            await asyncio.sleep(0.001)


@contextmanager
def threaded_server(answer: bytes, *, delay: float = 0.1) -> Iterator[Slow]:
    """A server that answers while the client's event loop stands still."""
    listener = socket.create_server(("127.0.0.1", 0))
    slow = Slow(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(ConnectionError):  # a client that gave up resets it
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65536)
            slow.note()
            time.sleep(delay)
            connection.sendall(answer)
            connection.recv(1)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield slow
    finally:
        listener.close()


def head(body: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n".encode() + body


def run(main: Callable[[], Any], loop: str) -> Any:
    factory: Any = importlib.import_module("uvloop").new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


def loops() -> list[str]:
    return ["asyncio", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]


@pytest.mark.timing
@pytest.mark.parametrize("loop", loops())
@pytest.mark.parametrize("size", [100, 1_000_000])
def test_an_answer_that_arrived_while_the_loop_stood_still_is_read(loop: str, size: int) -> None:
    """A blocking call, a stopped process, a machine's sleep: longer than the timeout."""
    body = json.dumps({**RECORD, "jsonBody": {"text": "x" * size}}).encode()

    async def main() -> str:
        async with connect(slow.url, timeout=0.3, token_store=OneToken()) as welkin:
            call = asyncio.create_task(welkin.patient("p").cdts("m").create({}, max_attempts=1))
            await slow.asked()
            time.sleep(1.0)
            return (await call).id

    with threaded_server(head(body)) as slow:
        assert run(main, loop) == "r1"


@pytest.mark.timing
@pytest.mark.parametrize("loop", loops())
def test_an_answer_that_did_not_arrive_is_given_up_all_the_same(loop: str) -> None:
    async def main() -> float:
        async with connect(slow.url, timeout=0.3, token_store=OneToken()) as welkin:
            call = asyncio.create_task(welkin.patients.get("x", max_attempts=1))
            await slow.asked()
            time.sleep(1.0)
            awake = time.monotonic()
            with pytest.raises(ConnectionLostError):
                await call
            return time.monotonic() - awake

    with threaded_server(head(b"", 10), delay=3.0) as slow:
        assert run(main, loop) < 1.0


@pytest.mark.timing
@pytest.mark.parametrize("loop", loops())
def test_a_loop_that_is_held_up_all_the_time_still_ends_what_is_late(loop: str) -> None:
    async def main() -> float:
        async with connect(slow.url, timeout=0.3, token_store=OneToken()) as welkin:
            started = time.monotonic()
            call = asyncio.create_task(welkin.patients.get("x", max_attempts=1))
            await slow.asked()
            while not call.done():
                time.sleep(0.1)
                await asyncio.sleep(0)
            with pytest.raises(ConnectionLostError):
                await call
            return time.monotonic() - started

    with threaded_server(head(b"", 10), delay=5.0) as slow:
        assert run(main, loop) < 2.0


@pytest.mark.timing
@pytest.mark.parametrize("loop", loops())
def test_a_transfer_is_not_given_up_either(loop: str, tmp_path: Any) -> None:
    content = b"y" * 500_000
    answer = head(content).replace(b"application/json", b"application/pdf")

    async def main() -> int:
        async with connect(slow.url, timeout=0.3, token_store=OneToken()) as welkin:
            files = welkin.patient("p").document("d").files
            call = asyncio.create_task(files.download("f", tmp_path / "file", max_attempts=1))
            await slow.asked()
            time.sleep(1.0)
            return (await call).size

    with threaded_server(answer) as slow:
        assert run(main, loop) == len(content)
