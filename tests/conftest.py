"""What the tests share: a local server, sessions on it, and answers without a server."""

from __future__ import annotations

import os
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import hypothesis
import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses

from welkin_async import Welkin
from welkin_async.http.auth import tokens
from welkin_async.sandbox import Sandbox

# No deadline, because the machine may be busy; no database, because a test run leaves nothing behind.
hypothesis.settings.register_profile("welkin", deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("welkin")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the HTTP engine of every session be chosen that names none."""
    parser.addoption("--engine", choices=("aiohttp", "direct"), default="aiohttp", help="HTTP engine (%(default)s)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Spread the slow tests over all where processes share the work: each begins with a part of the list."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    if not slow or not hasattr(config, "workerinput"):
        return
    others = [item for item in items if not item.get_closest_marker("slow")]
    step = len(others) / len(slow)
    items[:] = []
    for number, item in enumerate(slow):
        items += [item, *others[round(number * step) : round((number + 1) * step)]]


class Connect(Protocol):
    """Makes a session for a local server; open it with ``async with``."""

    def __call__(self, server: Sandbox, /, **settings: Any) -> Welkin: ...


@pytest.fixture(autouse=True)
def no_memory(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Start with no token, no budget of token requests spent and no setting in the environment but the engine."""
    for name in [name for name in os.environ if name.startswith("WELKIN_")]:
        monkeypatch.delenv(name)
    if (engine := request.config.getoption("--engine")) != "aiohttp":
        monkeypatch.setenv("WELKIN_ENGINE", engine)
    tokens._states.clear()
    yield
    tokens._states.clear()


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
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """Answers instead of a server: pool, timeouts and redirects are not exercised, only what is sent and read."""
    monkeypatch.delenv("WELKIN_ENGINE", raising=False)  # it is aiohttp that aioresponses stands in for
    running = Answers()
    with running:
        yield running


_TESTS = str(Path(__file__).parent)


@pytest.fixture
def leaks() -> Callable[[BaseException, list[str]], list[str]]:
    """Find words in the variables of an error's frames, as a reporter that keeps them would show them.

    Causes, contexts (those that are not shown too) and members of groups are walked through; a test's own frames, and
    calls that it gives as text, are left out.
    """

    def leaks(error: BaseException, words: list[str]) -> list[str]:
        found = []
        pending: list[BaseException | None] = [error]
        seen: set[int] = set()
        while pending:
            each = pending.pop()
            if each is None or id(each) in seen:
                continue
            seen.add(id(each))
            pending += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
            told = traceback.TracebackException(type(each), each, each.__traceback__, capture_locals=True)
            for frame in told.stack:
                if not frame.filename.startswith((_TESTS, "<string>")):
                    place = f"{type(each).__name__}: {frame.filename}:{frame.lineno} {frame.name}"
                    found += [f"{place}: {name} = {value}" for name, value in (frame.locals or {}).items()]
        return [line for line in found if any(word in line for word in words)]

    return leaks
