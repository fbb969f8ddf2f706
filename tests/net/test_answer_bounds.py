"""An answer that is larger than allowed: what a call makes of it, and which bound holds for what. Both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from welkin_async import (
    ConfigurationError,
    ConnectionLostError,
    OutcomeUnknownError,
    TokenUnavailableError,
    WelkinError,
)
from welkin_async.http.engines.engine import SMALL_ANSWER

from .helpers import RawServer, connect, http, record

on_both_engines = pytest.mark.parametrize("name", ["aiohttp", "direct"])


@on_both_engines
async def test_a_call_is_not_repeated_for_the_sake_of_an_answer_too_large(name: Any) -> None:
    async with RawServer(lambda seen: http(200, b'{"id": "r1", "firstName": "%b"}' % (b"a" * 5000))) as server:
        async with connect(server, engine=name, max_answer=5000) as welkin:
            with pytest.raises(ConnectionLostError, match="max_answer") as lost:
                await welkin.patients.get("r1")
            assert lost.value.attempts == 1
            with pytest.raises(OutcomeUnknownError, match="max_answer"):
                await welkin.patients.create({"firstName": "A"})
        assert server.methods() == ["GET", "POST"]


@on_both_engines
async def test_a_tokens_answer_is_small(name: Any) -> None:
    server = RawServer(lambda seen: record(), token="t" * (SMALL_ANSWER + 1))
    async with server, connect(server, engine=name, max_attempts=1) as welkin:
        with pytest.raises(TokenUnavailableError, match="larger than allowed"):
            await welkin.patients.get("r1")


async def test_a_download_has_a_bound_where_one_is_given(tmp_path: Path) -> None:
    async with RawServer(lambda seen: http(200, b"a" * 5000)) as server, connect(server) as welkin:
        files = welkin.patient("p").document("d").files
        assert (await files.download("f", tmp_path / "a", max_size=5000)).size == 5000
        with pytest.raises(ConnectionLostError, match="max_size"):
            await files.download("f", tmp_path / "b", max_size=4999)
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
        got = b""
        async with files.stream("f", max_size=5000) as chunks:
            async for chunk in chunks:
                got += chunk
        assert got == b"a" * 5000
        with pytest.raises(WelkinError, match="max_size"):
            async with files.stream("f", max_size=10) as chunks:
                async for _ in chunks:
                    pass
        assert len(server.seen) == 4


@pytest.mark.parametrize(
    "given", [{"max_answer": 0}, {"max_answer": -1}, {"ssl": False}, {"ssl": True}, {"ssl": "ca.pem"}]
)
def test_settings_that_are_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(given))):
        connect("https://h.example", **given)
