from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from shared.servers import RedisServer, fresh_postgres, missing, postgres_server

from welkin_async.shared import new_key

NEEDED = ("fastapi", "uvicorn", "opentelemetry.sdk", "opentelemetry.instrumentation.aiohttp_client")


@pytest.fixture(autouse=True, scope="session")
def needed() -> None:
    """What the tests here need is of the group ``service``; where it has to be there, its absence is a failure."""
    for name in NEEDED:
        if os.environ.get("SERVICE_REQUIRED"):
            importlib.import_module(name)
        else:
            pytest.importorskip(name)


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """An empty folder, for what a service tells."""
    folder = tmp_path / "told"
    folder.mkdir()
    return folder


@pytest.fixture(params=["postgres", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables by which replicas share a store of each kind, with nothing in it."""
    key = {"WELKIN_SHARED_KEY": new_key()}
    if request.param == "postgres":
        for url in fresh_postgres(postgres_server() or missing("PostgreSQL")):
            yield {"WELKIN_SHARED": url, **key}
    else:
        if RedisServer.program() is None:
            missing("Redis")
        folder = tmp_path / "redis"
        folder.mkdir()
        server = RedisServer(folder)
        server.start()
        try:
            yield {"WELKIN_SHARED": server.url, **key}
        finally:
            server.kill()
