"""One attempt is one request on the wire, whatever the verb: aiohttp's own second try is off."""

from __future__ import annotations

import pytest

from welkin_async import ConnectionLostError, OutcomeUnknownError, RequestError, Welkin
from welkin_async.errors import TokenUnavailableError
from welkin_async.http.engines.aiohttp_engine import AiohttpEngine

from .helpers import Close, Hang, RawServer, Reaction, Reset, connect, http, in_turn

VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
ENDS: list[Reaction] = [Reset(), Close(), Close(b"HTTP/1.1 20")]
NAMES = ["reset", "closed", "cut"]


async def call(welkin: Welkin, verb: str, *, safe: bool | None = None) -> None:
    body = {"a": 1} if verb in ("POST", "PUT", "PATCH") else None
    await welkin.request(verb, "/{tenant}/{instance}/x", json=body, safe=safe, max_attempts=1)


@pytest.mark.parametrize("end", ENDS, ids=NAMES)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_kept_alive_connection_that_ends_without_an_answer(verb: str, end: Reaction) -> None:
    async with RawServer(in_turn(http(200), end)) as server, connect(server) as welkin:
        await call(welkin, "GET")
        with pytest.raises(RequestError) as caught:
            await call(welkin, verb)
        assert server.methods() == ["GET", verb]
        beside = verb == "HEAD" and welkin.transport.engine_name == "direct"  # which leaves HEAD to aiohttp
        assert {seen.connection for seen in server.seen} == ({1, 2} if beside else {1})
        assert caught.value.attempts == 1
        assert isinstance(caught.value, ConnectionLostError if verb in ("GET", "HEAD") else OutcomeUnknownError)
        assert caught.value.safe_to_repeat is (verb in ("GET", "HEAD"))


@pytest.mark.parametrize("verb", VERBS)
async def test_a_fresh_connection_that_ends_without_an_answer(verb: str) -> None:
    async with RawServer(in_turn(Reset())) as server, connect(server) as welkin:
        with pytest.raises(RequestError):
            await call(welkin, verb, safe=True)
        assert server.methods() == [verb]


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
async def test_without_the_switch_aiohttp_would_send_it_twice(verb: str) -> None:
    async with RawServer(in_turn(http(200), Close(), http(200))) as server, connect(server, engine="aiohttp") as welkin:
        await call(welkin, "GET")
        engine = welkin.transport._engine
        assert isinstance(engine, AiohttpEngine)
        engine._session._retry_connection = True
        await call(welkin, verb)
        assert server.methods() == ["GET", verb, verb]


async def test_a_retry_is_one_request_each(swift: None) -> None:
    async with RawServer(in_turn(http(200), Close(), Reset(), Close())) as server, connect(server) as welkin:
        await call(welkin, "GET")
        for verb in ("GET", "PUT", "DELETE"):
            before = len(server.seen)
            with pytest.raises(ConnectionLostError) as caught:
                await welkin.request(verb, "/{tenant}/x", safe=True, max_attempts=3)
            assert caught.value.attempts == len(server.seen) - before == 3


async def test_a_timeout_is_one_request() -> None:
    async with RawServer(in_turn(http(200), Hang())) as server, connect(server, timeout=0.1) as welkin:
        await call(welkin, "GET")
        for verb in ("GET", "DELETE"):
            with pytest.raises(ConnectionLostError):
                await call(welkin, verb, safe=True)
        assert server.methods() == ["GET", "GET", "DELETE"]


@pytest.mark.parametrize("end", ENDS, ids=NAMES)
async def test_a_token_call_is_one_request(end: Reaction) -> None:
    async with RawServer(in_turn(end), tokens=False) as server, connect(server) as welkin:
        with pytest.raises(TokenUnavailableError):
            await call(welkin, "GET")
        assert server.methods() == ["POST"]


async def test_answers_set_no_cookies_and_connections_are_kept() -> None:
    async with RawServer(in_turn(http(200, Set_Cookie="AWSALB=sticky; Path=/"))) as server, connect(server) as welkin:
        for _ in range(3):
            await call(welkin, "GET")
        assert all("cookie" not in seen.headers for seen in server.seen)
        assert server.connections == 1
        assert server.seen[0].headers["user-agent"].startswith("welkin_async/")
        assert server.seen[0].headers["accept"] == "application/json"
