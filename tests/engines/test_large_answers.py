"""An answer has a bound, counted while it is read and while it is inflated: memory stays small. Both engines."""

from __future__ import annotations

import contextlib
import functools
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest

from welkin_async.http.engines.engine import SMALL_ANSWER
from welkin_async.http.retry import AnswerTooLargeError

from .helpers import ENGINES, answering, engine_on, get, send, serving, serving_in_threads
from .raw_answers import CHUNKED, OK

on_both_engines = pytest.mark.parametrize("name", ENGINES)

Serve = Callable[[socket.socket], object]


@functools.cache
def bomb() -> bytes:
    """A gzip member of 100 MiB of zeros, in 100 KB."""
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    zeros = bytes(1 << 20)
    return b"".join([*(packer.compress(zeros) for _ in range(100)), packer.flush()])


def flood(head: bytes, piece: bytes) -> Serve:
    """Answer with a head and pieces for as long as anybody reads them."""

    def serve(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return serve


@contextlib.contextmanager
def peak_below(megabytes: int) -> Iterator[None]:
    """Hold the most memory that Python's objects had at once against a bound."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < megabytes * 1_000_000


def gzip_bomb(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    data = bomb()
    connection.sendall(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
    connection.recv(1)


TEN_GB = flood(OK + b"Content-Length: 10000000000\r\n\r\n", bytes(1 << 16))
ENDLESS = flood(OK + CHUNKED, b"%x\r\n" % (1 << 16) + bytes(1 << 16) + b"\r\n")
ERROR = flood(b"HTTP/1.1 500 Oh\r\nContent-Length: 300000000\r\n\r\n", bytes(1 << 16))


@on_both_engines
@pytest.mark.parametrize(
    ("serve", "megabytes"),
    [(gzip_bomb, 80), (TEN_GB, 80), (ENDLESS, 80), (ERROR, 5)],
    ids=["gzip bomb", "10 GB", "without end", "error"],
)
async def test_memory_has_a_bound(name: str, serve: Serve, megabytes: int) -> None:
    bomb()
    with serving_in_threads(serve) as base_url:
        async with engine_on(base_url, name) as engine:
            with peak_below(megabytes), pytest.raises(AnswerTooLargeError):
                await get(engine, base_url, timeout=60.0)


@on_both_engines
@pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("head", [b"Content-Length: %d\r\n\r\n", CHUNKED + b"%x\r\n"], ids=["sized", "chunked"])
@pytest.mark.parametrize("size", [1000, 3_000_000])
async def test_the_bound_is_exact(name: str, head: bytes, gzipped: bool, size: int) -> None:
    body = b"a" * size
    sent = zlib.compress(body, wbits=31) if gzipped else body
    coding = b"Content-Encoding: gzip\r\n" if gzipped else b""
    answer = OK + coding + head % len(sent) + sent + (b"\r\n0\r\n\r\n" if b"chunked" in head else b"")
    overhead = len(answer) - len(sent) if name == "direct" and not gzipped else 0  # as sent: head and chunk sizes too
    async with serving(answering(answer)) as base_url, engine_on(base_url, name) as engine:
        reply = await get(engine, base_url)
        assert reply.body == body
        assert (await send(engine, "GET", base_url + "/x", max_answer=size + overhead)).body == body
        with pytest.raises(AnswerTooLargeError):
            await send(engine, "GET", base_url + "/x", max_answer=size - 1)


@on_both_engines
async def test_what_is_no_success_is_small(name: str) -> None:
    def answer(status: int, size: int) -> bytes:
        return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, size) + b"a" * size

    for status in (200, 302, 404, 500):
        for size in (SMALL_ANSWER - 200, SMALL_ANSWER + 200):
            async with serving(answering(answer(status, size))) as base_url, engine_on(base_url, name) as engine:
                if status == 200 or size < SMALL_ANSWER:
                    assert len((await get(engine, base_url)).body) == size
                else:
                    with pytest.raises(AnswerTooLargeError):
                        await get(engine, base_url)


def idle(engine: Any) -> int:
    """How many connections may be used again."""
    if engine.name == "direct":
        return len(engine._pool._idle)
    return sum(len(held) for held in engine._connector._conns.values())


@on_both_engines
async def test_an_answer_too_large_ends_its_connection(name: str) -> None:
    answer = OK + b"Content-Length: 300000\r\n\r\n" + b"a" * 300_000
    async with serving(answering(answer)) as base_url, engine_on(base_url, name, max_answer=1000) as engine:
        for _ in range(2):
            with pytest.raises(aiohttp.ClientPayloadError):
                await get(engine, base_url)
        assert idle(engine) == 0
