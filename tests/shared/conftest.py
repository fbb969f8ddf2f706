from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from welkin_async.shared import Coordination, coordination, new_key

from .servers import RedisServer, fresh_postgres, missing, postgres_server

KINDS = ("sqlite", "postgres", "redis")


@pytest.fixture(scope="session")
def postgres() -> str:
    """The URL of a PostgreSQL server."""
    return postgres_server() or missing("PostgreSQL")


@pytest.fixture(scope="session")
def durable_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server that can keep a ledger."""
    if RedisServer.program() is None:
        missing("Redis")
    server = RedisServer(tmp_path_factory.mktemp("redis"), appendonly="yes", appendfsync="always")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def store_key(monkeypatch: pytest.MonkeyPatch) -> str:
    """A key by which tokens are sealed, in the environment."""
    key = new_key()
    monkeypatch.setenv("WELKIN_SHARED_KEY", key)
    return key


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path, store_key: str) -> Iterator[str]:
    """The URL of a store of each kind, with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/shared.db"
    elif request.param == "postgres":
        yield from fresh_postgres(request.getfixturevalue("postgres"))
    else:
        import redis

        server: RedisServer = request.getfixturevalue("durable_redis")
        with redis.Redis.from_url(server.url) as client:
            client.flushall()
        yield server.url


@pytest.fixture
async def share(url: str) -> AsyncIterator[Callable[..., Coordination]]:
    """Make what processes share, set up; closed at the end."""
    made: list[Coordination] = []

    def share(lease: float = 2.0) -> Coordination:
        made.append(coordination(url, lease))
        return made[-1]

    await share().init()
    yield share
    for each in made:
        await each.aclose()
