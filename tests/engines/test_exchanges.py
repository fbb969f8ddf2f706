"""Where an answer came from: numbered on its connection, which can be asked for, retired and closed. Both engines."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest

from welkin_async.wire.exchange import Exchange

from .helpers import ENGINES, Serve, engine_on, get, request_of, send, serving, until
from .raw_answers import OK, SIZED

pytestmark = pytest.mark.parametrize("name", ENGINES)


class Counting:
    """A server that notes on which connection each request came, and answers once it may."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.open = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._connections = 0

    @property
    def serve(self) -> Serve:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections += 1
            number = self._connections
            self.open += 1
            try:
                while True:
                    await request_of(reader)
                    self.asked.append(number)
                    await self.may_answer.wait()
                    writer.write(OK + SIZED)
            finally:
                self.open -= 1

        return serve


def exchange_of(reply: Any) -> Exchange:
    assert isinstance(reply.exchange, Exchange)
    return reply.exchange


async def test_answers_are_numbered_and_the_first_is_believed(name: str) -> None:
    server = Counting()
    async with serving(server.serve) as base_url, engine_on(base_url, name) as engine:
        exchanges = [exchange_of(await get(engine, base_url)) for _ in range(3)]
        assert [each.number for each in exchanges] == [1, 2, 3]
        assert len({id(each.connection) for each in exchanges}) == 1
        assert [each.confirmed for each in exchanges] == [True, False, False]
        assert exchanges[1].pending
        exchanges[2].confirm()
        assert [each.confirmed for each in exchanges] == [True, True, True]


async def test_a_fresh_connection_is_a_new_one_and_closed_afterwards(name: str) -> None:
    server = Counting()
    async with serving(server.serve) as base_url, engine_on(base_url, name) as engine:
        await get(engine, base_url)
        fresh = exchange_of(await send(engine, "GET", base_url + "/x", fresh=True))
        assert (fresh.number, fresh.connection.open) == (1, False)
        await until(lambda: server.open == 1)
        await get(engine, base_url)
        assert server.asked == [1, 2, 1]


async def test_the_connection_of_another_exchange_is_used_where_it_is_idle(name: str) -> None:
    server = Counting()
    async with serving(server.serve) as base_url, engine_on(base_url, name) as engine:
        server.may_answer.clear()
        calls = [asyncio.create_task(get(engine, base_url)) for _ in range(3)]
        await until(lambda: len(server.asked) == 3)
        server.may_answer.set()
        replies = await asyncio.gather(*calls)
        for index in (1, 1, 2, 0):
            sent = exchange_of(await send(engine, "GET", base_url + "/x", via=replies[index].exchange))
            assert sent.connection is exchange_of(replies[index]).connection
        wanted = exchange_of(replies[1])
        wanted.connection.close()
        sent = exchange_of(await send(engine, "GET", base_url + "/x", via=wanted))
        assert sent.connection is not wanted.connection


async def test_a_connection_that_is_busy_is_not_waited_for(name: str) -> None:
    server = Counting()
    async with serving(server.serve) as base_url, engine_on(base_url, name) as engine:
        first = exchange_of(await get(engine, base_url))
        server.may_answer.clear()
        busy = asyncio.create_task(get(engine, base_url))
        await until(lambda: server.asked == [1, 1])
        other = asyncio.create_task(send(engine, "GET", base_url + "/x", via=first))
        await until(lambda: server.asked == [1, 1, 2])
        server.may_answer.set()
        await asyncio.gather(busy, other)


async def test_a_retired_connection_ends_its_exchange_and_has_no_other(name: str) -> None:
    server = Counting()
    async with serving(server.serve) as base_url, engine_on(base_url, name) as engine:
        first = exchange_of(await get(engine, base_url))
        server.may_answer.clear()
        busy = asyncio.create_task(get(engine, base_url))
        await until(lambda: server.asked == [1, 1])
        first.connection.retire()
        server.may_answer.set()
        assert exchange_of(await busy).number == 2
        assert not first.connection.open
        await until(lambda: server.open == 0)
        second = exchange_of(await get(engine, base_url))
        second.connection.retire()
        await get(engine, base_url)
        assert server.asked == [1, 1, 2, 3]


async def test_an_answer_too_many_is_remembered(name: str) -> None:
    answered = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(OK + SIZED)
        await answered.wait()
        writer.write(OK + SIZED)
        await reader.read()

    async with serving(serve) as base_url, engine_on(base_url, name) as engine:
        exchange = exchange_of(await get(engine, base_url))
        assert not exchange.connection.disordered
        answered.set()
        await until(lambda: not exchange.connection.open)
        assert exchange.connection.disordered


async def test_a_closed_connection_breaks_off_its_exchange(name: str) -> None:
    server = Counting()
    async with serving(server.serve) as base_url, engine_on(base_url, name) as engine:
        first = exchange_of(await get(engine, base_url))
        server.may_answer.clear()
        busy = asyncio.create_task(get(engine, base_url))
        await until(lambda: server.asked == [1, 1])
        first.connection.close()
        with pytest.raises(aiohttp.ClientError):
            await busy
        server.may_answer.set()
        await until(lambda: server.open == 0)


async def test_after_a_failed_connection_the_address_is_asked_for_anew(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting()
    loop = asyncio.get_running_loop()
    asked: list[Any] = []

    async def addresses(host: Any, port: int, *_: Any, **__: Any) -> list[Any]:
        """The first time that of a machine that is gone."""
        asked.append(host)
        there = "127.0.0.1" if len(asked) > 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (there, port))]

    async with serving(counting.serve) as base_url, engine_on(base_url, name) as engine:
        monkeypatch.setattr(loop, "getaddrinfo", addresses)
        with pytest.raises(aiohttp.ClientConnectorError):
            await get(engine, base_url)
        assert (await get(engine, base_url)).status == 200
        assert (await send(engine, "GET", f"{base_url}/x", fresh=True)).status == 200
    assert len(asked) <= 3  # what worked is remembered: aiohttp keeps connections of their own for fresh ones
