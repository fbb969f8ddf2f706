"""The direct engine's connections: kept, given out again, dropped; deadlines, cancellation, large bodies, two loops."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from welkin_async.http.engines import direct_pool
from welkin_async.http.engines.direct_connection import BufferedConnection, DirectConnection
from welkin_async.http.engines.direct_response import ResponseParser
from welkin_async.http.engines.engine import KEEP_ALIVE

from .helpers import (
    ENGINES,
    answering,
    certificates,
    connections,
    dead_port,
    descriptors,
    engine_on,
    get,
    on_both_loops,
    port_of,
    request_of,
    send,
    serving,
    serving_in_threads,
    until,
)
from .raw_answers import BODY, CHUNKED, OK, SIZED

ANSWER = OK + SIZED
OTHER = OK + b'Content-Length: 11\r\n\r\n{"id":"r2"}'
TLS = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


def contexts(tls: bool) -> tuple[Any, Any]:
    return certificates() if tls else (None, None)


@TLS
@on_both_loops
async def test_a_connection_is_used_again(tls: bool) -> None:
    server, client = contexts(tls)
    async with serving(answering(ANSWER), server) as base_url, engine_on(base_url, ssl=client) as engine:
        for _ in range(5):
            assert (await get(engine, base_url)).body == BODY
        assert len(connections(engine)) == 1


@on_both_loops
async def test_the_one_used_last_is_used_first() -> None:
    async with serving(answering(ANSWER)) as base_url, engine_on(base_url) as engine:
        await asyncio.gather(*(get(engine, base_url) for _ in range(3)))
        *others, last = engine._pool._idle
        before = [each.idle_since for each in others]
        for _ in range(4):
            await get(engine, base_url)
        assert list(engine._pool._idle) == [*others, last]
        assert [each.idle_since for each in others] == before


@TLS
@on_both_loops
async def test_what_is_idle_for_too_long_is_closed(monkeypatch: pytest.MonkeyPatch, tls: bool) -> None:
    monkeypatch.setattr(direct_pool, "KEEP_ALIVE", 0.4)
    server, client = contexts(tls)
    async with serving(answering(ANSWER), server) as base_url, engine_on(base_url, ssl=client) as engine:
        await asyncio.gather(get(engine, base_url), get(engine, base_url))
        await asyncio.sleep(0.2)
        await get(engine, base_url)
        assert len(connections(engine)) == 2
        await until(lambda: len(connections(engine)) == 1)
        await until(lambda: not connections(engine))
        time.sleep(0.5)  # what the timer had no chance to close is not used either
        await get(engine, base_url)
        time.sleep(0.5)
        assert engine._pool.take(asyncio.get_running_loop().time(), None) is None


async def test_idle_connections_are_closed_before_a_load_balancer_does() -> None:
    assert KEEP_ALIVE >= 30
    assert KEEP_ALIVE * 10 / 9 <= 50  # a ninth of it may pass until it is noticed, and 60 are the load balancer's


@TLS
@pytest.mark.parametrize("extra", [b"\r\n", b"x", OTHER, b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
@on_both_loops
async def test_any_byte_on_an_idle_connection_ends_it(extra: bytes, tls: bool) -> None:
    server, client = contexts(tls)
    serve = answering(ANSWER, then=[extra])
    async with serving(serve, server) as base_url, engine_on(base_url, ssl=client) as engine:
        assert (await get(engine, base_url)).body == BODY
        await until(lambda: not connections(engine))
        assert (await get(engine, base_url)).body == BODY


@TLS
@pytest.mark.parametrize(
    "pieces", [[ANSWER + OTHER], [ANSWER, OTHER], [ANSWER + OTHER[:9], OTHER[9:]], [ANSWER, OTHER[:9], OTHER[9:]]]
)
@on_both_loops
async def test_a_second_answer_never_reaches_the_next_request(pieces: list[bytes], tls: bool) -> None:
    """Whether it comes with the first, or while the connection is idle."""
    connected = 0

    async def doubles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected += 1
        for piece in pieces if connected == 1 else [ANSWER]:
            if piece is pieces[0] or connected > 1:
                await request_of(reader)
            writer.write(piece)
            await asyncio.sleep(0.01)
        while True:
            await request_of(reader)
            writer.write(ANSWER)

    server, client = contexts(tls)
    async with serving(doubles, server) as base_url, engine_on(base_url, ssl=client) as engine:
        bodies = []
        for turn in range(3):
            with contextlib.suppress(aiohttp.ClientError):
                bodies.append((await get(engine, base_url)).body)
            if turn == 0:
                await until(lambda: not connections(engine))
        assert bodies == [BODY] * (3 if pieces[0] == ANSWER else 2)
        assert connected == 2


@TLS
@pytest.mark.parametrize("how", ["closed", "reset"])
@on_both_loops
async def test_a_connection_the_peer_ends_is_not_used_again(how: str, tls: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(ANSWER)
        await asyncio.sleep(0.02)
        if how == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    server, client = contexts(tls)
    async with serving(serve, server) as base_url, engine_on(base_url, ssl=client) as engine:
        for _ in range(3):
            assert (await get(engine, base_url)).body == BODY
            await until(lambda: not connections(engine))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@on_both_loops
async def test_a_kept_alive_connection_that_is_dead_is_one_request_and_unknown(method: str) -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request_of(reader))
        writer.write(ANSWER)
        seen.append(await request_of(reader))

    async with serving(serve) as base_url, engine_on(base_url) as engine:
        await send(engine, method, base_url + "/x")
        with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            await send(engine, method, base_url + "/x")
        assert len(seen) == 2


@on_both_loops
async def test_the_last_answer_of_a_connection_ends_it() -> None:
    last = OK + b"Connection: close\r\n" + SIZED
    async with serving(answering(last)) as base_url, engine_on(base_url) as engine:
        for _ in range(2):
            reply = await get(engine, base_url)
            assert reply.body == BODY
            await until(lambda: not connections(engine))
            assert reply.exchange is not None
            assert reply.exchange.connection._parser is None  # type: ignore[attr-defined] # the body is not kept


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://h.example", "h.example"),
        ("https://h.example:443", "h.example"),
        ("https://h.example:80", "h.example:80"),
        ("http://127.0.0.1:80", "127.0.0.1"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
async def test_a_default_port_is_left_out_of_host(url: str, host: str) -> None:
    async with engine_on(url) as engine:
        assert engine._own["Host"] == host


def hold_up(seconds: float) -> None:
    """Block the loop while it reads from sockets: afterwards, uvloop sees to its timers before it reads on."""
    loop = asyncio.get_running_loop()
    reader, writer = socket.socketpair()

    def block() -> None:
        loop.remove_reader(reader)
        time.sleep(seconds)
        reader.close()
        writer.close()

    loop.add_reader(reader, block)
    writer.send(b"x")


@TLS
@pytest.mark.parametrize("size", [11, 1_000_000])
@on_both_loops
async def test_data_that_has_arrived_is_looked_at_before_a_timeout_is_believed(size: int, tls: bool) -> None:
    """The loop is held up for longer than the timeout while the answer comes in."""
    server, client = contexts(tls)

    def serve(connection: socket.socket) -> None:
        while connection.recv(1 << 16):
            time.sleep(0.05)
            connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % size + b"a" * size)

    with serving_in_threads(serve, server) as base_url:
        async with engine_on(base_url, ssl=client) as engine:
            await get(engine, base_url)
            exchange = asyncio.create_task(get(engine, base_url, timeout=0.15))
            await asyncio.sleep(0.01)
            hold_up(0.4)
            assert len((await exchange).body) == size
            assert len((await get(engine, base_url)).body) == size
            assert len(connections(engine)) == 1


@pytest.mark.parametrize("engine_name", ENGINES)
@on_both_loops
async def test_a_loop_held_up_to_just_behind_the_deadline(engine_name: str) -> None:
    """The answer came in time, and the timer is hardly late."""

    def serve(connection: socket.socket) -> None:
        while connection.recv(1 << 16):
            time.sleep(0.05)
            connection.sendall(ANSWER)

    with serving_in_threads(serve) as base_url:
        async with engine_on(base_url, engine_name) as engine:
            await get(engine, base_url)
            exchange = asyncio.create_task(get(engine, base_url, timeout=0.15))
            await asyncio.sleep(0.01)
            hold_up(0.16)
            assert (await exchange).body == BODY


@pytest.mark.timing
@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 2", OK])
@on_both_loops
async def test_an_answer_that_does_not_come_in_time(part: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(part)
        await reader.read()

    async with serving(serve) as base_url, engine_on(base_url) as engine:
        started = time.monotonic()
        with pytest.raises(TimeoutError) as caught:
            await get(engine, base_url, timeout=0.1)
        assert not isinstance(caught.value, aiohttp.ConnectionTimeoutError)
        assert 0.09 < time.monotonic() - started < 0.4
        await until(lambda: not connections(engine))


@pytest.mark.timing
@on_both_loops
async def test_an_answer_that_has_begun_has_twice_as_long_for_the_rest() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request_of(reader)
            writer.write(OK + b"Content-Length: 11\r\n\r\n")
            await asyncio.sleep(rest)
            writer.write(BODY)

    rest = 0.3
    async with serving(serve) as base_url, engine_on(base_url) as engine:
        assert (await get(engine, base_url, timeout=0.2)).body == BODY
        rest = 2.0
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await get(engine, base_url, timeout=0.1)
        assert 0.19 < time.monotonic() - started < 0.6
        await until(lambda: not connections(engine))


@pytest.mark.timing
@TLS
@pytest.mark.parametrize("late", [False, True], ids=["cancelled", "late"])
@on_both_loops
async def test_a_descriptor_is_gone_within_a_second_though_the_peer_has_stopped(late: bool, tls: bool) -> None:
    """It reads nothing and answers no close_notify."""
    server, client = contexts(tls)
    stopped = threading.Event()
    with serving_in_threads(lambda connection: stopped.wait(10), server) as base_url:
        async with engine_on(base_url, ssl=client) as engine:
            before = descriptors()
            for body in (None, b"a" * 20_000_000):
                exchange = asyncio.create_task(
                    send(engine, "POST", base_url + "/x", body, timeout=0.3 if late else 30.0)
                )
                await until(lambda: bool(connections(engine)))
                await asyncio.sleep(0.05)
                if not late:
                    exchange.cancel()
                with pytest.raises(TimeoutError if late else asyncio.CancelledError):
                    await exchange
                await until(lambda: not connections(engine), 1.0)
            await until(lambda: descriptors() <= before + 2 * 1, 1.0)  # the server's own ends
        stopped.set()


@on_both_loops
async def test_a_handshake_that_is_cancelled_leaves_no_descriptor() -> None:
    _, client = certificates()
    stopped = threading.Event()
    with serving_in_threads(lambda connection: stopped.wait(10)) as plain:
        base_url = plain.replace("http", "https")
        async with engine_on(base_url, ssl=client) as engine:
            before = descriptors()
            exchange = asyncio.create_task(get(engine, base_url))
            await until(lambda: descriptors() == before + 2)
            exchange.cancel()
            with pytest.raises(asyncio.CancelledError):
                await exchange
            await until(lambda: descriptors() == before + 1)  # the server's end
        stopped.set()


@on_both_loops
async def test_closing_ends_what_is_out_and_leaves_nothing() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(OK + b"\r\n" + BODY)  # whole JSON, but not the connection's end
        await reader.read()

    before = descriptors()
    async with serving(serve) as base_url, engine_on(base_url) as engine:
        exchanges = [asyncio.create_task(get(engine, base_url)) for _ in range(3)]
        await until(lambda: len(connections(engine)) == 3)
        await asyncio.sleep(0.05)
        await engine.aclose()
        assert connections(engine) == set()
        for exchange in exchanges:
            with pytest.raises(aiohttp.ClientError):
                await exchange
        with pytest.raises(aiohttp.ClientError):
            await get(engine, base_url)
    await until(lambda: descriptors() <= before)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@on_both_loops
async def test_closing_while_the_host_is_looked_up() -> None:
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    async def never(*_: object, **__: object) -> Any:
        asked.set()
        await asyncio.sleep(30)

    loop.getaddrinfo = never  # type: ignore[method-assign]
    async with engine_on("https://h.example") as engine:
        exchange = asyncio.create_task(get(engine, "https://h.example"))
        await asked.wait()
        await engine.aclose()
        with pytest.raises(aiohttp.ClientConnectionError):
            await exchange


def resolving(addresses: Callable[[], list[tuple[str, int]]]) -> list[str]:
    """Let localhost have other addresses; gives what is asked for. When it connects, uvloop asks for numeric ones."""
    asked: list[str] = []
    loop = asyncio.get_running_loop()
    really = loop.getaddrinfo

    async def look_up(host: Any, *given: Any, **options: Any) -> Any:
        if host != "localhost":
            return await really(host, *given, **options)
        asked.append(host)
        await asyncio.sleep(0.01)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses()]

    loop.getaddrinfo = look_up  # type: ignore[method-assign]
    return asked


@pytest.mark.timing
@on_both_loops
async def test_a_dead_first_address_does_not_hold_up_the_second() -> None:
    async with serving(answering(ANSWER)) as base_url:
        with dead_port() as dead:
            resolving(lambda: [("127.0.0.2", dead), ("127.0.0.1", port_of(base_url))])
            async with engine_on(base_url) as engine:
                started = time.monotonic()
                assert (await get(engine, base_url)).body == BODY
                assert 0.2 < time.monotonic() - started < 1.0


@on_both_loops
async def test_addresses_are_looked_up_once_and_again_after_a_failure() -> None:
    async with serving(answering(ANSWER)) as base_url:
        port = port_of(base_url)
        asked = resolving(lambda: [("127.0.0.1", port)])
        async with engine_on(base_url) as engine:
            impatient = asyncio.create_task(get(engine, base_url))
            await asyncio.sleep(0)
            others = [asyncio.create_task(get(engine, base_url)) for _ in range(3)]
            await asyncio.sleep(0)
            impatient.cancel()
            await asyncio.gather(*others)
            assert asked == ["localhost"]
            for connection in connections(engine).copy():
                connection.close()
            await until(lambda: not connections(engine))
            await get(engine, base_url)
            assert asked == ["localhost"]
            for connection in connections(engine).copy():
                connection.close()
            port = 1
            engine._pool._looked_up -= 60
            for _ in range(2):
                with pytest.raises(aiohttp.ClientConnectorError):
                    await get(engine, base_url)
            assert len(asked) == 3
            port = port_of(base_url)
            await get(engine, base_url)
            assert len(asked) == 4


@pytest.mark.parametrize("engine_name", ENGINES)
@pytest.mark.parametrize("how", ["refused", "silent"])
@on_both_loops
async def test_a_failover_is_seen_by_the_next_connection(engine_name: str, how: str) -> None:
    """A name that leads elsewhere since a connect failed is looked up again, and not after a minute."""
    with dead_port() as dead:
        async with serving(answering(ANSWER)) as base_url:
            first = ("127.0.0.2", dead) if how == "silent" else ("127.0.0.1", 1)
            resolving(lambda: [first])
            async with engine_on(base_url, engine_name) as engine:
                with pytest.raises((aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
                    await get(engine, base_url, timeout=0.3)
                first = ("127.0.0.1", port_of(base_url))
                assert (await get(engine, base_url)).body == BODY


@TLS
@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 3_000_000])
@on_both_loops
async def test_a_body_of_any_size_arrives_whole(size: int, tls: bool) -> None:
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            bodies.append((await request_of(reader)).partition(b"\r\n\r\n")[2])
            writer.write(ANSWER)

    server, client = contexts(tls)
    body = os.urandom(size)
    async with serving(serve, server) as base_url, engine_on(base_url, ssl=client) as engine:
        for _ in range(2):
            assert (await send(engine, "POST", base_url + "/x", body)).status == 200
        assert bodies == [body, body]
        assert len(connections(engine)) == 1


@on_both_loops
async def test_a_large_body_is_held_back_while_the_peer_does_not_read() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)  # what nobody reads fills the reader, then the socket

    async with serving(serve) as base_url, engine_on(base_url) as engine:
        exchange = asyncio.create_task(send(engine, "POST", base_url + "/x", b"a" * 50_000_000))
        await asyncio.sleep(0.2)
        (connection,) = connections(engine)
        assert 0 < connection._transport.get_write_buffer_size() < 1 << 20
        exchange.cancel()
        with pytest.raises(asyncio.CancelledError):
            await exchange


@on_both_loops
async def test_an_answer_before_the_end_of_a_large_body_is_believed_and_the_connection_is_not() -> None:
    early = b"HTTP/1.1 413 Too Large\r\n" + SIZED

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(early)
        await asyncio.sleep(1)

    async with serving(serve) as base_url, engine_on(base_url) as engine:
        reply = await send(engine, "POST", base_url + "/x", b"a" * 50_000_000)
        assert (reply.status, reply.body) == (413, BODY)
        await until(lambda: not connections(engine))


class StubbornTransport(asyncio.Transport):
    """Takes what is written and sends none of it."""

    def __init__(self, connection: DirectConnection) -> None:
        super().__init__()
        self.connection = connection
        self.written: list[bytes] = []
        self.aborted = False
        connection.connection_made(self)

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))
        if len(self.written) == 2:
            self.connection.pause_writing()

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written))

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


def connected(
    on_begun: Callable[[DirectConnection], None] = lambda _: None,
) -> tuple[DirectConnection, StubbornTransport]:
    """Return a connection and its transport."""
    connection = DirectConnection(asyncio.get_running_loop(), on_begun, lambda _: None)
    return connection, StubbornTransport(connection)


@pytest.mark.parametrize(
    ("reads", "begun_after"),
    [
        ([OK, SIZED], []),
        ([OK, SIZED[:-1], b"}"], [1]),
        ([OK + b"Content-Le", b"ngth: 11\r\n\r\n", BODY], [1]),
        ([b"HTTP/1.1 103 X\r\n\r\n", OK, SIZED[:22], BODY[:3], BODY[3:]], [2]),
        ([OK + CHUNKED, b"0\r\n", b"\r\n"], [0]),
        ([OK + SIZED], []),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], []),
    ],
)
async def test_an_answer_has_begun_with_its_whole_head(reads: list[bytes], begun_after: list[int]) -> None:
    """Once, where the body is still to come; a byte of the head prolongs nothing."""
    begun: list[int] = []
    parser = ResponseParser(1000)
    connection, _ = connected(lambda _: begun.append(parser.received))
    answered = connection.send(b"head", parser, 1.0)
    for data in reads:
        connection.data_received(data)
    assert await answered is None
    assert begun == [sum(map(len, reads[: each + 1])) for each in begun_after]


@TLS
@on_both_loops
async def test_a_connection_reads_into_its_buffer_where_the_loop_would_make_one_each_time(tls: bool) -> None:
    """Answers that come at the same time, larger than a read, do not mix in it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = (await request_of(reader)).split()[1][1:] * 700_000  # the path's letter
        writer.write(OK + b"Content-Length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 100_000):
            writer.write(body[start : start + 100_000])
            await asyncio.sleep(0)
        await reader.read()

    server, client = contexts(tls)
    async with serving(serve, server) as base_url, engine_on(base_url, ssl=client) as engine:
        replies = await asyncio.gather(*(get(engine, base_url, f"/{letter}") for letter in "abcdef"))
        assert [reply.body.decode() for reply in replies] == [letter * 700_000 for letter in "abcdef"]
        stock = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
        assert {isinstance(each, BufferedConnection) for each in connections(engine)} == {tls or stock}


async def test_no_more_of_a_large_body_is_written_once_the_answer_is_there() -> None:
    connection, transport = connected()
    answered = connection.send(b"head", ResponseParser(1000), 1.0)
    sending = asyncio.create_task(connection.send_body(b"a" * 10_000_000))
    await asyncio.sleep(0)
    assert len(transport.written) == 2
    connection.data_received(ANSWER)
    await asyncio.gather(answered, sending)
    assert len(transport.written) == 2
    assert transport.aborted


async def test_a_connection_with_bytes_still_to_send_is_not_used_again() -> None:
    connection, transport = connected()
    connection.send(b"head", ResponseParser(1000), 1.0)
    connection.data_received(ANSWER)
    assert not connection.release()
    transport.written.clear()
    assert connection.release()


async def test_an_answer_is_read_whose_connection_is_gone_by_then_and_keeps_nothing_of_it() -> None:
    """As where a large body is answered before its end and the connection closed at once."""
    connection, _ = connected()
    gc.disable()
    try:
        parser = ResponseParser(1000)
        answered = connection.send(b"head", parser, 1.0)
        connection.data_received(ANSWER)
        connection.connection_lost(None)
        assert await answered is None
        assert parser.body() == BODY
        gone = weakref.ref(parser)
        del parser
        assert gone() is None
    finally:
        gc.enable()


async def test_the_answers_of_a_connection_do_not_mix() -> None:
    connection, transport = connected()
    for number in range(3):
        transport.written.clear()
        parser = ResponseParser(1000)
        body = b'{"n":%d}' % number
        answered = connection.send(b"head", parser, 1.0)
        connection.data_received(OK + b"Content-Length: %d\r\nX-N: %d\r\n\r\n" % (len(body), number))
        connection.data_received(body + b"\r\n" * (number == 1))
        assert await answered is None
        assert (parser.status, parser.body(), parser.reusable) == (200, body, True)
        assert b"X-N: %d" % number in parser.head
        transport.written.clear()
        assert connection.release()


@on_both_loops
async def test_a_get_is_inflated() -> None:
    body = gzip.compress(BODY * 1000)
    answer = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with serving(answering(answer)) as base_url, engine_on(base_url) as engine:
        for _ in range(2):
            assert (await get(engine, base_url)).body == BODY * 1000
        assert len(connections(engine)) == 1


@on_both_loops
async def test_a_refused_answer_drops_the_connection() -> None:
    answer = OK + b"Content-Encoding: br\r\n" + SIZED
    async with serving(answering(answer)) as base_url, engine_on(base_url) as engine:
        with pytest.raises(aiohttp.ClientPayloadError):
            await get(engine, base_url)
        await until(lambda: not connections(engine))


@on_both_loops
async def test_many_at_once_get_their_own_answers() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await request_of(reader)).split(b" ")[1]
            await asyncio.sleep(0.001 * (len(path) % 3))
            writer.write(OK + b"Content-Length: %d\r\n\r\n" % len(path))
            await asyncio.sleep(0)
            writer.write(path)

    async with serving(serve) as base_url, engine_on(base_url) as engine:

        async def worker(number: int) -> None:
            for turn in range(20):
                path = f"/{number}/{turn * 10**number}"
                assert (await get(engine, base_url, path)).body.decode() == path

        await asyncio.gather(*(worker(number) for number in range(16)))
        assert len(connections(engine)) == 16
