"""A canned server of our own, for where nginx is not installed or answers have to be late.

One `asyncio.Protocol` and a table of bytes; on uvloop where that is installed. ``python -m benchmarks.server`` prints
its URL as a JSON line and serves until its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import re
import sys
import time
from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any

from benchmarks import payloads

__all__ = ["main", "run_loop"]

_PATH = re.compile(rb"/[^/]+/[^/]+/patients/([^/?]+)(/cdts/[^/?]+(?:/([^/?]+))?)?")
_PAGE = re.compile(rb"[?&]page=(\d+)")
_SIZE = re.compile(rb"[?&]size=(\d+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _reply(status: str, value: object) -> bytes:
    body = payloads.dumps(value)
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class _Canned:
    """Chooses the answer by method and path; it is about the patient and the record that the path names."""

    def __init__(self, total: int) -> None:
        made = lru_cache(maxsize=1 << 16)
        self._created = made(lambda patient: _reply("201 Created", payloads.record(patient=patient)))
        self._record = made(lambda patient, record: _reply("200 OK", payloads.record(record, patient)))
        self._patient = made(lambda patient: _reply("200 OK", payloads.patient(patient)))
        self._page = made(lambda patient, number, size: _reply("200 OK", payloads.page(number, size, total, patient)))
        self._token = _reply("200 OK", payloads.token())
        self._formation = _reply("200 OK", payloads.formation())

    def answer(self, line: bytes) -> bytes:
        """Return the whole reply to a request line."""
        method, target, _ = line.split(b" ", 2)
        path = _PATH.match(target)
        if path is None:
            return self._formation if b"/formations/" in target else self._token
        patient, records, record = (None if part is None else part.decode() for part in path.groups())
        if records is None:
            return self._patient(patient)
        if method == b"POST":
            return self._created(patient)
        if record is not None:
            return self._record(patient, record)
        number, size = _PAGE.search(target), _SIZE.search(target)
        return self._page(patient, int(number[1]) if number else 0, int(size[1]) if size else 20)


class _Protocol(asyncio.Protocol):
    """Answers each request in turn, at once or late."""

    def __init__(self, canned: _Canned, latency: float) -> None:
        self._canned = canned
        self._latency = latency
        self._buffer = b""
        self._transport: Any = None
        loop = asyncio.get_running_loop()
        self._later, self._soon = loop.call_later, loop.call_soon

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # uvloop's is no subclass of asyncio's

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the transport: an answer that is late may find it gone."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Cut requests out of what came, and answer those that are whole."""
        buffer = self._buffer + data if self._buffer else data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            head = buffer[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(buffer) < whole:
                break
            buffer = buffer[whole:]
            reply = self._canned.answer(head[: head.index(b"\r\n")])
            if self._latency:
                # A timer counts whole milliseconds and goes off late: it is set early, and the rest is spun away.
                due = time.perf_counter() + self._latency
                self._later(self._latency - 0.0015, self._write_at, due, reply)
            else:
                self._write(reply)
        self._buffer = buffer

    def _write_at(self, due: float, reply: bytes) -> None:
        if time.perf_counter() < due:
            self._soon(self._write_at, due, reply)
        else:
            self._write(reply)

    def _write(self, reply: bytes) -> None:
        if self._transport is not None:
            self._transport.write(reply)


async def _serve(latency: float, total: int) -> None:
    loop = asyncio.get_running_loop()
    canned = _Canned(total)
    server = await loop.create_server(lambda: _Protocol(canned, latency), "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"base_url": f"http://127.0.0.1:{port}"}) + "\n")
    sys.stdout.flush()
    gc.freeze()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def run_loop(main: Callable[[], Coroutine[Any, Any, Any]], *, uvloop: bool | None = None) -> Any:
    """Run a coroutine function.

    Args:
        main: What to run.
        uvloop: Whether on uvloop; None for "where it is installed".
    """
    factory: Any = None
    if uvloop is not False:
        try:
            factory = importlib.import_module("uvloop").new_event_loop
        except ImportError:
            if uvloop:
                raise
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


def main() -> int:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds every answer waits (%(default)s)")
    parser.add_argument("--total", type=int, default=20000, help="records on all pages together (%(default)s)")
    options = parser.parse_args()
    run_loop(lambda: _serve(options.latency, options.total))
    return 0


if __name__ == "__main__":
    sys.exit(main())
