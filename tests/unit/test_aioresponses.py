"""Why `conftest.answers` hands aioresponses a response class of its own, and until when."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses

URL = "https://api.example.org/x"


async def exchange() -> Any:
    async with aiohttp.ClientSession() as session, session.get(URL) as response:
        return await response.json()


async def test_the_work_around_for_aioresponses_is_still_needed() -> None:
    if tuple(map(int, version("aiohttp").split(".")[:2])) < (3, 14):
        pytest.skip("aiohttp requires a stream_writer since 3.14")
    message = (
        f"aioresponses {version('aioresponses')} now works with aiohttp {version('aiohttp')}: "
        "remove CompleteResponse from tests/conftest.py"
    )
    with aioresponses() as plain:
        plain.get(URL, payload={"a": 1})
        failure: TypeError | None = None
        try:
            await exchange()
        except TypeError as error:
            failure = error
    assert failure is not None, message
    assert "stream_writer" in str(failure), message


async def test_the_work_around_works(answers: Any) -> None:
    answers.add(URL, payload={"a": 1}, headers={"X-Id": "7"})
    assert await exchange() == {"a": 1}
