"""What the tests share: a local server, sessions on it, and answers without a server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any, Protocol

import hypothesis
import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses

from welkin_async import Welkin, auth
from welkin_async.sandbox import Sandbox

# No deadline, because the machine may be busy; no database, because a test run leaves nothing behind.
hypothesis.settings.register_profile("welkin", deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("welkin")


class Connect(Protocol):
    """Makes a session for a local server; open it with ``async with``."""

    def __call__(self, server: Sandbox, /, **settings: Any) -> Welkin: ...


@pytest.fixture(autouse=True)
def no_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start with no budget of token requests spent and no setting in the environment."""
    for name in [name for name in os.environ if name.startswith("WELKIN_")]:
        monkeypatch.delenv(name)
    auth._budgets.clear()
    yield
    auth._budgets.clear()


@pytest.fixture
async def server() -> AsyncIterator[Sandbox]:
    """A local Welkin server in this process."""
    async with Sandbox() as running:
        yield running


@pytest.fixture
def connect() -> Connect:
    """Make sessions for a server, with other settings where they are given."""

    def connect(server: Sandbox, /, **settings: Any) -> Welkin:
        given = {
            "tenant": server.tenant,
            "instance": server.instance,
            "api_client": server.api_client,
            "secret_key": server.secret_key,
            "base_url": server.base_url,
        }
        return Welkin(**(given | settings))

    return connect


@pytest.fixture
async def welkin(server: Sandbox, connect: Connect) -> AsyncIterator[Welkin]:
    """An open session on `server`."""
    async with connect(server) as session:
        yield session


class CompleteResponse(ClientResponse):
    """A response as aioresponses builds it, plus the ``stream_writer`` that aiohttp 3.14 requires and it leaves out.

    `unit/test_aioresponses.py` fails when this is no longer needed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **kwargs)


class Answers(aioresponses):
    """An answer for each request to come; `requests` holds what was sent."""

    def add(self, url: Any, method: str = "GET", **answer: Any) -> None:  # type: ignore[override]
        """Answer one request, or every one with ``repeat=True``."""
        answer.setdefault("response_class", CompleteResponse)
        super().add(url, method, **answer)


@pytest.fixture
def answers() -> Iterator[Answers]:
    """Answers instead of a server: pool, timeouts and redirects are not exercised, only what is sent and read."""
    running = Answers()
    with running:
        yield running
